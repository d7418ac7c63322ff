package fetch_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func pool(cas ...*pki.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, ca := range cas {
		p.AddCert(ca.Certificate)
	}
	return p
}

func webServer(ca *pki.Certificate, options ...pki.Option) *pki.Certificate {
	return ca.Client("web", append([]pki.Option{pki.ExtKeyUsage(x509.ExtKeyUsageServerAuth), pki.IP("127.0.0.1")}, options...)...)
}

// serveTLS starts an HTTPS server at 127.0.0.1 with a certificate for it.
func serveTLS(t *testing.T, ca *pki.Certificate, h http.HandlerFunc, options ...pki.Option) *httptest.Server {
	t.Helper()
	return startTLS(t, &tls.Config{Certificates: []tls.Certificate{webServer(ca, options...).TLS()}}, h)
}

func startTLS(t *testing.T, config *tls.Config, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = config
	s.Config.ErrorLog = discard
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func TestTLS(t *testing.T) {
	ca, other := pki.NewCA("web"), pki.NewCA("other")
	good := serveTLS(t, ca, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 || len(r.TLS.PeerCertificates) > 0 {
			t.Errorf("got %s with %d certificates", r.Proto, len(r.TLS.PeerCertificates))
		}
		io.WriteString(w, r.TLS.ServerName)
	})
	empty := func(http.ResponseWriter, *http.Request) {}
	expired := serveTLS(t, ca, empty, pki.Expired())
	otherName := serveTLS(t, ca, empty, pki.With(func(c *x509.Certificate) { c.IPAddresses = nil; c.DNSNames = []string{"other.test"} }))
	for _, test := range []struct {
		name, url string
		roots     *x509.CertPool
		ok        bool
	}{
		{"verified", good.URL, pool(ca), true},
		{"unknown CA", good.URL, pool(other), false},
		{"the system's CAs", good.URL, nil, false},
		{"expired", expired.URL, pool(ca), false},
		{"another name", otherName.URL, pool(ca), false},
	} {
		c := newClient(t, fetch.Options{Roots: test.roots})
		_, _, err := do(t, c, fetch.Request{URL: test.url}, fetch.How{SSLVerify: true})
		if test.ok {
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		wantKind(t, test.name, err, fetch.Connect)
		if _, _, err := do(t, c, fetch.Request{URL: test.url}, fetch.How{}); err != nil {
			t.Errorf("%s, without ssl_verify: %v", test.name, err)
		}
		// Not by the connection that was not verified.
		_, _, err = do(t, c, fetch.Request{URL: test.url}, fetch.How{SSLVerify: true})
		wantKind(t, test.name+", again", err, fetch.Connect)
	}
}

// TestServerName: it is the URL's, also when it is not what the DNS leads to.
func TestServerName(t *testing.T) {
	ca := pki.NewCA("web")
	s := serveTLS(t, ca, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.TLS.ServerName) }, pki.DNS("ocsp.test"))
	c := newClient(t, fetch.Options{Roots: pool(ca)})
	c.UseResolver(dns(t, func(string) []string { return []string{"127.0.0.1"} }))
	for _, name := range []string{"ocsp.test", "OCSP.test."} {
		url := strings.Replace(s.URL, "127.0.0.1", name, 1)
		if _, content, err := do(t, c, fetch.Request{URL: url}, fetch.How{SSLVerify: true}); err != nil || content != "ocsp.test" {
			t.Errorf("%s: got %q, %v", name, content, err)
		}
	}
	_, _, err := do(t, c, fetch.Request{URL: strings.Replace(s.URL, "127.0.0.1", "crl.test", 1)}, fetch.How{SSLVerify: true})
	wantKind(t, "another name", err, fetch.Connect)
}

func TestTLSVersions(t *testing.T) {
	ca := pki.NewCA("web")
	certificates := []tls.Certificate{webServer(ca).TLS()}
	c := newClient(t, fetch.Options{Roots: pool(ca)})
	for _, test := range []struct {
		version uint16
		ok      bool
	}{{tls.VersionTLS11, false}, {tls.VersionTLS12, true}, {tls.VersionTLS13, true}} {
		s := startTLS(t, &tls.Config{Certificates: certificates, MinVersion: tls.VersionTLS10, MaxVersion: test.version}, func(http.ResponseWriter, *http.Request) {})
		for _, verify := range []bool{true, false} {
			_, _, err := do(t, c, fetch.Request{URL: s.URL}, fetch.How{SSLVerify: verify})
			if test.ok && err != nil {
				t.Errorf("%s: %v", tls.VersionName(test.version), err)
			} else if !test.ok {
				wantKind(t, tls.VersionName(test.version), err, fetch.Connect)
			}
		}
	}
}

// TestNoClientCertificate: a server that asks for one gets none.
func TestNoClientCertificate(t *testing.T) {
	ca := pki.NewCA("web")
	s := startTLS(t, &tls.Config{Certificates: []tls.Certificate{webServer(ca).TLS()}, ClientAuth: tls.RequestClientCert}, func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			t.Error("a certificate was sent")
		}
	})
	if _, _, err := do(t, newClient(t, fetch.Options{Roots: pool(ca)}), fetch.Request{URL: s.URL}, fetch.How{SSLVerify: true}); err != nil {
		t.Error(err)
	}
}

func TestNoTLSThere(t *testing.T) {
	addr := answering(t, func(conn net.Conn) { io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n") })
	_, err := get(t, newClient(t, fetch.Options{}), "https://"+addr)
	wantKind(t, "https to an http port", err, fetch.Connect)
}
