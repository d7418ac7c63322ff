package ocsp_test

import (
	"bytes"
	"math/big"
	"testing"

	xocsp "golang.org/x/crypto/ocsp"

	"mtls-auth/mtlsauth/internal/revocation/ocsp"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// TestRequest compares requests with those of x/crypto/ocsp.
func TestRequest(t *testing.T) {
	for _, c := range []struct {
		name   string
		ca     *pki.Certificate
		serial int64
	}{
		{"ECDSA", pki.NewCA("ca"), 1},
		{"RSA", pki.NewCA("ca", pki.RSA(2048)), 0x7f},
		{"serial number with the highest bit set", pki.NewCA("ca"), 0x80},
		{"a long serial number", pki.NewCA("ca"), 1 << 62},
	} {
		client := c.ca.Client("client", pki.Serial(c.serial))
		want, err := xocsp.CreateRequest(client.Certificate, c.ca.Certificate, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := ocsp.Request(c.ca.Read(), client.SerialNumber, nil); !bytes.Equal(got, want) {
			t.Errorf("%s: got %x, want %x", c.name, got, want)
		}
	}
}

// TestRequestWithoutKey: what no parsed certificate is has no request, and no
// answer either.
func TestRequestWithoutKey(t *testing.T) {
	w := newWorld()
	broken := *w.ca.Read()
	broken.RawSubjectPublicKeyInfo = nil
	if got := ocsp.Request(&broken, big.NewInt(1), nil); got != nil {
		t.Errorf("got %x", got)
	}
	answer, err := judge(t, w.response(pki.OCSPGood).DER(), &broken, w.client.SerialNumber, w.responderOptions)
	wantVerdict(t, answer, err, "unauthorized")
}

// TestAgree compares what is accepted with what x/crypto/ocsp reads in it, of
// responses that either of the two has made.
func TestAgree(t *testing.T) {
	w := newWorld()
	var ders [][]byte
	for _, signer := range []*pki.Certificate{w.ca, w.delegate} {
		for _, status := range []pki.CertStatus{pki.OCSPGood, pki.OCSPRevoked, pki.OCSPUnknown} {
			for _, byName := range []bool{false, true} {
				r := w.response(status)
				r.Signer, r.ByName = signer, byName
				r.Singles[0].Reason = 4
				r.Singles[0].NoNextUpdate = byName
				ders = append(ders, r.DER())
			}
		}
		for _, status := range []int{xocsp.Good, xocsp.Revoked, xocsp.Unknown} {
			template := xocsp.Response{
				Status: status, SerialNumber: w.client.SerialNumber, ThisUpdate: now, NextUpdate: now.AddDate(0, 0, 1),
				RevokedAt: now.AddDate(0, 0, -1), RevocationReason: xocsp.KeyCompromise,
			}
			if signer != w.ca {
				template.Certificate = signer.Certificate
			}
			der, err := xocsp.CreateResponse(w.ca.Certificate, signer.Certificate, template, signer.Key)
			if err != nil {
				t.Fatal(err)
			}
			ders = append(ders, der)
		}
	}
	statuses := map[int]ocsp.Status{xocsp.Good: ocsp.Good, xocsp.Revoked: ocsp.Revoked, xocsp.Unknown: ocsp.Unknown}
	for i, der := range ders {
		got, err := judge(t, der, w.ca.Read(), w.client.SerialNumber, w.responderOptions)
		if err != nil {
			t.Errorf("%d: %v", i, err)
			continue
		}
		want, err := xocsp.ParseResponseForCert(der, w.client.Certificate, w.ca.Certificate)
		if err != nil {
			t.Errorf("%d: x/crypto/ocsp: %v", i, err)
			continue
		}
		if want.NextUpdate.IsZero() {
			want.NextUpdate = want.ThisUpdate.Add(ocsp.MaxAge)
		}
		if got.Status != statuses[want.Status] || !got.ThisUpdate.Equal(want.ThisUpdate) || !got.Until.Equal(want.NextUpdate) ||
			got.Status == ocsp.Revoked && got.Reason != want.RevocationReason {
			t.Errorf("%d: got %+v, x/crypto/ocsp %+v", i, got, want)
		}
	}
}
