package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// forwardProxy is a forward proxy for names that resolve nowhere else: it
// answers http requests itself and leads tunnels to an address.
type forwardProxy struct {
	handlers map[string]http.Handler // by host, of http
	tunnel   string                  // where tunnels lead

	mu   sync.Mutex
	seen []string // METHOD target, or for http the host
}

func (p *forwardProxy) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	p.mu.Lock()
	p.seen = append(p.seen, request.Method+" "+request.URL.Host+" "+request.Host)
	p.mu.Unlock()
	if request.Method != http.MethodConnect {
		handler := p.handlers[request.URL.Host]
		if handler == nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		handler.ServeHTTP(w, request)
		return
	}
	to, err := net.Dial("tcp", p.tunnel)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer to.Close()
	from, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer from.Close()
	io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
	go io.Copy(to, from)
	io.Copy(from, to)
}

// expectSeen checks what has come so far, in any order, and forgets it.
func (p *forwardProxy) expectSeen(t *testing.T, want ...string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.Sort(p.seen)
	slices.Sort(want)
	if !slices.Equal(p.seen, want) {
		t.Errorf("the proxy saw %q, want %q", p.seen, want)
	}
	p.seen = nil
}

// serveTLS serves a handler with a certificate for 127.0.0.1 and this name.
func serveTLS(t *testing.T, handler http.Handler, ca *pki.Certificate, name string) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	cert := ca.Client("server", pki.DNS(name), pki.IP("127.0.0.1"), pki.ExtKeyUsage(x509.ExtKeyUsageServerAuth))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert.TLS()}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// A44, EE 23: with a proxy for its scheme an address goes there, its name as it
// is; it resolves nowhere here. (Names under .invalid do not resolve.)
func TestStatusByProxy(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, pki.NewCA("root"))
	servers := pki.NewCA("servers")
	secured := serveTLS(t, root.responder, servers, "ocsp.invalid")
	forHTTP := &forwardProxy{handlers: map[string]http.Handler{"ocsp.invalid": root.responder, "crl.invalid:8080": root.host}}
	forHTTPS := &forwardProxy{tunnel: secured.Listener.Addr().String()}
	httpServer, httpsServer := httptest.NewServer(forHTTP), httptest.NewServer(forHTTPS)
	defer httpServer.Close()
	defer httpsServer.Close()
	address := func(scheme string, server *httptest.Server) object {
		a := server.Listener.Addr().(*net.TCPAddr)
		return object{scheme + "_proxy_host": a.IP.String(), scheme + "_proxy_port": a.Port}
	}
	viaHTTP, viaHTTPS := address("http", httpServer), address("https", httpsServer)
	r := newStatusRig(t, cas{idA: root.Certificate}, routes{
		"/http":  checked("STRICT", viaHTTP),
		"/both":  checked("STRICT", viaHTTP, viaHTTPS, object{"ssl_verify": false}),
		"/https": checked("STRICT", viaHTTPS, object{"ssl_verify": false}),
	})
	client := func(option pki.Option) *pki.Certificate {
		cert := root.Client("client", option)
		root.responder.Good(cert)
		return cert
	}
	byOCSP := client(pki.OCSPServer("http://ocsp.invalid/"))
	r.expectStatus("A44 http by its proxy, OCSP", "/http", byOCSP, passes)
	forHTTP.expectSeen(t, "GET ocsp.invalid ocsp.invalid")
	r.expectStatus("A44 http by its proxy, CRL", "/both", client(pki.CRLDistributionPoint("http://crl.invalid:8080/ca.crl")), passes)
	forHTTP.expectSeen(t, "GET crl.invalid:8080 crl.invalid:8080")
	r.expectStatus("A44 https by its proxy", "/both", client(pki.OCSPServer("https://ocsp.invalid/")), passes)
	forHTTP.expectSeen(t)
	forHTTPS.expectSeen(t, "CONNECT ocsp.invalid:443 ocsp.invalid:443")
	r.expectStatus("A44 http past the proxy of https", "/https", client(root.byOCSP()), passes)
	forHTTPS.expectSeen(t)
	revoked := root.Client("revoked", pki.OCSPServer("http://ocsp.invalid"))
	root.responder.Revoke(revoked, 1)
	r.expectStatus("A44 revoked, says who is behind the proxy", "/http", revoked, isRevoked)
	forHTTP.expectSeen(t, "GET ocsp.invalid ocsp.invalid")
	r.expectStatus("metadata by the proxy", "/http", client(pki.OCSPServer("http://169.254.169.254/")), isUnknown, "which is link-local")
	forHTTP.expectSeen(t)

	if _, ok := r.kong.(real); !ok {
		return // the fake Kong has no rules about two fields
	}
	// Half a pair is refused when it is configured, by its schema.
	for _, half := range []object{{"http_proxy_host": "proxy.invalid"}, {"http_proxy_port": 3128}, {"https_proxy_host": "proxy.invalid"}, {"https_proxy_port": 3128}} {
		err := r.Configure(declarative(t, r.upstream, cas{idA: root.Certificate}, routes{"/half": checked("STRICT", half)}))
		if err == nil || !strings.Contains(err.Error(), "proxy_host") || !strings.Contains(err.Error(), "proxy_port") {
			t.Errorf("EE 23 half a pair, %v: got error %v, want one about host and port", half, err)
		}
	}
	r.expectStatus("the configuration of before goes on", "/http", client(root.byOCSP()), isUnknown, "status 502")
}

// A45, EE 3: the TLS servers of responders and CRLs are verified, with the
// system's CA certificates, unless ssl_verify says no.
func TestSSLVerify(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, pki.NewCA("root"))
	servers := pki.NewCA("servers")
	trustedServer := serveTLS(t, root.responder, servers, "ocsp.invalid")
	strangeServer := serveTLS(t, root.responder, pki.NewCA("strange servers"), "ocsp.invalid")
	list := serveTLS(t, root.host, servers, "crl.invalid")
	roots := filepath.Join(t.TempDir(), "roots.pem")
	writeFile(t, roots, servers.PEM())
	plugins := bothModes()
	plugins["/unverified"] = checked("STRICT", object{"ssl_verify": false})
	r := newStatusRig(t, cas{idA: root.Certificate}, plugins, startedWith(func(command string) string {
		return "/usr/bin/env SSL_CERT_FILE=" + roots + " SSL_CERT_DIR=/nonexistent " + command
	}))
	known := root.Client("known", pki.OCSPServer(trustedServer.URL))
	strange := root.Client("strange", pki.OCSPServer(strangeServer.URL))
	byCRL := root.Client("by CRL", pki.CRLDistributionPoint(list.URL+"/ca.crl"))
	otherName := root.Client("by another name", pki.OCSPServer(strings.Replace(trustedServer.URL, "127.0.0.1", "localhost", 1)))
	root.responder.Good(known, strange, otherName)
	r.expectStatus("A45 a server that is trusted", "/strict", known, passes)
	r.expectStatus("A45 a server that is trusted, CRL", "/strict", byCRL, passes)
	r.expectStatus("EE 3 unknown CA", "/strict", strange, isUnknown, "certificate signed by unknown authority")
	r.expectStatus("EE 3 unknown CA", "/ignore", strange, passesNoted, "certificate signed by unknown authority")
	r.expectStatus("EE 3 another name", "/strict", otherName, isUnknown, "not localhost")
	if n := root.responder.Count(strange) + root.responder.Count(otherName); n != 0 {
		t.Errorf("%d questions went to servers that could not be verified", n)
	}
	// Failures are those of who verifies: who does not is not held back.
	r.expectStatus("A45 unknown CA, unverified", "/unverified", strange, passes)
	r.expectStatus("A45 another name, unverified", "/unverified", otherName, passes)
}
