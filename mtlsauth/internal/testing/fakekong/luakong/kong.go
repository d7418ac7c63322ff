package luakong

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"mtls-auth/mtlsauth/internal/testing/errlog"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

// Request is a request while Lua plugins run.
type Request struct {
	*rpc.Request
	// Chain returns what the client sent in the handshake, as PEM, leaf first.
	Chain func() string
	// Authenticate is kong.client.authenticate.
	Authenticate func(consumer, credential map[string]any)
}

// Handshake is a TLS handshake in the certificate phase.
type Handshake struct {
	ServerName string
	Ask        bool                // for a certificate
	CAs        []*x509.Certificate // whose names are sent
	NoReuse    bool                // the session must not be resumed
}

// subscription is an event of Kong's that a plugin has registered for.
type subscription struct {
	source, event string
	handler       *lua.LFunction
}

func (w *Worker) newKong(L *lua.LState) *lua.LTable {
	kong := strict(L, "kong", nil, nil)
	L.SetField(kong, "version", lua.LString("3.9.1"))
	L.SetField(kong, "version_num", lua.LNumber(3009001))
	L.SetField(kong, "configuration", toLua(L, w.opts.Configuration))
	L.SetField(kong, "db", w.newDB(L))
	client := strict(L, "kong.client", map[string]lua.LGFunction{"authenticate": w.authenticate, "get_credential": w.getCredential}, nil)
	L.SetField(client, "tls", strict(L, "kong.client.tls", map[string]lua.LGFunction{
		"request_client_certificate": w.requestCertificate, "disable_session_reuse": w.disableReuse, "get_full_client_certificate_chain": w.fullChain,
	}, nil))
	L.SetField(kong, "client", client)
	L.SetField(kong, "ip", strict(L, "kong.ip", map[string]lua.LGFunction{"is_trusted": func(L *lua.LState) int {
		L.Push(lua.LBool(w.opts.Trusted != nil && w.opts.Trusted(L.CheckString(1))))
		return 1
	}}, nil))
	L.SetField(kong, "ctx", strict(L, "kong.ctx", nil, func(L *lua.LState, key string) lua.LValue {
		if key != "shared" {
			return nil
		}
		return values(L, w.request(L).Shared)
	}))
	L.SetField(kong, "response", strict(L, "kong.response", map[string]lua.LGFunction{"exit": w.responseExit}, nil))
	L.SetField(kong, "request", strict(L, "kong.request", map[string]lua.LGFunction{
		"get_header": func(L *lua.LState) int {
			if list := w.request(L).Header.Values(L.CheckString(1)); len(list) > 0 {
				L.Push(lua.LString(list[0]))
			} else {
				L.Push(lua.LNil)
			}
			return 1
		},
		"get_scheme":  func(L *lua.LState) int { L.Push(lua.LString(w.request(L).Scheme)); return 1 },
		"get_headers": w.getHeaders,
	}, nil))
	service := strict(L, "kong.service", nil, nil)
	L.SetField(service, "request", strict(L, "kong.service.request", map[string]lua.LGFunction{"clear_header": w.clearHeader, "set_header": w.setHeader}, nil))
	L.SetField(kong, "service", service)
	L.SetField(kong, "worker_events", strict(L, "kong.worker_events", map[string]lua.LGFunction{"register": func(L *lua.LState) int {
		w.events = append(w.events, subscription{L.OptString(2, ""), L.OptString(3, ""), L.CheckFunction(1)})
		return 0
	}}, nil))
	log := strict(L, "kong.log", map[string]lua.LGFunction{"set_serialize_value": func(L *lua.LState) int {
		w.request(L).SetSerializeValue(L.CheckString(1), fromLua(L.Get(2)))
		return 0
	}}, nil)
	for name, level := range levels {
		L.SetField(log, strings.ToLower(name), L.NewFunction(func(L *lua.LState) int {
			w.log(L, level, text(L, 1))
			return 0
		}))
	}
	L.SetField(kong, "log", log)
	return kong
}

func (w *Worker) authenticate(L *lua.LState) int {
	entity := func(n int) map[string]any {
		m, _ := fromLua(L.Get(n)).(map[string]any)
		return m
	}
	consumer, credential := entity(1), entity(2)
	if consumer == nil && credential == nil {
		L.RaiseError("either credential or consumer must be provided")
	}
	w.request(L).Authenticate(consumer, credential)
	return 0
}

func (w *Worker) getCredential(L *lua.LState) int {
	L.Push(toLua(L, w.request(L).Ctx["authenticated_credential"]))
	return 1
}

func (w *Worker) fullChain(L *lua.LState) int {
	if chain := w.request(L).Chain(); chain != "" {
		L.Push(lua.LString(chain))
		return 1
	}
	L.Push(lua.LNil)
	return 1
}

func (w *Worker) handshake(L *lua.LState) *Handshake {
	h := w.hellos[L]
	if h == nil {
		L.RaiseError("function cannot be called outside of the certificate phase")
	}
	return h
}

func (w *Worker) requestCertificate(L *lua.LState) int {
	h := w.handshake(L)
	h.Ask = true
	if u, ok := L.Get(1).(*lua.LUserData); ok {
		h.CAs, _ = u.Value.([]*x509.Certificate)
	}
	L.Push(lua.LTrue)
	return 1
}

func (w *Worker) disableReuse(L *lua.LState) int {
	w.handshake(L).NoReuse = true
	L.Push(lua.LTrue)
	return 1
}

func (w *Worker) loadSSL(L *lua.LState) int {
	L.Push(strict(L, "ngx.ssl", map[string]lua.LGFunction{
		"server_name": func(L *lua.LState) int {
			if name := w.handshake(L).ServerName; name != "" {
				L.Push(lua.LString(name))
			} else {
				L.Push(lua.LNil)
			}
			return 1
		},
		"parse_pem_cert": func(L *lua.LState) int {
			var certs []*x509.Certificate
			for block, rest := pem.Decode([]byte(L.CheckString(1))); block != nil; block, rest = pem.Decode(rest) {
				cert, err := x509.ParseCertificate(block.Bytes)
				if err != nil {
					return failed(L, err.Error())
				}
				certs = append(certs, cert)
			}
			if len(certs) == 0 {
				return failed(L, "PEM_read_bio_X509_AUX() failed")
			}
			u := L.NewUserData()
			u.Value = certs
			L.Push(u)
			return 1
		},
	}, nil))
	return 1
}

// exited is raised by kong.response.exit: what follows the call does not run.
type exited struct{}

// responseExit is kong.response.exit with a table for the body.
func (w *Worker) responseExit(L *lua.LState) int {
	r := w.request(L)
	text, err := encode(L.CheckTable(2), 0)
	if err != nil {
		L.RaiseError("%v", err)
	}
	e := &rpc.Exit{Status: L.CheckInt(1), Body: text, Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}}
	if headers, ok := L.Get(3).(*lua.LTable); ok {
		headers.ForEach(func(name, value lua.LValue) { e.Header.Set(name.String(), value.String()) })
	}
	r.Exit = e
	u := L.NewUserData()
	u.Value = exited{}
	L.Error(u, 0)
	return 0
}

// Fire tells plugins of an event of Kong's.
func (w *Worker) Fire(source, event string, data any) {
	w.thread(nil, nil, func(L *lua.LState) {
		for _, s := range w.events {
			if s.source == source && s.event == event {
				if err := call(L, s.handler, toLua(L, data)); err != nil {
					w.log(L, errlog.Error, "worker_events: "+err.Error())
				}
			}
		}
	})
}
