package engine

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/certheader"
	"mtls-auth/mtlsauth/internal/config"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/konglog"
)

// Policy is a configuration that requests are decided by. [Engine.Start] returns the same
// for equal ones.
type Policy struct {
	engine *Engine
	log    *konglog.Log // of the plugin that it is of
	plugin config.Plugin
	policy *authn.Policy   // nil when the configuration was refused
	denied *authn.Decision // the decision about every request, when it was
	mapped bool            // by credentials of the sources
	header *certheader.Settings
	faults []*konglog.Faults
	cas    authn.CASet

	users   int    // under engine.mu, as is release
	release func() // gives back what it uses; nil for nothing
}

// Start returns the policy of a configuration, whose CA certificates, consumers and
// credentials come from the sources that flags name. One that is refused makes a policy
// that answers every request with 500 and says why in the log: it fails closed. Start
// waits for nothing. Close gives the policy back.
//
// Kong starts an instance in each worker at every reload, also of an identical
// configuration, so nothing worth caching belongs to one.
func (e *Engine) Start(text []byte) *Policy {
	c, err := e.parse(e.plugin, text)
	if err != nil {
		return e.Refuse(err)
	}
	e.sourcesUsed()
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.SendCADN() {
		e.warnOnce("config.send_ca_dn: the CAs' names cannot be sent from here; name them where Kong asks for the certificate: to nginx with ssl_client_certificate, or in the pre-function")
	}
	e.warnAbout(c.Header(), c.Settings())
	content := c.Content()
	p, ok := e.policies[content]
	if !ok {
		set := e.store.Want(c.CACertificates())
		// Not the configuration's own ids: many configurations name the same.
		p = e.policyOf(c, authn.Options{CAs: set, CAIDs: set.IDs(), Lookups: e.lookups}, e.store)
		p.release = func() { // of c nothing is kept: its ids are many
			delete(e.policies, content)
			set.Release()
		}
		e.policies[content] = p
	}
	p.users++
	return p
}

// StartWith makes a policy of a configuration of the plugin of this name, and of the CA
// certificates that came with it from Kong's own database, as [Engine.Start] does. What it
// decides by a consumer is not cached here: its caller caches decisions, and asks again only
// after a change. It needs no source, and is told nothing of their faults.
func (e *Engine) StartWith(plugin string, text []byte, entities []kongdata.Entity) *Policy {
	c, err := e.parse(config.PluginOf(plugin), text)
	log := e.logOf(plugin)
	var p *Policy
	if err != nil {
		p = e.Refuse(err)
	} else {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.warnAbout(c.Header(), c.Settings())
		set, release := e.setOf(c.CACertificates(), entities)
		p = e.policyOf(c, authn.Options{CAs: set, CAIDs: set.IDs()}, nil)
		p.users, p.release = 1, release
	}
	p.log, p.faults = log, []*konglog.Faults{e.log.Background}
	p.plugin = config.PluginOf(plugin)
	return p
}

// logOf returns the log of the plugin of this name.
func (e *Engine) logOf(plugin string) *konglog.Log {
	e.mu.Lock()
	defer e.mu.Unlock()
	log := e.logs[plugin]
	if log == nil {
		log = e.log.As(plugin)
		e.logs[plugin] = log
	}
	return log
}

// Refuse makes a policy that refuses every request with 500, for a configuration that
// cannot be carried out.
func (e *Engine) Refuse(err error) *Policy {
	for _, one := range each(err) {
		e.log.Background.Error("configuration refused, its requests get 500", "error", one)
	}
	return &Policy{engine: e, log: e.log, plugin: e.plugin, denied: authn.Deny(authn.BadConfig, err), faults: e.log.Faults()}
}

func (e *Engine) parse(plugin config.Plugin, text []byte) (config.Config, error) {
	if e.refused != nil {
		return config.Config{}, e.refused
	}
	return config.Parse(plugin, text)
}

// each returns the errors that were joined to one: each mistake has a line of
// its own, so that none is cut off.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// policyOf makes a policy of a configuration and of where its CA certificates, lookups and
// credentials come from. The caller has the lock.
func (e *Engine) policyOf(c config.Config, o authn.Options, credentials authn.CredentialSource) *Policy {
	o.Settings = c.Settings()
	o.MinRSABits, o.Cache, o.Limiter, o.Checker = e.minRSABits, e.cache, e.limiter, e.status.checker
	if o.Consumers != nil {
		consumers := *o.Consumers
		consumers.Source = credentials
		o.Consumers = &consumers
	}
	p := &Policy{
		engine: e, log: e.log, plugin: e.plugin, policy: authn.NewPolicy(o),
		mapped: o.Consumers != nil && credentials != nil,
		header: c.Header(),
		faults: e.log.Faults(),
		cas:    o.CAs,
	}
	e.active[p] = true
	return p
}

// caSet is CA certificates that came with configurations, the same for all that came with
// the same.
type caSet struct {
	*kongdata.FixedSet
	users int
}

// setOf returns the CA certificates of these ids among those that came along, and what
// gives them back. The caller has the lock.
func (e *Engine) setOf(ids []string, entities []kongdata.Entity) (set *caSet, release func()) {
	text, err := json.Marshal([]any{ids, entities})
	if err != nil {
		panic(fmt.Sprintf("marshalling CA certificates: %v", err)) // they are strings
	}
	content := sha256.Sum256(text)
	set, ok := e.sets[content]
	if !ok {
		fixed, refused := kongdata.NewFixedSet(ids, entities)
		for _, err := range refused {
			e.log.Background.Error("CA certificate refused", "error", err)
		}
		for _, ca := range fixed.Snapshot().CAs {
			if time.Now().After(ca.Certificate.NotAfter) {
				e.log.Background.Warn("CA certificate has expired and trusts no certificate", "ca_certificate", ca.ID, "not_after", ca.Certificate.NotAfter)
			}
		}
		set = &caSet{FixedSet: fixed}
		e.sets[content] = set
	}
	set.users++
	return set, func() {
		if set.users--; set.users == 0 {
			delete(e.sets, content)
		}
	}
}

// Plugin returns which plugin's configuration it is.
func (p *Policy) Plugin() config.Plugin { return p.plugin }

// Close gives the policy back, once for each Start.
func (p *Policy) Close() {
	p.engine.mu.Lock()
	defer p.engine.mu.Unlock()
	if p.users--; p.users == 0 && p.release != nil {
		delete(p.engine.active, p)
		p.release()
	}
}

// Refused is the decision about every request of a refused configuration; nil
// for others. It comes first in every event: with it go the lines for Kong's
// log that no request is to blame for.
func (p *Policy) Refused(r Request) *authn.Decision {
	if !p.engine.luaMode {
		write(r, p.engine.log.Due(r.Time(), p.faults...))
	}
	if p.denied != nil {
		write(r, p.log.Decision(p.denied, konglog.Context{}, r.Time()))
	}
	return p.denied
}

// AsksCredential reports whether Decide needs to know if an earlier plugin has
// authenticated the request.
func (p *Policy) AsksCredential() bool { return p.policy.AsksCredential() }

// TellsUpstream reports whether headers of upstream_certificate_headers are set, and others
// cleared.
func (p *Policy) TellsUpstream() bool { return p.policy != nil && p.policy.TellsUpstream() }

// Decide decides about what a client presented, and writes a line to Kong's log
// where one is due. Consumers come from the sources, or else from Kong itself.
func (p *Policy) Decide(ctx context.Context, r interface {
	Request
	Loader
}, presented authn.Presented) *authn.Decision {
	if p.mapped {
		p.engine.store.AwaitCredentials()
	}
	return p.DecideBy(ctx, r, directory{p.engine, r, p.policy.Known()}, presented)
}

// DecideBy is Decide with consumers from a directory of the caller's.
func (p *Policy) DecideBy(ctx context.Context, r Request, dir consumer.Directory, presented authn.Presented) *authn.Decision {
	d := p.policy.Authenticate(ctx, presented, dir, r.Time())
	write(r, p.log.Decision(d, p.about(r, presented), r.Time()))
	return d
}

// Again is the line for each further use of a decision that its caller caches; false for
// none.
func (p *Policy) Again(r Request, d *authn.Decision, presented authn.Presented) (konglog.Line, bool) {
	return p.log.Again(d, p.about(r, presented))
}
