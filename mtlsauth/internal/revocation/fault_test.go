package revocation_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// broken is a fetcher with a fault of its own.
type broken struct{}

func (broken) Do(context.Context, fetch.Request, fetch.How, int64) (*fetch.Response, error) {
	panic("a fault")
}

// lines is a log that is written while it is read.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// A fault in this program lets no request in, and ends no more than the request.
func TestFaultsLetNobodyIn(t *testing.T) {
	log := new(lines)
	w := newWorld(t, func(o *revocation.Options) {
		o.Fetcher = broken{}
		o.Log = slog.New(slog.NewTextHandler(log, nil))
	})
	inter := w.root.Intermediate("inter", crl("crl"))
	byOCSP, byCRL, plain := w.root.Client("a", ocsp("ocsp")), w.root.Client("b", crl("crl")), inter.Client("c", ocsp("ocsp"))
	for name, mode := range both {
		w.settings.Mode = mode
		w.expect(name+": in an exchange with a responder", "unjudged", byOCSP, w.root)
		w.expect(name+": in an exchange for a CRL", "unjudged", byCRL, w.root)
		w.expect(name+": at two levels", "unjudged", plain, inter, w.root)
		// An issuer that is none: what is asked of it goes wrong.
		w.expectAll(name+": while checking", "unjudged", []*certificate.Certificate{byOCSP.Read(), nil, w.root.Read()})
	}
	// Who waits for an exchange may go on before it is logged.
	for began := time.Now(); !strings.Contains(log.String(), "a fault") && time.Since(began) < 30*time.Second; {
		time.Sleep(time.Millisecond)
	}
	if !strings.Contains(log.String(), "a fault") {
		t.Errorf("the log does not tell: %s", log.String())
	}
}

// What a certificate names may be secret.
func TestNoPasswordIsLogged(t *testing.T) {
	w := newWorld(t)
	leaf := w.root.Client("leaf", pki.OCSPServer("http://user:secret@ocsp/"), pki.CRLDistributionPoint("http://user:secret@crl/ca.crl"),
		pki.OCSPServer("http://user:secret@[ocsp/"))
	r := w.expect("an address with a password", "unknown", leaf, w.root)
	if r.Err == nil || strings.Contains(r.Err.Error(), "secret") || !strings.Contains(r.Err.Error(), "http://ocsp/") {
		t.Errorf("got %v, want the address without the password", r.Err)
	}
}
