package fakekong

import (
	"net/http"

	"mtls-auth/mtlsauth/internal/testing/errlog"
	"mtls-auth/mtlsauth/internal/testing/fakekong/luakong"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

// certificatePhase is what happens in a TLS handshake before the certificate is shown.
func (st *state) certificatePhase(conn *connection, serverName string) *luakong.Handshake {
	h := &luakong.Handshake{ServerName: serverName}
	n := st.workers.index(conn)
	global := map[string]*luakong.Conf{}
	for _, p := range st.config.plugins {
		if p.enabled && p.lua != nil && p.route == nil && p.service == nil {
			global[p.name] = p.lua[n]
		}
	}
	for _, p := range st.config.plugins {
		if p.enabled && len(p.certificate) > 0 {
			st.workers.list[n].Certificate(h, p.certificate, global)
			return h
		}
	}
	st.workers.list[n].Certificate(h, nil, global)
	return h
}

// index is the worker that serves a connection.
func (ws *workers) index(conn *connection) int { return int(conn.number % uint64(len(ws.list))) }

func (x *exchange) worker() *luakong.Worker {
	return x.state.workers.list[x.state.workers.index(x.conn)]
}

func (x *exchange) luaRequest() *luakong.Request {
	return &luakong.Request{
		Request: x.req, Chain: func() string { return x.conn.judge(x.r.TLS).chain }, Authenticate: x.authenticate,
	}
}

// runLua runs the access phase of a plugin in Lua.
func (x *exchange) runLua(p *plugin) *rpc.Exit {
	x.req.Ctx["workspace"] = workspace
	if err := x.worker().Access(p.name, p.lua[x.state.workers.index(x.conn)], x.luaRequest()); err != nil {
		x.req.Logf(errlog.Error, "[kong] %s: %v", p.name, err)
		return thrown(x)
	}
	return x.req.Exit
}

// authenticate records who the client is, for plugins that come later and for the upstream,
// as Kong's authentication plugins do. No credential means that the consumer is the
// anonymous one.
func (x *exchange) authenticate(consumer, credential map[string]any) {
	for key, entity := range map[string]map[string]any{"authenticated_consumer": consumer, "authenticated_credential": credential} {
		delete(x.req.Ctx, key)
		if entity != nil {
			x.req.Ctx[key] = entity
		}
	}
	h := x.req.Header
	for _, header := range []struct {
		name string
		of   map[string]any
		key  string
	}{
		{"X-Consumer-ID", consumer, "id"}, {"X-Consumer-Custom-ID", consumer, "custom_id"},
		{"X-Consumer-Username", consumer, "username"}, {"X-Credential-Identifier", credential, "id"},
	} {
		h.Del(header.name)
		if s, ok := header.of[header.key].(string); ok {
			h.Set(header.name, s)
		}
	}
	h.Del("X-Anonymous-Consumer")
	if credential == nil {
		h.Set("X-Anonymous-Consumer", "true")
	}
}

// thrown is Kong's answer to an error that a plugin of its own throws.
func thrown(x *exchange) *rpc.Exit {
	return rpc.ErrorExit(x.req, http.StatusInternalServerError, "An unexpected error occurred")
}
