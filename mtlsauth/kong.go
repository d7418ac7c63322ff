package mtlsauth

import (
	"errors"

	pdk "github.com/Kong/go-pdk"
	"github.com/Kong/go-pdk/client"
	"github.com/Kong/go-pdk/entities"
	"google.golang.org/protobuf/encoding/protowire"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/handshake"
	"mtls-auth/mtlsauth/internal/pluginserver"
)

// The evidence, asked for in one write. A variable that is not set, no TLS and
// no certificate all give an empty reply.
var (
	askEvidence = pluginserver.MustRecord(func(kong *pdk.PDK) error {
		kong.Nginx.GetVar("ssl_client_raw_cert")
		kong.Ctx.GetSharedAny(handshake.ChainKey)
		return nil
	})
	askEvidenceAndCredential = pluginserver.MustRecord(func(kong *pdk.PDK) error {
		kong.Nginx.GetVar("ssl_client_raw_cert")
		kong.Ctx.GetSharedAny(handshake.ChainKey)
		kong.Client.GetCredential()
		return nil
	})
	askReused = pluginserver.MustRecord(func(kong *pdk.PDK) error {
		kong.Nginx.GetVar("ssl_session_reused")
		return nil
	})
)

// Field numbers of pluginsocket.proto's String and of google.protobuf.Value.
const (
	stringV     protowire.Number = 1
	valueString protowire.Number = 3
)

// presented reads the replies to askEvidence, with or without the credential. The bytes are the replies' own.
func presented(replies [][]byte) (authn.Presented, error) {
	leaf, err := stringField(replies[0], stringV)
	if err != nil {
		return authn.Presented{}, err
	}
	// nil may arrive as an empty reply or as a Value whose null_value is any
	// number; neither has a string_value.
	chain, err := stringField(replies[1], valueString)
	if err != nil {
		return authn.Presented{}, err
	}
	p := authn.Presented{Leaf: leaf, Chain: chain}
	if len(replies) > 2 {
		p.Authenticated = len(replies[2]) > 0 // no credential is an empty reply
	}
	return p, nil
}

// stringField returns the last value of a length-delimited field of a protobuf
// message, nil when there is none.
func stringField(message []byte, field protowire.Number) ([]byte, error) {
	var value []byte
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil, errors.New("reading a reply of Kong: no protobuf message")
		}
		message = message[n:]
		n = protowire.ConsumeFieldValue(number, kind, message)
		if n < 0 {
			return nil, errors.New("reading a reply of Kong: no protobuf message")
		}
		if number == field && kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(message)
		}
		message = message[n:]
	}
	return value, nil
}

// carryOut makes the PDK calls that carry out an answer, but for tellVerified.
func carryOut(a *authn.Answer, kong *pdk.PDK) error {
	if a.ClientVerify != "" && a.ClientVerify != verified {
		if err := kong.Nginx.SetCtx("CLIENT_VERIFY_OVERRIDE", a.ClientVerify); err != nil {
			return err
		}
	}
	if a.Status != 0 {
		kong.Response.Exit(a.Status, a.Body(), map[string][]string{
			"Content-Type": {"application/json; charset=utf-8"},
		})
		return nil
	}
	if err := kong.ServiceRequest.SetHeaders(a.HeaderValues()); err != nil {
		return err
	}
	switch {
	case a.Consumer != nil:
		if err := authenticate(kong, a); err != nil {
			return err
		}
	case a.CredentialID != "":
		// Not kong.client.authenticate: over the plugin protocol it gives a
		// credential without a consumer an empty consumer_id, on which
		// Kong's acl answers 500 (seen with Kong 3.9.1).
		credential := map[string]any{"id": a.CredentialID}
		if err := kong.Nginx.SetCtx("authenticated_credential", credential); err != nil {
			return err
		}
	}
	if len(a.Groups) == 0 {
		return nil
	}
	groups := make([]any, len(a.Groups))
	for i, g := range a.Groups {
		groups[i] = g
	}
	return kong.Ctx.SetShared("authenticated_groups", groups)
}

// authenticate sets the consumer and, but for the anonymous one, a credential.
func authenticate(kong *pdk.PDK, a *authn.Answer) error {
	c := &entities.Consumer{
		Id: a.Consumer.ID, Username: a.Consumer.Username, CustomId: a.Consumer.CustomID,
		Tags: a.Consumer.Tags, CreatedAt: int(a.Consumer.CreatedAt),
	}
	if a.CredentialID == "" {
		return kong.Client.Authenticate(c, nil)
	}
	return kong.Client.Authenticate(c, &client.AuthenticatedCredential{Id: a.CredentialID, ConsumerId: c.Id})
}

// preparedAnswer is what a decision's answer becomes for Kong.
type preparedAnswer struct {
	calls    pluginserver.Calls
	verified bool // tellVerified comes first
}

// noAnswer is what becomes of one that can not be put into calls.
type noAnswer struct{ err error }

var (
	_ authn.Form = (*preparedAnswer)(nil)
	_ authn.Form = (*noAnswer)(nil)
)

// Size implements authn.Form.
func (p *preparedAnswer) Size() int { return 48 + p.calls.Size() }

// Size implements authn.Form.
func (p *noAnswer) Size() int { return 16 }

// verified is the verdict for Kong's log serializer on all who pass by their
// certificate. What tells it is the same for all of them, so that no remembered
// decision holds it.
const verified = "SUCCESS"

var tellVerified = pluginserver.MustRecord(func(kong *pdk.PDK) error {
	return kong.Nginx.SetCtx("CLIENT_VERIFY_OVERRIDE", verified)
})

// prepare makes the calls that carry out a decision.
func prepare(d *authn.Decision) authn.Form {
	if d.Answer == nil {
		return &noAnswer{errors.New("a decision without an answer")}
	}
	calls, err := pluginserver.Record(func(kong *pdk.PDK) error { return carryOut(d.Answer, kong) })
	if err != nil {
		return &noAnswer{err}
	}
	return &preparedAnswer{calls, d.Answer.ClientVerify == verified}
}

// The answer to a request that has no other.
var (
	faultAnswer = authn.Deny(authn.Internal, nil).Answer
	faultCalls  = pluginserver.MustRecord(func(kong *pdk.PDK) error { return carryOut(faultAnswer, kong) })
)
