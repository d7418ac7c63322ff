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

// authenticate is kong.client.authenticate. The tables come from lua-protobuf,
// which fills in proto3's defaults: a credential that was sent without a
// consumer_id has the empty one.
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
	c.Ctx = set(c.Ctx, "authenticated_consumer", consumer)
	c.Ctx = set(c.Ctx, "authenticated_credential", credential)
	return nil, nil
}

// loadConsumer is kong.client.load_consumer: by id where it is a UUID, then by
// username if asked to; never by custom_id.
func loadConsumer(c *call) ([]byte, error) {
	var m pb.ConsumerSpec
	if err := c.decode(&m); err != nil {
		return nil, err
	}
	isUUID := uuid.MatchString(m.Id)
	// An empty id is a string to Lua: what is refused is that it is no UUID, and
	// as a username the database's code refuses it, whose error is not logged.
	switch {
	case !isUUID && !m.ByUsername:
		return nil, throwf("cannot load a consumer with an id that is not a uuid")
	case c.o.Consumers == nil:
		return nil, nil
	}
	if isUUID {
		if found := c.o.Consumers.ConsumerByID(m.Id); found != nil {
			return consumer(found)
		}
	}
	if m.ByUsername && m.Id != "" {
		return consumer(c.o.Consumers.ConsumerByUsername(m.Id))
	}
	return nil, nil
}

func consumer(e map[string]any) ([]byte, error)   { return entity(e, new(pb.Consumer)) }
func credential(e map[string]any) ([]byte, error) { return entity(e, new(pb.AuthenticatedCredential)) }

// fromCtx answers with an entity that is in ngx.ctx. A plugin may have put there
// what is no table, and then lua-protobuf throws: set_ctx with a null does so,
// since the null arrives as a text.
func fromCtx(key string, encode func(map[string]any) ([]byte, error)) method {
	return func(c *call) ([]byte, error) {
		switch e := c.Ctx[key].(type) {
		case nil:
			return nil, nil
		case map[string]any:
			return encode(e)
		case []any:
			return encode(map[string]any{})
		default:
			return nil, throwf("bad argument #2 to 'encode' (table expected, got %s)", luaType(e))
		}
	}
}

// entity encodes a table as a message: its known fields, the others left out.
// A field of the wrong type throws, as in lua-protobuf. nil is an empty frame.
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
