package e2e

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// The formats, as proxies write them, and what is wrong with one.
func TestHeaderFormats(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	inter := root.Intermediate("inter")
	alice, stranger := inter.Client("alice", pki.DNS("alice.example")), pki.NewCA("other").Client("alice")
	sum := sha256.Sum256(alice.Raw)
	hash := hex.EncodeToString(sum[:])
	xfcc := func(hash, more string) string {
		return "x-forwarded-client-cert: Hash=" + hash + `;Cert="` + escapedPEM(alice) + `"` + more
	}
	chained := object{"certificate_chain_header_name": "client-chain"}
	r := newHeaderRig(t, cas{idA: root}, routes{
		"/base64":  header("x-client-cert", "base64_encoded", object{"ca_certificates": []string{idA, idB}, "allow_partial_chain": true}),
		"/haproxy": header("x-client-cert", "base64_encoded", chained),
		"/url":     header("ssl-client-cert", "url_encoded"),
		"/rfc":     header("Client-Cert", "rfc9440", chained),
		"/xfcc":    header("X-Forwarded-Client-Cert", "xfcc"),
		"/list":    header("X-Forwarded-Tls-Client-Cert", "base64_list"),
		"/pem":     header("SSL_CLIENT_CERT", "pem", object{"certificate_chain_header_name": "SSL_CLIENT_CHAIN"}),
		"/verify":  header("ssl-client-cert", "url_encoded", object{"verification_header_name": "ssl-client-verify"}),
	}, withCA(t, idB, inter))

	both := "ssl-client-cert: " + escapedPEM(alice, inter)
	for _, test := range []struct {
		name, path string
		lines      []string
		status     int
		message    string
		logged     string
	}{
		{"base64", "/base64", []string{"X-Client-Cert: " + base64DER(alice)}, 200, "", ""},
		{"without padding", "/base64", []string{"x-client-cert: " + strings.TrimRight(base64DER(alice), "=")}, 200, "", ""},
		{"base64url", "/base64", []string{"x-client-cert: " + strings.NewReplacer("+", "-", "/", "_").Replace(base64DER(alice)) + "-_"}, 401, failed, "bad_encoding"},
		{"base64 of PEM", "/base64", sampleAs(t, "pem-base64-of-pem", "x-client-cert"), 401, failed, "PEM"},
		{"HAProxy", "/haproxy", []string{"X-Client-Cert: " + base64DER(alice), "client-chain: " + base64DER(inter)}, 200, "", ""},
		{"HAProxy without a certificate", "/haproxy", []string{"X-Client-Cert:"}, 401, noneSent, ""},
		{"Caddy without a certificate", "/haproxy", []string{"X-Client-Cert: {http.request.tls.client.certificate_der_base64}"}, 401, noneSent, ""},
		{"the intermediate is missing", "/haproxy", []string{"X-Client-Cert: " + base64DER(alice)}, 401, failed, "issuer_not_found"},
		{"nothing", "/url", nil, 401, noneSent, ""},
		{"escaped PEM with a chain", "/url", []string{both}, 200, "", ""},
		{"escaped in lower case", "/url", []string{strings.NewReplacer("%0A", "%0a", "%2B", "%2b", "%2F", "%2f", "%3D", "%3d").Replace(both)}, 200, "", ""},
		{"AWS ALB", "/url", []string{strings.NewReplacer("%2B", "+", "%2F", "/", "%3D", "=").Replace(both)}, 200, "", ""},
		{"escaped twice", "/url", []string{"ssl-client-cert: " + url.QueryEscape(escapedPEM(alice, inter))}, 401, failed, "bad_encoding"},
		{"half an escape", "/url", []string{both + "%zz"}, 401, failed, "bad_encoding"},
		{"base64 where it must be escaped", "/url", []string{"ssl-client-cert: " + base64DER(alice)}, 401, failed, "bad_encoding"},
		{"RFC 9440", "/rfc", []string{"Client-Cert: " + byteSequences(alice), "Client-Chain: " + byteSequences(inter)}, 200, "", ""},
		{"RFC 9440, a chain in two lines", "/rfc", []string{"Client-Cert: " + byteSequences(alice), "client-chain: " + byteSequences(inter), "Client-Chain: " + byteSequences(root)}, 200, "", ""},
		{"RFC 9440 with a parameter", "/rfc", []string{"Client-Cert: " + byteSequences(alice) + ";a=1", "Client-Chain: " + byteSequences(inter)}, 200, "", ""},
		{"RFC 9440, empty", "/rfc", []string{"Client-Cert: ::"}, 401, noneSent, ""},
		{"RFC 9440 without its end", "/rfc", []string{"Client-Cert: :AAAA"}, 401, failed, "bad_encoding"},
		{"RFC 9440, a chain alone", "/rfc", []string{"Client-Chain: " + byteSequences(inter)}, 401, noneSent, ""},
		{"RFC 9440 twice", "/rfc", []string{"Client-Cert: " + byteSequences(alice), "Client-Cert: " + byteSequences(alice), "Client-Chain: " + byteSequences(inter)}, 401, failed, "header_duplicate"},
		{"XFCC", "/xfcc", []string{xfcc(hash, `;Chain="`+escapedPEM(alice, inter)+`";Subject="";URI=`)}, 200, "", ""},
		{"XFCC with two elements", "/xfcc", []string{xfcc(hash, `;Chain="`+escapedPEM(alice, inter)+`",By=x;Hash=00`)}, 401, failed, "xfcc_elements"},
		{"XFCC with another hash", "/xfcc", []string{xfcc(strings.Repeat("0", 64), "")}, 401, failed, "hash_mismatch"},
		{"XFCC without a hash", "/xfcc", []string{`x-forwarded-client-cert: Cert="` + escapedPEM(alice) + `"`}, 401, failed, "hash_mismatch"},
		{"XFCC in JSON", "/xfcc", []string{`x-forwarded-client-cert: [{"hash":"` + hash + `"}]`}, 401, failed, "xfcc_json"},
		{"XFCC without a certificate", "/xfcc", sample(t, "istio-xfcc"), 401, noneSent, ""},
		{"XFCC injected through a SAN", "/xfcc", sample(t, "envoy-xfcc-injection"), 401, failed, "xfcc_"},
		{"XFCC appended", "/xfcc", sample(t, "envoy-xfcc-append"), 401, failed, "xfcc_elements"},
		{"XFCC with a forged last element", "/xfcc", []string{xfcc(hash, `;Chain="`+escapedPEM(alice, inter)+`";DNS=x,Hash=`+hash+`;Chain="`+escapedPEM(alice, inter)+`"`)}, 401, failed, "xfcc_elements"},
		{"escaped PEM twice", "/url", []string{both, both}, 401, failed, "header_duplicate"},
		{"XFCC twice", "/xfcc", []string{xfcc(hash, ""), xfcc(hash, "")}, 401, failed, "header_duplicate"},
		{"a list twice", "/list", []string{"X-Forwarded-Tls-Client-Cert: " + base64DER(alice), "X-Forwarded-Tls-Client-Cert: " + base64DER(alice)}, 401, failed, "header_duplicate"},
		{"PEM twice", "/pem", []string{"SSL_CLIENT_CERT: " + spacedPEM(alice), "SSL_CLIENT_CERT: " + spacedPEM(alice)}, 401, failed, "header_duplicate"},
		{"Traefik", "/list", []string{"X-Forwarded-Tls-Client-Cert: " + base64DER(alice) + "," + base64DER(inter)}, 200, "", ""},
		{"a list as duplicates are joined", "/list", []string{"X-Forwarded-Tls-Client-Cert: " + base64DER(alice) + ", " + base64DER(inter)}, 401, failed, "bad_encoding"},
		{"Apache httpd", "/pem", []string{"SSL_CLIENT_CERT: " + spacedPEM(alice), "SSL_CLIENT_CHAIN: " + spacedPEM(inter)}, 200, "", ""},
		{"Apache httpd without a certificate", "/pem", []string{"SSL_CLIENT_CERT: (null)"}, 401, noneSent, ""},
		{"verified by the proxy", "/verify", []string{both, "ssl-client-verify: SUCCESS"}, 200, "", ""},
		{"not verified by the proxy", "/verify", []string{both, "ssl-client-verify: FAILED:certificate has expired"}, 401, failed, "not_verified"},
		{"without the proxy's verdict", "/verify", []string{both}, 401, failed, "not_verified"},
		{"two verdicts", "/verify", []string{both, "ssl-client-verify: SUCCESS", "ssl-client-verify: SUCCESS"}, 401, failed, "header_duplicate"},
		{"a verdict in the other spelling", "/verify", []string{both, "ssl_client_verify: SUCCESS"}, 401, failed, "header_twin"},
		{"a verdict admits nothing", "/verify", []string{"ssl-client-cert: " + escapedPEM(stranger), "ssl-client-verify: SUCCESS"}, 401, failed, "issuer_not_found"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := *r
			r.t = t
			for _, when := range []string{"first", "again"} {
				got := r.send(test.path, test.lines...)
				r.expect(when, got, test.status, test.message)
				if want := "CN=alice"; test.status == 200 && got.seen.Get("X-Client-Cert-Dn") != want {
					t.Errorf("%s: the upstream sees %q, want %s", when, got.seen.Get("X-Client-Cert-Dn"), want)
				}
			}
			if test.logged != "" {
				r.expectLine(test.name, test.logged, `peer="127.0.0.1"`)
			}
		})
	}
}

// withCA adds a CA certificate to a configuration.
func withCA(t testing.TB, id string, ca *pki.Certificate) func(*anykong.Options) {
	t.Helper()
	return changed(t, func(config object) {
		config["ca_certificates"] = append(config["ca_certificates"].([]any), object{"id": id, "cert": ca.PEM()})
	})
}

// sampleAs is the first header of a sample under another name.
func sampleAs(t testing.TB, name, as string) []string {
	t.Helper()
	_, value, _ := strings.Cut(sample(t, name)[0], ": ")
	return []string{as + ": " + value}
}

// A certificate that another client's request may have shown, in every spelling: never
// believed beside or instead of what the proxy sets.
func TestHeaderForgeries(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	alice, mallory := base64DER(root.Client("alice")), base64DER(root.Client("mallory"))
	r := newHeaderRig(t, cas{idA: root}, routes{
		"/dashed":      header("ssl-client-cert", "base64_encoded"),
		"/underscored": header("SSL_CLIENT_CERT", "base64_encoded"),
		"/hidden":      header("ssl-client-cert", "base64_encoded", object{"hide_certificate_header": true, "certificate_chain_header_name": "ssl-client-chain"}),
	})
	many := func(n int, more ...string) (lines []string) {
		for range n {
			lines = append(lines, "a: b")
		}
		return append(lines, more...)
	}
	// Warm: what is cached of the proxy's own request helps no forged one.
	for path, name := range map[string]string{"/dashed": "ssl-client-cert", "/hidden": "ssl-client-cert", "/underscored": "SSL_CLIENT_CERT"} {
		eventually(t, "it is cached", func() bool {
			asked := r.asked()
			for range 3 {
				r.expect("the proxy's own", r.send(path, name+": "+alice), 200, "")
			}
			return r.asked() == asked
		})
	}
	for _, test := range []struct {
		name, path string
		lines      []string
		status     int
		message    string
	}{
		{"the twin alone", "/dashed", []string{"ssl_client_cert: " + alice}, 401, failed},
		{"half a twin", "/dashed", []string{"ssl_client-cert: " + alice}, 401, failed},
		{"the twin first", "/dashed", []string{"ssl_client_cert: " + alice, "ssl-client-cert: " + mallory}, 401, failed},
		{"the twin last", "/dashed", []string{"ssl-client-cert: " + mallory, "ssl_client_cert: " + alice}, 401, failed},
		{"an equal twin", "/dashed", []string{"ssl-client-cert: " + alice, "SSL_Client_Cert: " + alice}, 401, failed},
		{"an empty twin", "/dashed", []string{"ssl-client-cert: " + alice, "ssl_client_cert:"}, 401, failed},
		{"two equal lines", "/dashed", []string{"ssl-client-cert: " + alice, "ssl-client-cert: " + alice}, 401, failed},
		{"two lines", "/dashed", []string{"ssl-client-cert: " + alice, "SSL-Client-Cert: " + mallory}, 401, failed},
		{"an empty second line", "/dashed", []string{"ssl-client-cert: " + alice, "ssl-client-cert:"}, 401, failed},
		{"a joined line", "/dashed", []string{"ssl-client-cert: " + mallory + ", " + alice}, 401, failed},
		{"the configured underscores", "/underscored", []string{"ssl_client_cert: " + alice}, 200, ""},
		{"their twin alone", "/underscored", []string{"ssl-client-cert: " + alice}, 401, failed},
		{"their twin besides", "/underscored", []string{"ssl_client_cert: " + mallory, "ssl-client-cert: " + alice}, 401, failed},
		{"after 150 headers", "/dashed", many(150, "ssl-client-cert: "+alice), 200, ""},
		{"a second line after 150 headers", "/dashed", append([]string{"ssl-client-cert: " + alice}, many(150, "ssl-client-cert: "+mallory)...), 401, failed},
		{"named in Connection", "/dashed", []string{"Connection: ssl-client-cert, close", "ssl-client-cert: " + alice}, 200, ""},
		{"a chain's twin", "/hidden", []string{"ssl-client-cert: " + alice, "ssl_client_chain: " + alice}, 401, failed},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := *r
			r.t = t
			for range 2 {
				got := r.send(test.path, test.lines...)
				r.expect("plain HTTP", got, test.status, test.message)
				if got.status == 200 && got.seen.Get("X-Client-Cert-Dn") != "CN=alice" {
					t.Errorf("the upstream sees %q", got.seen.Get("X-Client-Cert-Dn"))
				}
			}
		})
	}

	// Whether what was read of so many has the certificate is chance.
	for range 2 {
		if got := r.send("/dashed", append([]string{"ssl-client-cert: " + alice}, many(1000, "ssl_client_cert: "+mallory)...)...); got.status != 401 && !refusesSoMany(got) {
			t.Errorf("a twin after 1000 headers: got %d %q", got.status, got.message)
		}
	}

	t.Run("HTTP/2", func(t *testing.T) {
		r := *r
		r.t = t
		client := r.client(nil)
		client.Transport.(*http.Transport).ForceAttemptHTTP2 = true
		ask := func(headers ...string) answer { return r.ask(client, r.URLTLS()+"/dashed", headers...) }
		for what, a := range map[string]answer{
			"the proxy's own": ask("ssl-client-cert", alice), "again": ask("ssl-client-cert", alice),
		} {
			if r.expect(what, a, 200, ""); a.proto != "HTTP/2.0" {
				t.Errorf("%s: by %s", what, a.proto)
			}
		}
		r.expect("the twin alone", ask("ssl_client_cert", alice), 401, failed)
		r.expect("both", ask("ssl_client_cert", alice, "ssl-client-cert", mallory), 401, failed)
		r.expect("two lines", ask("ssl-client-cert", alice, "ssl-client-cert", alice), 401, failed)
	})

	t.Run("what the upstream gets", func(t *testing.T) {
		r := *r
		r.t = t
		if got := r.send("/dashed", "ssl-client-cert: "+alice); got.seen.Get("Ssl-Client-Cert") != alice {
			t.Errorf("without hide_certificate_header it sees %v", got.seen)
		}
		for range 2 {
			got := r.send("/hidden", "ssl-client-cert: "+alice, "ssl-client-chain: "+mallory, "other: x")
			if r.expect("hidden", got, 200, ""); got.seen.Get("Ssl-Client-Cert")+got.seen.Get("Ssl-Client-Chain") != "" || got.seen.Get("Other") != "x" {
				t.Errorf("it sees %v", got.seen)
			}
		}
	})
}

// The TCP peer decides, and no address in a header.
func TestHeaderSource(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	line := "x-client-cert: " + base64DER(root.Client("alice"))
	plugins := routes{
		"/secure": header("x-client-cert", "base64_encoded"),
		"/any":    header("x-client-cert", "base64_encoded", object{"secure_source": false}),
	}
	forwarded := []string{"X-Forwarded-For: 10.1.2.3", "X-Real-IP: 10.1.2.3", "Forwarded: for=10.1.2.3"}
	for _, test := range []struct {
		name    string
		trusted []string
		secure  int
	}{
		{"another network", []string{"10.0.0.0/8"}, 401},
		{"nothing", nil, 401},
		{"the peer's network", []string{"10.0.0.0/8", "127.0.0.0/8"}, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newHeaderRig(t, cas{idA: root}, plugins, func(o *anykong.Options) { o.TrustedIPs = test.trusted })
			message := map[int]string{200: "", 401: noneSent}[test.secure]
			for range 2 {
				r.expect("secure_source", r.send("/secure", line), test.secure, message)
				r.expect("with forwarded addresses", r.send("/secure", append([]string{line}, forwarded...)...), test.secure, message)
				r.expect("without secure_source", r.send("/any", line), 200, "")
				r.expect("without a certificate", r.send("/any", forwarded...), 401, noneSent)
			}
			if test.secure == 401 {
				r.expectLine("the peer", "untrusted_peer", `peer="127.0.0.1"`)
			}
			r.expectLogged("secure_source", "config.secure_source is false")
			if test.trusted == nil {
				r.expectLogged("no trusted_ips", `setting="trusted_ips"`)
			}
			r.expectLogged("header buffers", `setting="nginx_proxy_large_client_header_buffers"`)
		})
	}
}

// What proxies really sent, to the consumer of the certificate in it.
func TestHeaderSamples(t *testing.T) {
	t.Parallel()
	_, value, _ := strings.Cut(sample(t, "aws-alb-passthrough")[0], ": ")
	text, err := url.PathUnescape(value)
	if err != nil {
		t.Fatal(err)
	}
	_, rest := pem.Decode([]byte(text))
	block, _ := pem.Decode(rest)
	inter, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	samples := []struct{ name, header, format string }{
		{"apache", "SSL_CLIENT_CERT", "pem"},
		{"aws-alb-passthrough", "X-Amzn-Mtls-Clientcert", "url_encoded"},
		{"aws-alb-verify", "X-Amzn-Mtls-Clientcert-Leaf", "url_encoded"},
		{"aws-cloudfront", "CloudFront-Viewer-Cert-Pem", "url_encoded"},
		{"azure-appservice", "X-ARR-ClientCert", "base64_encoded"},
		{"caddy", "X-Ssl-Cert", "base64_encoded"},
		{"cloudflare", "Cf-Client-Cert-Der-Base64", "base64_encoded"},
		{"envoy-xfcc", "x-forwarded-client-cert", "xfcc"},
		{"haproxy", "X-SSL-Client-Cert", "base64_encoded"},
		{"kong-ee-base64_encoded", "x-client-cert", "base64_encoded"},
		{"kong-ee-url_encoded", "x-client-cert", "url_encoded"},
		{"kong-tls-metadata-headers", "X-Client-Cert", "url_encoded"},
		{"nginx-escaped", "ssl-client-cert", "url_encoded"},
		{"rfc9440", "Client-Cert", "rfc9440"},
		{"traefik-v3", "X-Forwarded-Tls-Client-Cert", "base64_list"},
	}
	plugins := routes{}
	for _, s := range samples {
		plugins["/"+s.name] = header(s.header, s.format, object{"allow_partial_chain": true})
	}
	r := newHeaderRig(t, cas{idA: &pki.Certificate{Certificate: inter}}, plugins)
	for _, s := range samples {
		t.Run(s.name, func(t *testing.T) {
			r := *r
			r.t = t
			got := r.send("/"+s.name, sample(t, s.name)...)
			r.expect(s.name, got, 200, "")
			if dn := got.seen.Get("X-Client-Cert-Dn"); dn != `CN=alice,O=Acme\, Inc.,C=DE` {
				t.Errorf("the upstream sees %q", dn)
			}
		})
	}
}

// Under the names of upstream_certificate_headers the upstream sees nothing of the client's,
// also where one of them is the header that a proxy sends.
func TestHeaderOfTheUpstreamsName(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	telling := func(name, format, headers string) object {
		return header(name, format, object{"upstream_certificate_headers": []string{headers}, "anonymous": "guest"})
	}
	r := newHeaderRig(t, cas{idA: root}, routes{
		"/details": telling("X-Client-Cert", "base64_encoded", "details"), "/rfc9440": telling("Client-Cert", "rfc9440", "rfc9440"),
		"/underscores": telling("x_client_cert", "base64_encoded", "details"),
	}, with(t, consumers(consumer(idGuest, "guest"))))
	for _, test := range []struct{ name, path, forged string }{
		{"the other spelling", "/details", "X_Client_Cert: forged"},
		{"part of it", "/details", "X-Client_Cert: forged"},
		{"its own", "/details", "X-Client-Cert: forged"},
		{"RFC 9440", "/rfc9440", "client_cert: :forged:"},
		{"RFC 9440, its own", "/rfc9440", "Client-Cert: :forged:"},
		{"a chain", "/rfc9440", "client_cert_chain: :forged:"},
		{"with underscores", "/underscores", "x_client_cert: forged"},
		{"with dashes", "/underscores", "x-client-cert: forged"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := r.send(test.path, test.forged)
			if got.status != 200 || got.seen.Get("X-Anonymous-Consumer") != "true" {
				t.Errorf("got %d as %v, want anonymous", got.status, got.seen)
			}
			for name, values := range got.seen {
				if strings.Contains(strings.Join(values, ","), "forged") {
					t.Errorf("the upstream sees %s: %q", name, values)
				}
			}
		})
	}
}

// Kong hands over a thousand header lines at most. What lies beyond them reaches the upstream
// no more than what is seen.
func TestHeaderBeyondAThousand(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	hiding := object{"hide_certificate_header": true, "anonymous": "guest"}
	r := newHeaderRig(t, cas{idA: root}, routes{
		"/hidden": header("ssl-client-cert", "url_encoded", hiding, object{"certificate_chain_header_name": "ssl_client_chain"}),
	}, with(t, consumers(consumer(idGuest, "guest"))))
	var lines []string
	for i := range 1100 {
		lines = append(lines, fmt.Sprintf("a%d: b", i))
	}
	for _, name := range []string{
		"ssl-client-cert", "ssl_client_cert", "Ssl-Client_Cert", "ssl_client_chain", "ssl-client-chain", "X_Consumer_Username", "X-Consumer_Id", "X-Client-Cert_Dn",
	} {
		lines = append(lines, name+": forged")
	}
	for range 4 { // which of them the fake Kong hands over is chance
		got := r.send("/hidden", lines...)
		if refusesSoMany(got) {
			return
		}
		if got.status != 200 || got.seen.Get("X-Anonymous-Consumer") != "true" {
			t.Fatalf("got %d %q, want anonymous", got.status, got.message)
		}
		for name, values := range got.seen {
			if strings.Contains(strings.Join(values, ","), "forged") {
				t.Errorf("the upstream sees %s: %q", name, values)
			}
		}
	}
}
