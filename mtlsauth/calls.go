package mtlsauth

import (
	"bytes"
	"slices"
	"strings"

	pdk "github.com/Kong/go-pdk"
	"github.com/Kong/go-pdk/client"
	"github.com/Kong/go-pdk/entities"
	"google.golang.org/protobuf/encoding/protowire"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/konglog"
	"mtls-auth/mtlsauth/internal/pluginserver"
)

// isGRPC asks Kong whether a request is of gRPC, as Kong tells it.
func isGRPC(e *pluginserver.Event) (bool, error) {
	replies, err := e.Ask(askGRPC)
	if err != nil {
		return false, err
	}
	if replies, err = answered(replies); err != nil {
		return false, err
	}
	contentType, err := stringField(replies[0], stringV)
	if err != nil {
		return false, err
	}
	protocol, err := stringField(replies[1], stringV)
	return bytes.HasPrefix(contentType, []byte("application/grpc")) && string(protocol) == "HTTP/2.0", err
}

const setHeaders = "kong.service.request.set_headers"

// headerArguments are the arguments of setHeaders, a google.protobuf.Struct with the
// headers of an answer, and others that are cleared unless the answer sets them. They are
// encoded here because go-pdk takes longer for them than for all other calls of a pass.
func headerArguments(a *authn.Answer, cleared []string) []byte {
	var arguments []byte
	set := func(name, value string) {
		var list []byte // an empty one clears the header
		if value != "" {
			list = appendField(nil, listValues, appendField(nil, valueString, []byte(value)))
		}
		entry := appendField(nil, mapKey, []byte(name))
		entry = appendField(entry, mapValue, appendField(nil, valueList, list))
		arguments = appendField(arguments, structFields, entry)
	}
	for _, h := range a.Headers {
		set(h.Name, h.Value)
	}
	for _, name := range cleared {
		if !slices.ContainsFunc(a.Headers, func(h authn.Header) bool { return strings.EqualFold(h.Name, name) }) {
			set(name, "")
		}
	}
	return arguments
}

const setSerializeValue = "kong.log.set_serialize_value"

// tellRecord tells Kong's log serializer the record of a decision. The arguments, a KV of
// pluginsocket.proto, are encoded here: go-pdk has no such call.
func tellRecord(d *authn.Decision) pluginserver.Calls {
	const (
		kvKey, kvValue protowire.Number = 1, 2
		valueStruct    protowire.Number = 5
	)
	var fields []byte
	for name, value := range konglog.RecordOf(d) {
		entry := appendField(nil, mapKey, []byte(name))
		entry = appendField(entry, mapValue, appendField(nil, valueString, []byte(value)))
		fields = appendField(fields, structFields, entry)
	}
	arguments := appendField(nil, kvKey, []byte(konglog.RecordKey))
	arguments = appendField(arguments, kvValue, appendField(nil, valueStruct, fields))
	return pluginserver.Call(setSerializeValue, arguments)
}

// tellVerify tells Kong's log serializer what came of the certificate.
func tellVerify(a *authn.Answer, kong *pdk.PDK) error {
	if a.ClientVerify == "" {
		return nil
	}
	return kong.Nginx.SetCtx("CLIENT_VERIFY_OVERRIDE", a.ClientVerify)
}

// groupsKey is the key in kong.ctx.shared of the groups that Kong's acl reads.
const groupsKey = "authenticated_groups"

// passCalls are the calls that let a request go on as an answer says.
func passCalls(a *authn.Answer) (pluginserver.Calls, error) {
	return pluginserver.Record(func(kong *pdk.PDK) error {
		if err := tellVerify(a, kong); err != nil {
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
			if a.CredentialID == "" {
				return nil
			}
			// Groups of what an earlier plugin authenticated, a proxy, say, are not this
			// client's. Kong reads false as nil (structpb_value in pb_rpc.lua).
			return kong.Ctx.SetShared(groupsKey, false)
		}
		groups := make([]any, len(a.Groups))
		for i, g := range a.Groups {
			groups[i] = g
		}
		return kong.Ctx.SetShared(groupsKey, groups)
	})
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

// exitCalls are the calls that end a request as an answer says, after lines for Kong's
// log.
func exitCalls(a *authn.Answer, grpc bool, lines ...konglog.Line) (pluginserver.Calls, error) {
	return pluginserver.Record(func(kong *pdk.PDK) error {
		for _, line := range lines {
			if err := write(kong, line); err != nil {
				return err
			}
		}
		if err := tellVerify(a, kong); err != nil {
			return err
		}
		body, headers := a.Body(), map[string][]string{"Content-Type": {"application/json; charset=utf-8"}}
		if grpc { // Kong adds grpc-status
			body, headers = nil, map[string][]string{"Content-Type": {"application/grpc"}, "grpc-message": {a.Message}}
		}
		kong.Response.Exit(a.Status, body, headers)
		return nil
	})
}
