package fakekong

import (
	"fmt"
	"net/http"
	"regexp"

	"mtls-auth/mtlsauth/internal/testing/fakekong/errlog"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

// keyAuthSchema is what Kong's key-auth takes.
const keyAuthSchema = `{"name":"key-auth","fields":[
 {"consumer":{"type":"foreign","reference":"consumers","eq":null}},
 {"protocols":{"type":"set","required":true,"default":["grpc","grpcs","http","https"],"elements":{"type":"string","one_of":["grpc","grpcs","http","https"]}}},
 {"config":{"type":"record","required":true,"fields":[
  {"key_names":{"type":"array","required":true,"default":["apikey"],"elements":{"type":"string"}}},
  {"hide_credentials":{"type":"boolean","required":true,"default":false}},
  {"anonymous":{"type":"string"}},
  {"key_in_header":{"type":"boolean","required":true,"default":true}},
  {"key_in_query":{"type":"boolean","required":true,"default":true}},
  {"key_in_body":{"type":"boolean","required":true,"default":false}},
  {"run_on_preflight":{"type":"boolean","required":true,"default":true}},
  {"realm":{"type":"string"}}]}}]}`

// headerName is what Kong takes for one.
var headerName = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

// keyAuth is Kong's key-auth with one configuration. Keys in the body are not
// emulated.
type keyAuth struct {
	names                      []string
	anonymous                  string // "" for none
	inHeader, inQuery          bool
	hideCredentials, preflight bool
	challenge                  string // WWW-Authenticate
}

func loadKeyAuth(_ *plugin, at string, fields map[string]any) (builtinAccess, error) {
	conf, err := builtinConfig("key-auth", keyAuthSchema, at, fields)
	if err != nil {
		return nil, err
	}
	if conf["key_in_body"] == true {
		return nil, problemf(at+".config.key_in_body", "the stand-in does not emulate keys in the body")
	}
	k := &keyAuth{
		inHeader: conf["key_in_header"] == true, inQuery: conf["key_in_query"] == true,
		hideCredentials: conf["hide_credentials"] == true, preflight: conf["run_on_preflight"] == true,
		names: texts(conf["key_names"]), challenge: "Key",
	}
	for i, name := range k.names {
		if !headerName.MatchString(name) {
			return nil, problemf(fmt.Sprintf("%s.config.key_names.%d", at, i+1),
				"bad header name '%s', allowed characters are A-Z, a-z, 0-9, '_', and '-'", name)
		}
	}
	k.anonymous, _ = conf["anonymous"].(string)
	if realm, ok := conf["realm"].(string); ok {
		k.challenge = `Key realm="` + realm + `"`
	}
	return k.access, nil
}

// access is a logical OR with other plugins where anonymous is set: whoever has
// a credential already is let through, whoever gets none here is the anonymous
// consumer. It is a logical AND otherwise.
func (k *keyAuth) access(x *exchange) *rpc.Exit {
	switch {
	case !k.preflight && x.req.Method == http.MethodOptions:
		return nil
	case k.anonymous == "":
		return k.check(x)
	case x.hasCredential():
		return nil
	case k.check(x) == nil:
		return nil
	}
	consumer := x.state.config.loadConsumer(k.anonymous)
	if consumer == nil {
		// The words are those of Kong's newest source. 3.9 has none: there
		// authenticate throws, and the 500 says that something unexpected happened.
		text := "anonymous consumer " + k.anonymous + " is configured but doesn't exist"
		x.req.Logf(errlog.Error, "[kong] handler.lua:228 [key-auth] %s", text)
		return rpc.ErrorExit(x.req, http.StatusInternalServerError, text)
	}
	x.authenticate(consumer, nil)
	return nil
}

// check authenticates, or returns the answer where it cannot.
func (k *keyAuth) check(x *exchange) *rpc.Exit {
	key, twice := k.key(x)
	switch {
	case twice:
		return k.unauthorized(x, "Duplicate API key found")
	case key == "":
		return k.unauthorized(x, "No API key found in request")
	}
	credential := pick(x.state.config.keys, "key", key)
	if credential == nil {
		return k.unauthorized(x, "Unauthorized")
	}
	owner, _ := credential["consumer"].(map[string]any)
	id, _ := owner["id"].(string)
	x.authenticate(x.state.config.loadConsumer(id), credential)
	return nil
}

func (k *keyAuth) unauthorized(x *exchange, message string) *rpc.Exit {
	exit := rpc.ErrorExit(x.req, http.StatusUnauthorized, message)
	exit.Header.Set("WWW-Authenticate", k.challenge)
	return exit
}

// key looks for the key under each name, in the headers before the query. The
// first that is there counts, also an empty one; one that is there more than
// once is refused. What was found is hidden whether it is right or not.
func (k *keyAuth) key(x *exchange) (key string, twice bool) {
	args := queryArgs(x.req.RawQuery)
	for _, name := range k.names {
		var found []string
		bare := false
		if k.inHeader {
			found = x.header(name)
		}
		if len(found) == 0 && k.inQuery {
			for _, a := range args {
				if a.name == name {
					found, bare = append(found, a.value), a.bare
				}
			}
		}
		switch {
		case len(found) > 1:
			return "", true
		case len(found) == 0, bare: // a bare name is true in Lua, which is no key
			continue
		}
		if k.hideCredentials {
			x.req.RawQuery = withoutArg(x.req.RawQuery, name)
			x.req.Header.Del(name)
		}
		return found[0], false
	}
	return "", false
}
