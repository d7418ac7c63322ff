package fakekong

import (
	"cmp"
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

	"mtls-auth/mtlsauth/internal/testing/fakekong/schema"
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
	mux.HandleFunc("GET /consumers", g.getConsumers)
	mux.HandleFunc("POST /config", g.postConfig)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { replyEntity(w, nil) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// ServeMux would redirect from what it takes for an untidy path.
		path, _, _ := strings.Cut(r.RequestURI, "?")
		if name, ok := strings.CutPrefix(path, "/consumers/"); ok && r.Method == http.MethodGet {
			g.getConsumer(w, r, name)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// getConsumer answers for one consumer, by id where the name is a UUID and by
// username otherwise, never by custom_id. Kong takes a path as it came, leaves
// out a / at its end when nothing fits with it, and reads one segment as
// ngx.unescape_uri does: a + in it is a space, a %2F no slash.
func (g *Gateway) getConsumer(w http.ResponseWriter, r *http.Request, name string) {
	if strings.Contains(name, "%00") {
		nginxPage(w, "400 Bad Request", "400 Bad Request") // nginx takes no such path
		return
	}
	name = strings.TrimSuffix(name, "/")
	if name == "" {
		g.getConsumers(w, r)
		return
	}
	if strings.Contains(name, "/") {
		replyEntity(w, nil)
		return
	}
	name = unescape(name)
	found := g.ConsumerByUsername(name)
	if isUUID(name) {
		found = g.ConsumerByID(name)
	}
	replyEntity(w, found)
}

// getConsumers lists consumers, or the one of a custom_id.
func (g *Gateway) getConsumers(w http.ResponseWriter, r *http.Request) {
	all := g.state.Load().config.consumers
	var asked []arg
	for _, a := range queryArgs(r.URL.RawQuery) {
		if a.name == "custom_id" {
			asked = append(asked, a)
		}
	}
	switch {
	case len(asked) > 1, len(asked) == 1 && (asked[0].bare || asked[0].value == ""):
		reply(w, http.StatusBadRequest, map[string]any{"message": "custom_id must be an unempty string"})
		return
	case len(asked) == 1:
		found := pick(all, "custom_id", asked[0].value)
		if all = nil; found != nil {
			all = []map[string]any{found}
		}
	}
	replyList(w, all)
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
	reply(w, http.StatusOK, withNulls(e))
}

// withNulls is an entity as the Admin API shows it: with what is unset as null.
func withNulls(e map[string]any) map[string]any {
	full := map[string]any{"tags": nil}
	if e["cert"] == nil {
		full["username"], full["custom_id"] = nil, nil
	}
	maps.Copy(full, e)
	return full
}

func replyList(w http.ResponseWriter, list []map[string]any) {
	full := make([]map[string]any, 0, len(list))
	for _, e := range list {
		full = append(full, withNulls(e))
	}
	reply(w, http.StatusOK, map[string]any{"data": full, "next": nil})
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
	var proxies []string
	if g.plain != nil {
		proxies = append(proxies, g.plain.Addr().String())
	}
	if g.tls != nil {
		proxies = append(proxies, g.tls.Addr().String()+" http2 ssl")
	}
	settings["proxy_listen"] = cmp.Or(strings.Join(proxies, ", "), "off")
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
