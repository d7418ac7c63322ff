package e2e

import (
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// A42, EE 11: a failure is no answer. What is down is tried again after a second.
func TestAFailureIsNotKept(t *testing.T) {
	t.Parallel()
	ofTime(t)
	root := pki.NewCA("root")
	r := newStatusRig(t, cas{idA: root}, bothModes())
	responder, host := pki.NewResponder(root), pki.NewCRLHost(pki.CRL{Issuer: root}.DER())
	defer responder.Close()
	defer host.Close()
	for _, test := range []struct {
		name    string
		address func(string) pki.Option
		handler http.Handler
	}{{"OCSP", pki.OCSPServer, responder}, {"CRL", pki.CRLDistributionPoint, host}} {
		port := newClosedPort(t)
		cert := root.Client("client", test.address(port.address))
		responder.Good(cert)
		began := time.Now()
		r.expectStatus("A42 down, "+test.name, "/strict", cert, isUnknown, "connection refused")
		port.open(test.handler)
		// Those who wait keep asking, and do not put it off.
		r.statusBecomes("EE 11 up again, "+test.name, "/strict", cert, 200, time.Now().Add(3*time.Second))
		if took := time.Since(began); took < time.Second {
			t.Errorf("%s: tried again after %v, want a second", test.name, took)
		}
		r.expectStatus("EE 11 up again, "+test.name, "/ignore", cert, passes)
	}
}

// However many requests come, an address that fails is asked after a second and
// then every five.
func TestRetriesAreFew(t *testing.T) {
	t.Parallel()
	ofTime(t)
	root := newAuthority(t, pki.NewCA("root"))
	unavailable := pki.Trouble{Status: http.StatusServiceUnavailable}
	root.responder.Trouble(unavailable)
	root.host.Trouble(unavailable)
	r := newStatusRig(t, cas{idA: root.Certificate}, bothModes())
	cert := root.Client("client", root.byOCSP(), root.byCRL())
	began := time.Now()
	r.keepAsking("unavailable", "/strict", cert, 401, began.Add(4500*time.Millisecond))
	r.keepAsking("unavailable", "/ignore", cert, 200, began.Add(5500*time.Millisecond))
	if time.Since(began) > 5800*time.Millisecond {
		t.Skip("the machine is too slow to tell the second retry from the third")
	}
	// OCSP each time by GET, and then by POST.
	if ocsp, crl := len(root.responder.Requests()), len(root.host.Requests()); ocsp != 4 || crl != 2 {
		t.Errorf("asked %d times by OCSP and %d times for the CRL within 5.5 s, want 4 and 2", ocsp, crl)
	}
}

// A host that cannot be connected to is found out once, not by each certificate;
// one that connects and does not answer, by three.
func TestADeadHostIsFoundOutOnce(t *testing.T) {
	t.Parallel()
	ofTime(t)
	root, slow := newAuthority(t, pki.NewCA("root")), newAuthority(t, pki.NewCA("slow"))
	r := newStatusRig(t, cas{idA: root.Certificate, idB: slow.Certificate},
		bothModes(object{"ca_certificates": []string{idA, idB}, "http_timeout": 1000}))
	// TLS does not come about: to the client that is no connection, and the
	// attempts can be counted.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var attempts atomic.Int64
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			attempts.Add(1)
			c.Close()
		}
	}()
	const certificates = 40
	began := time.Now()
	for n := range certificates {
		cert := root.Client("client", pki.OCSPServer(fmt.Sprintf("https://%s/%d", listener.Addr(), n)))
		if got := r.status("/ignore", cert); got != 200 {
			t.Errorf("certificate %d: got %d, want 200", n, got)
		}
	}
	// After a second once more, then every five.
	most := int64(2 + time.Since(began)/(5*time.Second))
	if n := attempts.Load(); n < 1 || n > most {
		t.Errorf("%d connections for %d certificates within %v, want %d at most", n, certificates, time.Since(began), most)
	}
	if got := r.status("/strict", root.Client("client", pki.OCSPServer("https://"+listener.Addr().String()))); got != 401 {
		t.Errorf("STRICT: got %d, want 401", got)
	}

	slow.responder.Trouble(pki.Trouble{Hang: true})
	began = time.Now()
	for range certificates {
		if got := r.status("/ignore", slow.Client("client", slow.byOCSP())); got != 200 {
			t.Errorf("a responder that hangs: got %d, want 200", got)
		}
	}
	// On a busy machine an exchange ends later than its request, and so do the pauses.
	most = 6 + int64(time.Since(began)/(5*time.Second))
	if n := int64(len(slow.responder.Requests())); n < 3 || n > most {
		t.Errorf("%d questions to a responder that hangs for %d certificates, want 3 to %d", n, certificates, most)
	}
	// Another issuer at the same address is another matter.
	neighbour := root.Client("client", slow.byOCSP())
	r.expectStatus("another issuer's, at the same address", "/ignore", neighbour, passesNoted, "deadline exceeded")
	if n := slow.responder.Count(neighbour); n != 1 {
		t.Errorf("another issuer's, at the same address: %d questions, want 1", n)
	}
}
