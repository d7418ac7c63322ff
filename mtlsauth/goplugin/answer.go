package main

import (
	"cmp"
	"errors"

	"mtls-auth/mtlsauth/internal/authn"
)

// passedKey is the key in kong.ctx.shared of a request that may go
// on: the certificate that was judged, as nginx's variable has it, or noLeaf. The
// guard in Kong refuses a request whose certificate is another, see the package's
// doc: event ids begin again in each process of go-pluginserver, so an answer of
// Kong's to an event of the process before may come to be this one's evidence.
const (
	passedKey = "mtls_auth_passed"
	noLeaf    = "none"
)

var errNoDecision = errors.New("no decision was made")

// answer carries out the decision's answer, and no other: only one that goes on
// ends in a pass. An error leaves the request to be ended.
func (e *event) answer(d *authn.Decision) error {
	if d == nil {
		return errNoDecision
	}
	a := d.Answer()
	if a.ClientVerify != "" {
		if err := e.tell("kong.nginx.set_ctx", "CLIENT_VERIFY_OVERRIDE", a.ClientVerify); err != nil {
			return err
		}
	}
	if !d.GoesOn() {
		e.exit(a, e.isGRPC())
		return nil
	}
	if err := e.tell("kong.service.request.set_headers", a.HeaderValues()); err != nil {
		return err
	}
	if err := e.authenticate(a); err != nil {
		return err
	}
	if a.CredentialID != "" {
		// Groups of what an earlier plugin authenticated are not this client's: false is none
		// for Kong's acl, which wants a table.
		var groups any = false
		if len(a.Groups) > 0 {
			groups = a.Groups
		}
		if err := e.tell("kong.ctx.shared.set", "authenticated_groups", groups); err != nil {
			return err
		}
	}
	return e.tell("kong.ctx.shared.set", passedKey, cmp.Or(e.leaf, noLeaf))
}

// authenticate sets the consumer and, but for the anonymous one, a credential;
// without a consumer the credential alone.
func (e *event) authenticate(a *authn.Answer) error {
	c := a.Consumer
	switch {
	case c != nil:
		who := map[string]any{"id": c.ID, "created_at": c.CreatedAt}
		if c.Username != "" {
			who["username"] = c.Username
		}
		if c.CustomID != "" {
			who["custom_id"] = c.CustomID
		}
		if len(c.Tags) > 0 {
			who["tags"] = c.Tags
		}
		if a.CredentialID == "" {
			return e.tell("kong.client.authenticate", who)
		}
		return e.tell("kong.client.authenticate", who, map[string]any{"id": a.CredentialID, "consumer_id": c.ID})
	case a.CredentialID != "":
		return e.tell("kong.nginx.set_ctx", "authenticated_credential", map[string]any{"id": a.CredentialID})
	}
	return nil
}

// tell calls a method whose answer says nothing.
func (e *event) tell(method string, args ...any) error {
	_, err := e.ask(method, args...)
	return err
}
