package e2e

import (
	"reflect"
	"testing"

	lua "mtls-auth/kong"
	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/pki"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// withProxies adds mtls-auth, which judges the proxy, to routes with header-cert-auth, which
// judges the client behind it.
func withProxies(t testing.TB, config object) func(*anykong.Options) {
	t.Helper()
	return changed(t, func(all object) {
		for _, service := range all["services"].([]any) {
			for _, route := range service.(object)["routes"].([]any) {
				if plugins, ok := route.(object)["plugins"].([]any); ok {
					route.(object)["plugins"] = append(plugins, object{"name": lua.Name, "config": config})
				}
			}
		}
	})
}

// One server decides for both plugins. Both have to pass, and the later one's consumer is the
// request's, as with Kong's own plugins.
func TestLuaBothPluginsOnARoute(t *testing.T) {
	t.Parallel()
	proxies, root := pki.NewCA("proxies"), pki.NewCA("root")
	if chosenMode(t) != luaMode {
		t.Skip("a plugin server has one plugin")
	}
	handed := object{"certificate_header_name": "x-client-cert", "certificate_header_format": "base64_encoded", "secure_source": false}
	trusting := trusted([]string{idB})
	r := newHeaderRig(t, cas{idA: root, idB: proxies}, routes{
		"/echo":      matching([]string{idA}, handed),
		"/skip":      trusted([]string{idA}, handed, object{"authenticated_group_by": nil}),
		"/anonymous": matching([]string{idA}, handed, object{"anonymous": "guest"}),
	}, with(t, consumers(consumer(idAlice, "alice"), consumer(idGuest, "guest"))), withProxies(t, trusting), withCA(t, idC, root))
	proxy, alice, stranger := proxies.Client("proxy"), base64DER(root.Client("alice")), base64DER(proxies.Client("alice"))
	for range 2 {
		r.expect("the proxy alone", r.get("/echo", proxy), 401, noneSent)
		r.expect("the client alone", r.get("/echo", nil, "X-Client-Cert", alice), 401, noneSent)
		r.expect("another proxy", r.get("/echo", root.Client("proxy"), "X-Client-Cert", alice), 401, failed)
		r.expect("the proxy's CA in the header", r.get("/echo", proxy, "X-Client-Cert", stranger), 401, failed)
		got := r.get("/echo", proxy, "X-Client-Cert", alice)
		r.expect("both", got, 200, "")
		if got.seen.Get("X-Consumer-Username") != "alice" || got.seen.Get("X-Client-Cert-Dn") != "" {
			t.Errorf("the upstream sees %v, want alice", got.seen)
		}
		got = r.get("/skip", proxy, "X-Client-Cert", alice)
		r.expect("both, without a consumer", got, 200, "")
		if got.seen.Get("X-Client-Cert-Dn") != "CN=alice" {
			t.Errorf("the upstream sees %v, want alice", got.seen)
		}
		// Kong's logical OR: the proxy is authenticated, which is enough.
		got = r.get("/anonymous", proxy)
		r.expect("the proxy, or anonymous", got, 200, "")
		if got.seen.Get("X-Anonymous-Consumer")+got.seen.Get("X-Consumer-Username") != "" {
			t.Errorf("the upstream sees %v, want the proxy", got.seen)
		}
	}
}

// What mtls-auth tells the upstream goes under the name from which header-cert-auth reads:
// it reads the proxy's certificate there, never what the client sent.
func TestLuaTheProxysCertificateUnderTheClientsName(t *testing.T) {
	t.Parallel()
	if chosenMode(t) != luaMode {
		t.Skip("a plugin server has one plugin")
	}
	proxies, root := pki.NewCA("proxies"), pki.NewCA("root")
	r := newHeaderRig(t, cas{idA: root, idB: proxies}, routes{
		"/same":  header("Client-Cert", "rfc9440", object{"secure_source": false}),
		"/other": header("X-Handed-Over", "rfc9440", object{"secure_source": false}),
	}, withProxies(t, trusted([]string{idB}, object{"upstream_certificate_headers": []string{"rfc9440"}})))
	proxy, alice := proxies.Client("proxy"), byteSequences(root.Client("alice"))
	for range 2 {
		r.expect("the same name", r.get("/same", proxy, "Client-Cert", alice), 401, failed)
		got := r.get("/other", proxy, "X-Handed-Over", alice)
		if r.expect("another name", got, 200, ""); got.seen.Get("X-Client-Cert-Dn") != "CN=alice" {
			t.Errorf("the upstream sees %v, want alice", got.seen)
		}
	}
}

// Mappings of header-cert-auth's own entity count for it, and not for mtls-auth.
func TestLuaHeaderCredentials(t *testing.T) {
	t.Parallel()
	if chosenMode(t) != luaMode {
		t.Skip("about Lua mode")
	}
	root := pki.NewCA("root")
	handed := object{"certificate_header_name": "x-client-cert", "certificate_header_format": "base64_encoded"}
	r := newHeaderRig(t, cas{idA: root}, routes{"/echo": matching([]string{idA}, handed)}, with(t, consumers(
		consumer(idAlice, "alice", object{"header_cert_auth_credentials": []object{{"id": idC, "subject_name": "mapped"}}}),
		consumer(idBob, "bob", object{"mtls_auth_credentials": []object{{"id": idC, "subject_name": "other"}}}),
	)))
	for range 2 {
		got := r.send("/echo", "x-client-cert: "+base64DER(root.Client("mapped")))
		if got.seen.Get("X-Consumer-Username") != "alice" || got.seen.Get("X-Credential-Identifier") != idC {
			t.Errorf("got %d as %q by %q, want alice by her credential", got.status, got.seen.Get("X-Consumer-Username"), got.seen.Get("X-Credential-Identifier"))
		}
		r.expect("mtls-auth's credential", r.send("/echo", "x-client-cert: "+base64DER(root.Client("other"))), 401, failed)
	}
}

// enterprise is a configuration with every field of Kong Enterprise's plugin.
func enterprise() object {
	return object{
		"ca_certificates": []any{idA}, "anonymous": "guest", "default_consumer": "all", "consumer_by": []any{"username"},
		"skip_consumer_lookup": false, "authenticated_group_by": "DN", "revocation_check_mode": "STRICT", "http_timeout": 1000.0,
		"cert_cache_ttl": 5000.0, "cache_ttl": 30.0, "allow_partial_chain": true, "http_proxy_host": "proxy", "http_proxy_port": 3128.0,
		"https_proxy_host": "proxy", "https_proxy_port": 3129.0, "ssl_verify": false, "secure_source": false,
		"certificate_header_name": "X-Amzn-Mtls-Clientcert", "certificate_header_format": "url_encoded",
	}
}

func expectEnterprise(t *testing.T, where string, got object) {
	t.Helper()
	for field, want := range enterprise() {
		if !reflect.DeepEqual(got[field], want) {
			t.Errorf("%s: config.%s is read back as %v, want %v", where, field, got[field], want)
		}
	}
}

// What Kong Enterprise exports is taken and read back as it is.
func TestLuaEnterpriseHeaderConfiguration(t *testing.T) {
	t.Parallel()
	needsKong(t)
	if chosenMode(t) != luaMode {
		t.Skip("about Lua mode")
	}
	r := newHeaderRig(t, cas{idA: pki.NewCA("root")}, routes{"/echo": enterprise()})
	if r.AdminURL() == "" {
		t.Skip("the Admin API is off")
	}
	plugin := r.admin("GET", "/routes/echo/plugins", nil, 200)["data"].([]any)[0].(object)
	expectEnterprise(t, "without a database", plugin["config"].(object))
}

// With a database: the migration, the entity by decK's requests, and the configuration.
func TestLuaHeaderEntities(t *testing.T) {
	root := pki.NewCA("root")
	r := newLuaRig(t, cas{idA: root}, nil, withPostgres(t, true), func(o *realkong.Options) {
		o.TrustedIPs = []string{"127.0.0.1"}
		with(t, consumers(consumer(idAlice, "alice"), consumer(idBob, "bob")))(&o.Options)
	})
	made := r.admin("POST", "/plugins", object{"name": lua.HeaderName, "config": enterprise()}, 201)
	expectEnterprise(t, "POST", made["config"].(object))
	path := "/plugins/" + made["id"].(string)
	expectEnterprise(t, "GET", r.admin("GET", path, nil, 200)["config"].(object))
	const id = "11111111-0000-4000-8000-000000000001"
	one := object{"id": id, "subject_name": "mapped", "ca_certificate": object{"id": idA}, "tags": []string{"team"}}
	r.admin("PUT", "/consumers/"+idAlice+"/"+lua.HeaderName+"/"+id, one, 200)
	if got := r.admin("GET", "/header-cert-auths/"+id, nil, 200); got["subject_name"] != "mapped" || got["consumer"].(object)["id"] != idAlice {
		t.Errorf("got %v", got)
	}
	r.admin("POST", "/consumers/bob/"+lua.HeaderName, object{"subject_name": "mapped", "ca_certificate": object{"id": idA}}, 409)
	r.admin("PATCH", path, object{"config": object{
		"anonymous": nil, "default_consumer": nil, "revocation_check_mode": "SKIP", "secure_source": true, "cache_ttl": 3600,
		"certificate_header_name": "x-client-cert", "certificate_header_format": "base64_encoded",
	}}, 200)
	as := func(want string) {
		t.Helper()
		eventually(t, "the mapping is "+want+"'s", func() bool {
			return r.send("/open", "x-client-cert: "+base64DER(root.Client("mapped"))).seen.Get("X-Consumer-Username") == want
		})
	}
	as("alice")
	r.admin("PATCH", "/header-cert-auths/"+id, object{"consumer": object{"id": idBob}}, 200)
	as("bob")
	r.admin("DELETE", "/consumers/bob", nil, 204)
	as("")
	r.admin("GET", "/header-cert-auths/"+id, nil, 404)
}
