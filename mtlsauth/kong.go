package mtlsauth

import (
	"bytes"
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
	askGRPC = pluginserver.MustRecord(func(kong *pdk.PDK) error {
		kong.Nginx.GetVar("content_type")
		kong.Nginx.GetVar("server_protocol")
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

// exit ends the request as Kong's own plugins do.
func exit(a *authn.Answer, kong *pdk.PDK) {
	kong.Response.Exit(a.Status, a.Body(), map[string][]string{"Content-Type": {"application/json; charset=utf-8"}})
}

// exitGRPC ends a gRPC request so: Kong adds grpc-status.
func exitGRPC(a *authn.Answer, kong *pdk.PDK) {
	kong.Response.Exit(a.Status, nil, map[string][]string{"Content-Type": {"application/grpc"}, "grpc-message": {a.Message}})
}

// isGRPC asks Kong whether a request is of gRPC, as Kong tells it.
func isGRPC(e *pluginserver.Event) (bool, error) {
	replies, err := e.Ask(askGRPC)
	if err != nil {
		return false, err
	}
	contentType, err := stringField(replies[0], stringV)
	if err != nil {
		return false, err
	}
	protocol, err := stringField(replies[1], stringV)
	return bytes.HasPrefix(contentType, []byte("application/grpc")) && string(protocol) == "HTTP/2.0", err
}

// carryOut makes the PDK calls that carry out an answer, but for tellVerified. exit makes
// the one that ends the request.
func carryOut(a *authn.Answer, kong *pdk.PDK, exit func(*authn.Answer, *pdk.PDK)) error {
	if a.ClientVerify != "" && a.ClientVerify != verified {
		if err := kong.Nginx.SetCtx("CLIENT_VERIFY_OVERRIDE", a.ClientVerify); err != nil {
			return err
		}
	}
	if a.Status != 0 {
		exit(a, kong)
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
	grpc     *pluginserver.Calls // in place of calls for a gRPC request; nil for a pass
	verified bool                // tellVerified comes first
}

// noAnswer is what becomes of one that can not be put into calls.
type noAnswer struct{ err error }

var (
	_ authn.Form = (*preparedAnswer)(nil)
	_ authn.Form = (*noAnswer)(nil)
)

// Size implements authn.Form.
func (p *preparedAnswer) Size() int {
	size := 56 + p.calls.Size()
	if p.grpc != nil {
		size += p.grpc.Size()
	}
	return size
}

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
	calls, err := pluginserver.Record(func(kong *pdk.PDK) error { return carryOut(d.Answer, kong, exit) })
	if err != nil {
		return &noAnswer{err}
	}
	p := &preparedAnswer{calls: calls, verified: d.Answer.ClientVerify == verified}
	if d.Answer.Status != 0 {
		grpc, err := pluginserver.Record(func(kong *pdk.PDK) error { return carryOut(d.Answer, kong, exitGRPC) })
		if err != nil {
			return &noAnswer{err}
		}
		p.grpc = &grpc
	}
	return p
}

// The answer to a request that has no other.
var (
	faultAnswer = authn.Deny(authn.Internal, nil).Answer
	faultCalls  = pluginserver.MustRecord(func(kong *pdk.PDK) error { return carryOut(faultAnswer, kong, exit) })
)
