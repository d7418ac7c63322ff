package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mtls-auth/mtlsauth/internal/gateway/schema"
)

// ConsumerByID returns the consumer with this id, nil for none.
func (g *Gateway) ConsumerByID(id string) map[string]any {
	return g.consumer("id", strings.ToLower(id))
}

// ConsumerByUsername returns the consumer of this name, nil for none.
func (g *Gateway) ConsumerByUsername(name string) map[string]any { return g.consumer("username", name) }

func (g *Gateway) consumer(field, value string) map[string]any {
	return pick(g.state.Load().config.consumers, field, value)
}

func pick(entities []map[string]any, field, value string) map[string]any {
	i := slices.IndexFunc(entities, func(e map[string]any) bool { s, ok := e[field].(string); return ok && s == value })
	if i < 0 {
		return nil
	}
	return entities[i]
}

// adminAPI is as much of Kong's Admin API as a plugin and its operator use.
func (g *Gateway) adminAPI() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]any{
			"tagline": "kong-stand-in: not Kong, not for production", "version": "3.9.1",
			"configuration": map[string]any{"database": "off", "prefix": g.opts.Prefix},
		})
	})
	mux.HandleFunc("GET /ca_certificates/{id}", func(w http.ResponseWriter, r *http.Request) {
		replyEntity(w, pick(g.state.Load().config.cas, "id", strings.ToLower(r.PathValue("id"))))
	})
	mux.HandleFunc("GET /ca_certificates", func(w http.ResponseWriter, _ *http.Request) { replyList(w, g.state.Load().config.cas) })
	mux.HandleFunc("GET /consumers/{id}", func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		found := g.ConsumerByUsername(id)
		if isUUID(id) {
			found = g.ConsumerByID(id)
		}
		replyEntity(w, found)
	})
	mux.HandleFunc("GET /consumers", func(w http.ResponseWriter, r *http.Request) {
		all := g.state.Load().config.consumers
		if q := r.URL.Query(); q.Has("custom_id") {
			found := pick(all, "custom_id", q.Get("custom_id"))
			if all = nil; found != nil {
				all = []map[string]any{found}
			}
		}
		replyList(w, all)
	})
	mux.HandleFunc("POST /config", g.postConfig)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { replyEntity(w, nil) })
	return mux
}

// maxConfig bounds what POST /config reads.
const maxConfig = 16 << 20

func (g *Gateway) postConfig(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxConfig))
	if err == nil {
		// Kong takes the document itself, or an object with it under "config".
		var wrapped struct{ Config *string }
		if json.Unmarshal(text, &wrapped) == nil && wrapped.Config != nil {
			text = []byte(*wrapped.Config)
		}
		err = g.Configure(text)
	}
	if err != nil {
		reply(w, http.StatusBadRequest, map[string]any{
			"code": 14, "name": "invalid declarative configuration", "message": "declarative config is invalid: " + err.Error(), "fields": fieldsOf(err),
		})
		return
	}
	reply(w, http.StatusCreated, map[string]any{"message": "configuration replaced"})
}

// fieldsOf names what was refused.
func fieldsOf(err error) map[string]any {
	out := map[string]any{}
	var at *problem
	if errors.As(err, &at) {
		out[at.at] = at.text
	}
	var found schema.Violations
	if errors.As(err, &found) {
		for _, v := range found {
			out[v.Path] = v.Text
		}
	}
	return out
}

func replyEntity(w http.ResponseWriter, e map[string]any) {
	if e == nil {
		reply(w, http.StatusNotFound, map[string]any{"message": "Not found"})
		return
	}
	full := map[string]any{"tags": nil}
	if e["cert"] == nil {
		full["username"], full["custom_id"] = nil, nil
	}
	for k, v := range e {
		full[k] = v
	}
	reply(w, http.StatusOK, full)
}

func replyList(w http.ResponseWriter, list []map[string]any) {
	if list == nil {
		list = []map[string]any{}
	}
	reply(w, http.StatusOK, map[string]any{"data": list, "next": nil})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

// writeEnv leaves PREFIX/.kong_env as kong start does: the configuration in
// force, for the worker processes and whoever may read it.
func (g *Gateway) writeEnv() error {
	settings := map[string]string{
		"admin_listen": "off", "database": "off", "prefix": g.opts.Prefix, "declarative_config": g.opts.DeclarativeConfig,
		"nginx_proxy_ssl_verify_client": g.opts.SSLVerifyClient,
	}
	if g.admin != nil {
		settings["admin_listen"] = g.admin.Addr().String()
	}
	if len(g.opts.Config) > 0 {
		settings["declarative_config_string"] = string(g.opts.Config)
		delete(settings, "declarative_config")
	}
	if g.info != nil {
		settings["pluginserver_names"] = g.info.Name
	}
	var b strings.Builder
	b.WriteString("#\n# Written by kong-stand-in. Do not edit.\n#\n\n")
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if settings[name] != "" {
			fmt.Fprintf(&b, "%s = %s\n", name, strings.ReplaceAll(settings[name], "#", `\#`)) // as Kong quotes it
		}
	}
	path := filepath.Join(g.opts.Prefix, ".kong_env")
	if err := os.WriteFile(path, []byte(b.String()), 0o640); err != nil {
		return fmt.Errorf("writing .kong_env: %w", err)
	}
	return os.Chmod(path, 0o640)
}
