package e2e

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// checked is a plugin configuration that checks certificate status.
func checked(mode string, change ...object) object {
	return trusted([]string{idA}, append([]object{{"revocation_check_mode": mode}}, change...)...)
}

// bothModes are a route for each mode that checks.
func bothModes(change ...object) routes {
	return routes{"/strict": checked("STRICT", change...), "/ignore": checked("IGNORE_CA_ERROR", change...)}
}

// authority is a CA with a responder and a host of its CRL.
type authority struct {
	*pki.Certificate
	responder *pki.Responder
	host      *pki.CRLHost
}

func newAuthority(t testing.TB, ca *pki.Certificate) *authority {
	t.Helper()
	a := &authority{Certificate: ca, responder: newResponder(t, ca), host: newCRLHost(t, pki.CRL{Issuer: ca})}
	return a
}

func newResponder(t testing.TB, issuer *pki.Certificate) *pki.Responder {
	r := pki.NewResponder(issuer)
	r.Start()
	t.Cleanup(r.Close)
	return r
}

func newCRLHost(t testing.TB, list pki.CRL) *pki.CRLHost {
	h := pki.NewCRLHost(list.DER())
	h.Start()
	t.Cleanup(h.Close)
	return h
}

// byOCSP and byCRL make certificates name the responder and the CRL.
func (a *authority) byOCSP() pki.Option { return pki.OCSPServer(a.responder.URL()) }
func (a *authority) byCRL() pki.Option  { return pki.CRLDistributionPoint(a.host.URL()) }

// asked is how many requests came about any certificate, by OCSP and for the
// CRL.
func (a *authority) asked() int { return len(a.responder.Requests()) + len(a.host.Requests()) }

// inSeconds is an instant as OCSP and CRLs have it: in whole seconds.
func inSeconds(n int) time.Time {
	return time.Now().Add(time.Duration(n) * time.Second).Truncate(time.Second)
}

// closedPort is an address that refuses connections, until it is opened.
type closedPort struct {
	t       testing.TB
	fd      int
	address string
}

// newClosedPort binds a port without listening on it, so that no other process gets
// it.
func newClosedPort(t testing.TB) *closedPort {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(fd)
	p := &closedPort{t: t, fd: fd}
	t.Cleanup(func() {
		if p.fd >= 0 {
			syscall.Close(p.fd)
		}
	})
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	p.address = fmt.Sprintf("http://127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	return p
}

// open has a handler answer from now on.
func (p *closedPort) open(handler http.Handler) {
	p.t.Helper()
	if err := syscall.Listen(p.fd, 128); err != nil {
		p.t.Fatal(err)
	}
	file := os.NewFile(uintptr(p.fd), "listener")
	p.fd = -1
	listener, err := net.FileListener(file)
	file.Close()
	if err != nil {
		p.t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler}}
	server.Start()
	p.t.Cleanup(server.Close)
}

// newStatusRig is newRig, and expects that the program comes to no grief. With
// the race detector that is a data race, too.
func newStatusRig(t testing.TB, authorities cas, plugins routes, change ...func(*anykong.Options)) *rig {
	t.Helper()
	r := newRig(t, authorities, plugins, change...)
	t.Cleanup(func() {
		for _, line := range r.Log().Lines() {
			for _, grief := range []string{"DATA RACE", "fatal error: ", "panic: ", "goroutine ", "a fault in this program"} {
				if strings.Contains(line.Text, grief) {
					t.Errorf("logged: %s", line.Text)
				}
			}
		}
	})
	return r
}

// What a request comes to: a reason of the log, or one of these.
const (
	passes       = ""               // with nothing in the log
	passesNoted  = "passes"         // with a notice
	isRevoked    = "revoked"        // 401
	isUnknown    = "status_unknown" // 401
	isOurs       = "internal"       // 500
	noticePassed = `[mtls-auth] reason="passed"`
)

// expectStatus makes a request and checks answer, log and serializer. because
// are words of the line in the log.
func (r *rig) expectStatus(what, path string, cert *pki.Certificate, want string, because ...string) {
	r.t.Helper()
	r.expectAnswer(what+" on "+path, func() answer { return r.get(path, cert) }, want, because...)
}

// expectAnswer is expectStatus for a request that is made otherwise.
func (r *rig) expectAnswer(what string, ask func() answer, want string, because ...string) {
	r.t.Helper()
	before := len(r.pluginLines())
	got := ask()
	verify := "FAILED:" + want
	switch want {
	case passes, passesNoted:
		r.expect(what, got, 200, "")
		verify = "SUCCESS"
	case isOurs:
		r.expect(what, got, 500, internal)
	default:
		r.expect(what, got, 401, failed)
	}
	if v := r.verified(got); v != verify {
		r.t.Errorf("%s: client_verify is %q, want %q", what, v, verify)
	}
	switch want {
	case passes:
		for _, line := range r.pluginLines()[before:] {
			if strings.Contains(line, "reason=") {
				r.t.Errorf("%s: logged %s", what, line)
			}
		}
	case passesNoted:
		r.expectLog(what, append([]string{"[notice]", noticePassed, `note="status of certificate `}, because...)...)
	case isOurs:
		r.expectLog(what, append([]string{"[error]", `reason="internal"`}, because...)...)
	default:
		r.expectLog(what, append([]string{"[notice]", `[mtls-auth] reason="` + want + `"`, `subject="CN=`}, because...)...)
	}
}

// sending is a client that sends further certificates with its chain.
func (r *rig) sending(cert *pki.Certificate, more ...*pki.Certificate) *http.Client {
	c := r.client(cert)
	pair := cert.TLS()
	for _, m := range more {
		pair.Certificate = append(pair.Certificate, m.Raw)
	}
	c.Transport.(*http.Transport).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	return c
}

// status is what a request with the certificate is answered with, for those who
// wait for a change.
func (r *rig) status(path string, cert *pki.Certificate) int {
	r.t.Helper()
	return r.get(path, cert).status
}

// within expects a request to end in a time, and returns what it took.
func within(t testing.TB, what string, most time.Duration, f func()) time.Duration {
	t.Helper()
	began := time.Now()
	f()
	took := time.Since(began)
	if took > most {
		t.Errorf("%s took %v, want %v at most", what, took, most)
	}
	return took
}

// startedWith changes the start command of the plugin server.
func startedWith(change func(command string) string) func(*anykong.Options) {
	return func(o *anykong.Options) { o.StartCommand = change(o.StartCommand) }
}
