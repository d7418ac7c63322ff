package e2e

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// expectRefusedAddress expects that an address gives nothing usable, for this
// reason.
func (r *rig) expectRefusedAddress(what string, ca *pki.Certificate, address, because string) {
	r.t.Helper()
	for kind, option := range map[string]pki.Option{"OCSP": pki.OCSPServer(address), "CRL": pki.CRLDistributionPoint(address)} {
		cert := ca.Client("client", option)
		r.expectStatus(what+", "+kind, "/strict", cert, isUnknown, because)
		r.expectStatus(what+", "+kind, "/ignore", cert, passesNoted, because)
	}
}

// What a certificate names is visited by http and https alone, and not where
// no responder is. No packet goes to any of these.
func TestAddressesThatAreRefused(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, pki.NewCA("root"))
	r := newStatusRig(t, cas{idA: root.Certificate}, bothModes())
	for _, test := range []struct{ name, address, because string }{
		{"metadata", "http://169.254.169.254/latest/meta-data/", "169.254.169.254, which is link-local"},
		{"metadata, IPv4 in IPv6", "http://[::ffff:169.254.169.254]/", "169.254.169.254, which is link-local"},
		{"metadata, NAT64", "http://[64:ff9b::a9fe:a9fe]/", "stands for 169.254.169.254"},
		{"metadata as a number", "http://2852039166/", "is no IP address"},
		{"link-local", "http://[fe80::1]/", "which is link-local"},
		{"unspecified", "http://0.0.0.0/", "which is unspecified"},
		{"multicast", "http://224.0.0.1/", "which is multicast"},
		{"https to metadata", "https://169.254.169.254/", "which is link-local"},
		{"LDAP", "ldap://127.0.0.1/cn=root?certificateRevocationList", ""},
		{"a file", "file:///etc/passwd", ""},
		{"a user name", "http://user@127.0.0.1/", "user name"},
	} {
		r.expectRefusedAddress(test.name, root.Certificate, test.address, test.because)
	}
	// Kong's own listeners, by either name of this machine: its Admin API takes
	// orders from there.
	if admin := r.AdminURL(); admin != "" {
		port := admin[strings.LastIndex(admin, ":"):]
		r.expectRefusedAddress("Kong's Admin API", root.Certificate, admin+"/", "one of Kong's own listeners")
		r.expectRefusedAddress("Kong's Admin API by name", root.Certificate, "http://localhost"+port+"/", "one of Kong's own listeners")
	}
	r.expectRefusedAddress("Kong's proxy", root.Certificate, r.URL()+"/open", "one of Kong's own listeners")
	r.expectRefusedAddress("Kong's proxy by TLS", root.Certificate, r.URLTLS()+"/open", "one of Kong's own listeners")
	for _, record := range r.Access() {
		if strings.HasPrefix(record.Request.URI, "/open") {
			t.Errorf("Kong's proxy was asked for %s", record.Request.URI)
		}
	}
	// One address that is refused does not keep the next from being visited.
	cert := root.Client("client", pki.OCSPServer("http://169.254.169.254/"), root.byOCSP())
	root.responder.Good(cert)
	r.expectStatus("a good address after a bad one", "/strict", cert, passes)
}

// Redirects are followed within http and https, three at most, and to no address
// that would be refused.
func TestRedirects(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, pki.NewCA("root"))
	r := newStatusRig(t, cas{idA: root.Certificate}, bothModes(object{"ssl_verify": false}))
	secured := httptest.NewTLSServer(root.responder)
	defer secured.Close()
	redirecting := func(hops int, end string) http.HandlerFunc {
		return func(w http.ResponseWriter, request *http.Request) {
			path, rest, _ := strings.Cut(request.URL.EscapedPath()[1:], "/")
			location := end + "/" + rest
			if len(path) < hops {
				location = "http://" + request.Host + "/" + path + "x/" + rest
			}
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusFound)
		}
	}
	for _, test := range []struct {
		name    string
		hops    int
		end     string
		want    string
		because string
	}{
		{"once", 1, root.responder.URL(), passes, ""},
		{"three times", 3, root.responder.URL(), passes, ""},
		{"four times", 4, root.responder.URL(), isUnknown, "more than 3 redirects"},
		{"to https", 1, secured.URL, passes, ""},
		{"to metadata", 1, "http://169.254.169.254", isUnknown, "which is link-local"},
		{"to a file", 1, "file:///etc", isUnknown, "neither http nor https"},
		{"to Kong's proxy", 1, r.URL(), isUnknown, "one of Kong's own listeners"},
	} {
		server := httptest.NewServer(redirecting(test.hops, test.end))
		cert := root.Client("client", pki.OCSPServer(server.URL+"/x"))
		root.responder.Good(cert)
		r.expectStatus("a redirect "+test.name, "/strict", cert, test.want, test.because)
		server.Close()
	}
}

// -deny-private leaves out this machine and private networks, by address and by
// name.
func TestDenyPrivate(t *testing.T) {
	t.Parallel()
	root := newAuthority(t, pki.NewCA("root"))
	r := newStatusRig(t, cas{idA: root.Certificate}, bothModes(), flags("-deny-private"))
	port := root.responder.URL()[strings.LastIndex(root.responder.URL(), ":"):]
	for _, test := range []struct{ name, address string }{
		{"loopback", root.responder.URL()}, {"loopback by name", "http://localhost" + port}, {"private", "http://10.0.0.1/"},
		{"loopback, IPv6", "http://[::1]" + port},
	} {
		r.expectRefusedAddress(test.name, root.Certificate, test.address, "with private addresses denied")
	}
	if n := root.asked(); n != 0 {
		t.Errorf("%d requests came, want none", n)
	}
}
