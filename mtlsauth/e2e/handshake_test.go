package e2e

import (
	"crypto/tls"
	"net/http"
	"sync"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// transport returns the transport of a client, to change before its first
// request.
func transport(c *http.Client) *http.Transport { return c.Transport.(*http.Transport) }

// Kong asks where the pre-function makes it, and names no CA.
func TestWhoIsAsked(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	plugins := routes{"/echo": trusted([]string{idA})}
	asking := newRig(t, cas{idA: root}, plugins)
	silent := newRig(t, cas{idA: root}, plugins, func(o *anykong.Options) { o.Config = withoutPreFunction(t, o.Config) })
	for _, test := range []struct {
		name   string
		r      *rig
		asked  bool
		status int
	}{
		{"with the pre-function", asking, true, 200},
		{"with nothing", silent, false, 401},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			asked := false
			c := test.r.client(nil)
			config := transport(c).TLSClientConfig
			config.MinVersion, config.MaxVersion = version, version
			config.GetClientCertificate = func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
				asked = true
				if n := len(request.AcceptableCAs); n != 0 {
					t.Errorf("%s: %d CAs were named", test.name, n)
				}
				pair := root.Client("client").TLS()
				return &pair, nil
			}
			got := test.r.ask(c, test.r.URLTLS()+"/echo")
			if asked != test.asked || got.status != test.status {
				t.Errorf("%s, %s: asked %v and got %d, want %v and %d", test.name, tls.VersionName(version), asked, got.status, test.asked, test.status)
			}
		}
	}
}

// A connection that is kept stays who it was, also after a refusal on another
// route, and so does one that carries requests side by side.
func TestConnectionsThatAreKept(t *testing.T) {
	t.Parallel()
	root, other := pki.NewCA("root"), pki.NewCA("other")
	inter := root.Intermediate("inter")
	r := newRig(t, cas{idA: root, idB: other}, routes{"/echo": trusted([]string{idA}), "/other": trusted([]string{idB})},
		func(o *anykong.Options) { o.Workers = 2 })
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		c := r.client(inter.Client("client"))
		transport(c).ForceAttemptHTTP2 = proto == "HTTP/2.0"
		for range 5 {
			got := r.ask(c, r.URLTLS()+"/echo")
			r.expect(proto+", one after the other", got, 200, "")
			if got.proto != proto {
				t.Errorf("got %s, want %s", got.proto, proto)
			}
			r.expect(proto+", another route", r.ask(c, r.URLTLS()+"/other"), 401, failed)
		}
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				path, status := "/echo", 200
				if i%2 == 1 {
					path, status = "/other", 401
				}
				a, err := fetch(c, r.URLTLS()+path)
				if err != nil || a.status != status || status == 200 && a.seen.Get("X-Client-Cert-Dn") != "CN=client" {
					t.Errorf("%s, side by side, %s: got %d as %q, %v", proto, path, a.status, a.seen.Get("X-Client-Cert-Dn"), err)
				}
			})
		}
		wg.Wait()
		none := r.client(nil)
		transport(none).ForceAttemptHTTP2 = proto == "HTTP/2.0"
		r.expect(proto+", none sent", r.ask(none, r.URLTLS()+"/echo"), 401, noneSent)
		r.expect(proto+", none sent still", r.ask(none, r.URLTLS()+"/echo"), 401, noneSent)
	}
}

// With the pre-function no session is resumed, so that the chain is there on
// every connection. With the directive one is: the certificate is the same, and
// what issued it has to be configured.
func TestSessions(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	inter := root.Intermediate("inter")
	authorities := cas{idA: root, idB: inter}
	plugins := routes{"/root": trusted([]string{idA}), "/both": trusted([]string{idA, idB})}
	asking := newRig(t, authorities, plugins)
	directive := newRig(t, authorities, plugins, func(o *anykong.Options) {
		o.SSLVerifyClient = "optional_no_ca"
		o.Config = withoutPreFunction(t, o.Config)
	})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		connect := func(r *rig, cert *pki.Certificate) (c *http.Client) {
			c = r.client(cert)
			config := transport(c).TLSClientConfig
			config.MinVersion, config.MaxVersion = version, version
			config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			return c
		}
		name := tls.VersionName(version)
		c := connect(asking, inter.Client("client"))
		for i := range 3 {
			got := asking.ask(c, asking.URLTLS()+"/root")
			asking.expect(name+", pre-function", got, 200, "")
			if got.resumed {
				t.Errorf("%s: connection %d was resumed", name, i)
			}
			c.CloseIdleConnections()
		}
		c = connect(directive, inter.Client("client"))
		for i := range 3 {
			got := directive.ask(c, directive.URLTLS()+"/both")
			directive.expect(name+", directive", got, 200, "")
			if got.resumed != (i > 0) {
				t.Errorf("%s: connection %d: resumed %v", name, i, got.resumed)
			}
			directive.expect(name+", directive, intermediate only sent", directive.ask(c, directive.URLTLS()+"/root"), 401, failed)
			directive.expectLog(name, map[bool]string{true: `resumed="true"`, false: `resumed="false"`}[i > 0], `chain="false"`)
			c.CloseIdleConnections()
		}
		c = connect(directive, nil)
		for range 2 {
			directive.expect(name+", directive, none sent", directive.ask(c, directive.URLTLS()+"/both"), 401, noneSent)
			c.CloseIdleConnections()
		}
	}
}
