package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/Kong/go-pdk"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/handshake"
)

// maxDecision is how long a decision may take. Kong waits a minute for the next
// call, and then lets the request pass: this is well below, and above all that a
// decision waits for by itself (CA certificates, credentials, lookups, and 45 s
// for certificate status).
const maxDecision = 56 * time.Second

// Access is the access phase.
func (c *Config) Access(kong *pdk.PDK) {
	e := newEvent(kong)
	d, err := within(maxDecision, func() (*authn.Decision, error) {
		defer runtime.KeepAlive(c) // with which the instance is given back
		return c.instance.decide(e)
	})
	if err == nil {
		err = recovered(func() error { return e.answer(d) })
	}
	if err == nil {
		return
	}
	recovered(func() error {
		for _, line := range opened().Fault(err) {
			e.Log(line)
		}
		return nil
	})
	fault := authn.Deny(authn.Internal, nil).Answer()
	e.exit(fault, e.isGRPC())
}

// decide asks Kong for the evidence and has it decided.
func (in *instance) decide(e *event) (*authn.Decision, error) {
	if in.Policy == nil {
		return nil, errors.New("the instance could not be started")
	}
	if err := in.isMeant(e); err != nil {
		return nil, err
	}
	if d := in.Refused(e); d != nil {
		return d, nil
	}
	presented, err := in.evidence(e)
	if err != nil {
		return nil, err
	}
	return in.Decide(context.Background(), e, presented), nil
}

// isMeant refuses an event that is for another instance. go-pluginserver counts
// its instances from 0 in each process, and Kong learns of a new process only
// with the answer to an event, which it sent with an id of the old one. Where
// Kong does not tell the plugin's id (before 3.1), that cannot be found out.
func (in *instance) isMeant(e *event) error {
	if in.pluginID == "" {
		return nil
	}
	id, err := e.text("kong.plugin.get_id")
	if err == nil && id != "" && id != in.pluginID {
		err = fmt.Errorf("the event is for plugin %s, the instance of plugin %s: go-pluginserver has been restarted", id, in.pluginID)
	}
	return err
}

// evidence is what the client presented.
func (in *instance) evidence(e *event) (p authn.Presented, err error) {
	leaf, err := e.text("kong.nginx.get_var", "ssl_client_raw_cert")
	if err != nil {
		return authn.Presented{}, err
	}
	p.Leaf, e.leaf = []byte(leaf), leaf
	if leaf != "" {
		chain, err := e.text("kong.ctx.shared.get", handshake.ChainKey)
		if err != nil {
			return authn.Presented{}, err
		}
		p.Chain = []byte(chain)
	}
	if in.AsksCredential() {
		// Not kong.client.get_credential, whose answer has become empty where
		// the credential has neither id nor consumer_id.
		credential, err := e.ask("kong.nginx.get_ctx", "authenticated_credential")
		if err != nil {
			return authn.Presented{}, err
		}
		p.Authenticated = credential != nil && credential != false
	}
	return p, nil
}

// within returns what f returns, or an error when that takes too long or panics:
// then f goes on by itself, and to ask Kong is an error to it.
func within(limit time.Duration, f func() (*authn.Decision, error)) (*authn.Decision, error) {
	type result struct {
		d   *authn.Decision
		err error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		r.err = recovered(func() (err error) {
			r.d, err = f()
			return err
		})
		done <- r
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.d, r.err
	case <-timer.C:
		return nil, fmt.Errorf("no decision within %v", limit)
	}
}

// recovered returns the error of f, also where that is a panic, which would end
// the process.
func recovered(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return f()
}
