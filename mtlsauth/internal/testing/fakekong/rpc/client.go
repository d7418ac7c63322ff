package rpc

import (
	"encoding/json"
	"regexp"

	pb "github.com/Kong/go-pdk/server/kong_plugin_protocol"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// uuid is what Kong takes for one, in any case.
var uuid = regexp.MustCompile(`(?i)^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// authenticate is kong.client.authenticate. The tables come from lua-protobuf, which fills
// in proto3's defaults: a credential that was sent without a consumer_id has the empty one.
func authenticate(c *call) ([]byte, error) {
	var m pb.AuthenticateArgs
	if err := c.decode(&m); err != nil {
		return nil, err
	}
	if m.Consumer == nil && m.Credential == nil {
		return nil, throwf("either credential or consumer must be provided")
	}
	var consumer, credential any
	if k := m.Consumer; k != nil {
		tags := make([]any, 0, len(k.Tags))
		for _, t := range k.Tags {
			tags = append(tags, t)
		}
		consumer = map[string]any{"id": k.Id, "username": k.Username, "custom_id": k.CustomId,
			"created_at": float64(k.CreatedAt), "tags": tags}
	}
	if k := m.Credential; k != nil {
		credential = map[string]any{"id": k.Id, "consumer_id": k.ConsumerId}
	}
	set(c.Ctx, "authenticated_consumer", consumer)
	set(c.Ctx, "authenticated_credential", credential)
	return nil, nil
}

// loadConsumer is kong.client.load_consumer: by id where it is a UUID, then by username if
// asked to; never by custom_id.
func loadConsumer(c *call) ([]byte, error) {
	var m pb.ConsumerSpec
	if err := c.decode(&m); err != nil {
		return nil, err
	}
	isUUID := uuid.MatchString(m.Id)
	if !isUUID && !m.ByUsername {
		return nil, throwf("cannot load a consumer with an id that is not a uuid")
	}
	var found map[string]any
	if isUUID {
		found = c.o.Consumers.ConsumerByID(m.Id)
	}
	if found == nil && m.ByUsername {
		found = c.o.Consumers.ConsumerByUsername(m.Id)
	}
	return entity(found, new(pb.Consumer))
}

// getCredential is kong.client.get_credential. lua-protobuf throws at what is no table.
func getCredential(c *call) ([]byte, error) {
	switch e := c.Ctx["authenticated_credential"].(type) {
	case nil:
		return nil, nil
	case map[string]any:
		return entity(e, new(pb.AuthenticatedCredential))
	default:
		return nil, throwf("bad argument #2 to 'encode' (table expected, got %T)", e)
	}
}

// entity encodes a table as a message: its known fields, the others left out. A field of
// the wrong type throws, as in lua-protobuf. nil is an empty frame.
func entity(e map[string]any, m proto.Message) ([]byte, error) {
	if e == nil {
		return nil, nil
	}
	text, err := json.Marshal(e)
	if err == nil {
		err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(text, m)
	}
	if err != nil {
		return nil, throwf("%s", err)
	}
	return proto.Marshal(m)
}
