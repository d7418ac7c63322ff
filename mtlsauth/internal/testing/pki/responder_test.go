package pki_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

var statuses = map[int]string{ocsp.Good: "good", ocsp.Revoked: "revoked", ocsp.Unknown: "unknown"}

func request(t *testing.T, cert, issuer *pki.Certificate) []byte {
	t.Helper()
	der, err := ocsp.CreateRequest(cert.Certificate, issuer.Certificate, nil)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// read returns the status in a response, or the text of the error.
func read(der []byte, cert, issuer *pki.Certificate) string {
	response, err := ocsp.ParseResponseForCert(der, cert.Certificate, issuer.Certificate)
	if err != nil {
		return err.Error()
	}
	return statuses[response.Status]
}

// ask sends a request and returns the body, and the text of the error.
func ask(t *testing.T, method, address string, der []byte) ([]byte, error) {
	t.Helper()
	var body io.Reader = bytes.NewReader(der)
	if method == http.MethodGet {
		address += "/" + url.PathEscape(base64.StdEncoding.EncodeToString(der))
		body = nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/ocsp-request")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return io.ReadAll(response.Body)
}

func TestResponder(t *testing.T) {
	ca := pki.NewCA("ca")
	responder := pki.NewResponder(ca)
	address := responder.Start()
	defer responder.Close()
	known, other := ca.Client("known", pki.OCSPServer(address)), ca.Client("other", pki.Serial(1<<40))
	responder.Good(known)

	steps := []struct {
		name   string
		do     func()
		cert   *pki.Certificate
		status string
	}{
		{"known", func() {}, known, "good"},
		{"not told of", func() {}, other, "unknown"},
		{"revoked later", func() { responder.Revoke(known, 1) }, known, "revoked"},
		{"forgotten", func() { responder.Forget(known) }, known, "unknown"},
		{"delegated", func() {
			responder.Good(known)
			delegate := ca.OCSPSigner("delegate")
			responder.Change(func(r *pki.OCSPResponse) { r.Signer = delegate })
		}, known, "good"},
	}
	for _, step := range steps {
		step.do()
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			der, err := ask(t, method, address, request(t, step.cert, ca))
			if err != nil {
				t.Fatal(err)
			}
			if got := read(der, step.cert, ca); got != step.status {
				t.Errorf("%s by %s: got %s, want %s", step.name, method, got, step.status)
			}
		}
	}
	if got := responder.Count(known); got != 8 {
		t.Errorf("%d requests for the known one, want 8", got)
	}
	if got := responder.Count(other); got != 2 {
		t.Errorf("%d requests for the other, want 2", got)
	}
	if got := len(responder.Requests()); got != 10 {
		t.Errorf("%d requests, want 10", got)
	}
}
