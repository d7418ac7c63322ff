package fakekong

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ConsumerByID returns the consumer with this id, nil for none.
func (k *Kong) ConsumerByID(id string) map[string]any {
	return k.consumer("id", strings.ToLower(id))
}

// ConsumerByUsername returns the consumer of this name, nil for none.
func (k *Kong) ConsumerByUsername(name string) map[string]any { return k.consumer("username", name) }

func (k *Kong) consumer(field, value string) map[string]any {
	return pick(k.state.Load().config.consumers, field, value)
}

func pick(entities []map[string]any, field, value string) map[string]any {
	i := slices.IndexFunc(entities, func(e map[string]any) bool { s, ok := e[field].(string); return ok && s == value })
	if i < 0 {
		return nil
	}
	return entities[i]
}

// adminAPI is as much of Kong's Admin API as a plugin and its operator use.
func (k *Kong) adminAPI() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]any{
			"tagline": "fakekong: not Kong, not for production", "version": "3.9.1",
			"plugins":       map[string]any{"available_on_server": k.available()},
			"configuration": map[string]any{"database": "off", "prefix": k.opts.Prefix},
		})
	})
	for _, entity := range []string{"plugins", "routes", "services"} {
		mux.HandleFunc("GET /"+entity, func(w http.ResponseWriter, _ *http.Request) { replyList(w, k.state.Load().config.rows(entity)) })
	}
	for path, entity := range map[string]string{"/mtls-auths": "mtls_auth_credentials", "/header-cert-auths": "header_cert_auth_credentials"} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { replyList(w, k.state.Load().config.rows(entity)) })
	}
	mux.HandleFunc("GET /ca_certificates/{id}", func(w http.ResponseWriter, r *http.Request) {
		replyEntity(w, pick(k.state.Load().config.cas, "id", strings.ToLower(r.PathValue("id"))))
	})
	mux.HandleFunc("GET /consumers", k.getConsumers)
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
		_, _ = io.WriteString(w, k.shared.Exposition()) // the client may be gone
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { replyEntity(w, nil) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// ServeMux would redirect from what it takes for an untidy path.
		path, _, _ := strings.Cut(r.RequestURI, "?")
		if name, ok := strings.CutPrefix(path, "/consumers/"); ok && r.Method == http.MethodGet {
			k.getConsumer(w, name)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// getConsumer answers for one consumer, by id where the name is a UUID and by username
// otherwise, never by custom_id. Kong takes a path as it came, and reads one segment as
// ngx.unescape_uri does: a + in it is a space, a %2F no slash.
func (k *Kong) getConsumer(w http.ResponseWriter, segment string) {
	name, err := url.PathUnescape(strings.ReplaceAll(segment, "+", " "))
	if err != nil || strings.Contains(segment, "/") {
		replyEntity(w, nil)
		return
	}
	found := k.ConsumerByUsername(name)
	if isUUID(name) {
		found = k.ConsumerByID(name)
	}
	replyEntity(w, found)
}

// getConsumers lists consumers, or the one of a custom_id.
func (k *Kong) getConsumers(w http.ResponseWriter, r *http.Request) {
	all := k.state.Load().config.consumers
	if asked := r.URL.Query()["custom_id"]; len(asked) == 1 {
		found := pick(all, "custom_id", asked[0])
		if all = nil; found != nil {
			all = []map[string]any{found}
		}
	}
	replyList(w, all)
}

// available are the plugins that are not Kong's own, as GET / has them.
func (k *Kong) available() map[string]any {
	found := map[string]any{}
	if k.info != nil {
		found[k.info.Name] = map[string]any{"version": k.info.Version, "priority": k.info.Priority}
	}
	for _, name := range k.luaPlugins() {
		found[name] = map[string]any{}
	}
	return found
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
// force, for the worker processes and whatever may read it.
func (k *Kong) writeEnv() error {
	settings := map[string]string{
		"admin_listen": "off", "database": "off", "prefix": k.opts.Prefix, "declarative_config_string": string(k.opts.Config),
		"nginx_proxy_ssl_verify_client": k.opts.SSLVerifyClient, "trusted_ips": strings.Join(k.opts.TrustedIPs, ","),
	}
	if k.admin != nil {
		settings["admin_listen"] = k.admin.Addr().String()
	}
	var proxies []string
	if k.plain != nil {
		proxies = append(proxies, k.plain.Addr().String())
	}
	if k.tls != nil {
		proxies = append(proxies, k.tls.Addr().String()+" http2 ssl")
	}
	settings["proxy_listen"] = cmp.Or(strings.Join(proxies, ", "), "off")
	settings["role"], settings["log_level"] = "traditional", cmp.Or(k.opts.LogLevel, "notice")
	settings["plugins"] = "bundled"
	if k.opts.LuaPath != "" {
		settings["lua_package_path"] = k.opts.LuaPath + "/?.lua;;"
	}
	for name := range k.available() {
		settings["plugins"] += "," + name
	}
	if k.info != nil {
		settings["pluginserver_names"] = k.info.Name
	}
	var b strings.Builder
	b.WriteString("#\n# Written by fakekong. Do not edit.\n#\n\n")
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if settings[name] != "" {
			fmt.Fprintf(&b, "%s = %s\n", name, strings.ReplaceAll(settings[name], "#", `\#`)) // as Kong quotes it
		}
	}
	path := filepath.Join(k.opts.Prefix, ".kong_env")
	if err := os.WriteFile(path, []byte(b.String()), 0o640); err != nil {
		return fmt.Errorf("writing .kong_env: %w", err)
	}
	return os.Chmod(path, 0o640)
}
