package mtlsauth

import (
	"errors"

	pdk "github.com/Kong/go-pdk"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/engine"
	"mtls-auth/mtlsauth/internal/handshake"
	"mtls-auth/mtlsauth/internal/pluginserver"
)

// The evidence, asked for in one write. A variable that is not set, no TLS and
// no certificate all give an empty reply.
//
// Replies have no id: if one comes twice, those after it are taken for each other. Hence the
// last reply of each write is one that no other can be: the subsystem, which is "http", or
// all headers; or the certificate, which is of another type than the chain and, where it is
// empty, lets no request pass.
var (
	askEvidence                     = evidenceCalls(false, false)
	askEvidenceAndCredential        = evidenceCalls(true, false)
	askEvidenceAndHeaders           = evidenceCalls(false, true)
	askEvidenceCredentialAndHeaders = evidenceCalls(true, true)

	askGRPC = pluginserver.MustRecord(func(kong *pdk.PDK) error {
		kong.Nginx.GetVar("content_type")
		kong.Nginx.GetVar("server_protocol")
		kong.Nginx.GetSubsystem()
		return nil
	})
	askReused = pluginserver.MustRecord(func(kong *pdk.PDK) error {
		kong.Nginx.GetVar("ssl_session_reused")
		kong.Nginx.GetSubsystem()
		return nil
	})
)

var errShifted = errors.New("reading replies of Kong: the last one answers another call")

// answered checks that the last reply is that to GetSubsystem, and returns those before it.
func answered(replies [][]byte) ([][]byte, error) {
	last := len(replies) - 1
	if name, err := onlyString(replies[last]); err != nil || string(name) != "http" {
		return nil, errShifted
	}
	return replies[:last], nil
}

func evidenceCalls(credential, headers bool) pluginserver.Calls {
	return pluginserver.MustRecord(func(kong *pdk.PDK) error {
		kong.Ctx.GetSharedAny(handshake.ChainKey)
		kong.Nginx.GetVar("ssl_client_raw_cert")
		if credential {
			kong.Client.GetCredential()
		}
		switch {
		case headers:
			kong.Request.GetHeaders(maxHeaders)
		case credential:
			kong.Nginx.GetSubsystem()
		}
		return nil
	})
}

// evidenceOf is what to ask for a policy: the headers where other spellings of some are to
// be cleared, since to clear all would cost Kong more than everything else.
func evidenceOf(p *engine.Policy) pluginserver.Calls {
	switch credential, headers := p.AsksCredential(), p.TellsUpstream(); {
	case credential && headers:
		return askEvidenceCredentialAndHeaders
	case headers:
		return askEvidenceAndHeaders
	case credential:
		return askEvidenceAndCredential
	}
	return askEvidence
}

// presented reads the replies to evidenceOf, and which headers are to be cleared. The bytes
// are the replies' own.
func presented(p *engine.Policy, replies [][]byte) (authn.Presented, []string, error) {
	evidence, err := certificates(replies)
	replies = replies[2:]
	if err == nil && p.AsksCredential() {
		evidence.Authenticated = len(replies[0]) > 0 // no credential is an empty reply
		replies = replies[1:]
	}
	var cleared []string
	switch {
	case err != nil:
	case p.TellsUpstream():
		cleared, err = otherSpellings(replies[0])
	case p.AsksCredential():
		_, err = answered(replies)
	}
	return evidence, cleared, err
}

func certificates(replies [][]byte) (authn.Presented, error) {
	leaf, err := onlyString(replies[1])
	if err != nil {
		return authn.Presented{}, err
	}
	// nil may arrive as an empty reply or as a Value whose null_value is any
	// number; neither has a string_value.
	chain, err := stringField(replies[0], valueString)
	if err != nil {
		return authn.Presented{}, err
	}
	return authn.Presented{Leaf: leaf, Chain: chain}, err
}
