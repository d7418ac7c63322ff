package ocsp_test

import (
	"crypto"
	"math/big"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/ocsp"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func TestCertID(t *testing.T) {
	w := newWorld()
	// Has the issuer's name, and one with its key, but none with both.
	namesake := pki.NewCA("ca")
	sameKey := pki.NewCA("same key", pki.Key(w.ca.Key))
	negative := new(big.Int).Neg(w.client.SerialNumber)
	for _, c := range []struct {
		name   string
		change func(*pki.OCSPSingle)
		want   string
	}{
		{"SHA-1", func(s *pki.OCSPSingle) {}, "good"},
		{"SHA-256", func(s *pki.OCSPSingle) { s.Hash = crypto.SHA256 }, "good"},
		{"SHA-384", func(s *pki.OCSPSingle) { s.Hash = crypto.SHA384 }, "good"},
		{"SHA-512", func(s *pki.OCSPSingle) { s.Hash = crypto.SHA512 }, "good"},
		{"MD5", func(s *pki.OCSPSingle) { s.Hash = crypto.MD5 }, "other_certificate"},
		{"name of another", func(s *pki.OCSPSingle) { s.NameOf = w.otherCA }, "other_certificate"},
		{"key of another", func(s *pki.OCSPSingle) { s.KeyOf = w.otherCA }, "other_certificate"},
		{"another CA of that name", func(s *pki.OCSPSingle) { s.NameOf, s.KeyOf = namesake, namesake }, "other_certificate"},
		{"another name of that key", func(s *pki.OCSPSingle) { s.NameOf, s.KeyOf = sameKey, sameKey }, "other_certificate"},
		{"another certificate of that name and key", func(s *pki.OCSPSingle) {
			renewed := pki.NewCA("ca", pki.Key(w.ca.Key))
			s.NameOf, s.KeyOf = renewed, renewed
		}, "good"},
		{"another serial number", func(s *pki.OCSPSingle) { s.Serial = w.another.SerialNumber }, "other_certificate"},
		{"negative serial number", func(s *pki.OCSPSingle) { s.Serial = negative }, "other_certificate"},
		{"name of another, SHA-256", func(s *pki.OCSPSingle) { s.Hash, s.NameOf = crypto.SHA256, w.otherCA }, "other_certificate"},
	} {
		r := w.response(pki.OCSPGood)
		c.change(&r.Singles[0])
		answer, err := w.judge(t, r)
		if got := verdict(answer, err); got != c.want {
			t.Errorf("%s: got %s (%v), want %s", c.name, got, err, c.want)
		}
	}
}

// TestCertIDParameters: what is not NULL makes it another algorithm.
func TestCertIDParameters(t *testing.T) {
	w := newWorld()
	null := &node{tag: 5}
	for _, c := range []struct {
		name       string
		parameters []*node
		want       string
	}{
		{"NULL", []*node{null}, "good"},
		{"none", nil, "good"},
		{"twice NULL", []*node{null, null}, "other_certificate"},
		{"NULL with content", []*node{{tag: 5, content: []byte{0}}}, "other_certificate"},
		{"a number", []*node{{tag: 2, content: []byte{1}}}, "other_certificate"},
	} {
		r := w.response(pki.OCSPGood)
		r.Edit = edit(func(data *node) {
			algorithm := data.children[2].children[0].children[0].children[0]
			algorithm.children = append(algorithm.children[:1:1], c.parameters...)
		})
		answer, err := w.judge(t, r)
		if got := verdict(answer, err); got != c.want {
			t.Errorf("%s: got %s (%v), want %s", c.name, got, err, c.want)
		}
	}
}

func TestStatus(t *testing.T) {
	w := newWorld()
	revokedAt := now.Add(-72 * time.Hour)
	for _, c := range []struct {
		name   string
		status pki.CertStatus
		reason int
		want   ocsp.Answer
		final  bool
	}{
		{"good", pki.OCSPGood, 0, ocsp.Answer{Status: ocsp.Good, Reason: ocsp.NoReason}, false},
		{"unknown", pki.OCSPUnknown, 0, ocsp.Answer{Status: ocsp.Unknown, Reason: ocsp.NoReason}, false},
		{"revoked", pki.OCSPRevoked, 0, ocsp.Answer{Status: ocsp.Revoked, Reason: ocsp.NoReason}, true},
		{"keyCompromise", pki.OCSPRevoked, 1, ocsp.Answer{Status: ocsp.Revoked, Reason: 1}, true},
		{"certificateHold", pki.OCSPRevoked, 6, ocsp.Answer{Status: ocsp.Revoked, Reason: ocsp.CertificateHold}, false},
		{"a reason that does not exist", pki.OCSPRevoked, 7, ocsp.Answer{Status: ocsp.Revoked, Reason: 7}, true},
	} {
		r := w.response(c.status)
		r.Singles[0].Reason, r.Singles[0].RevokedAt, r.Singles[0].ThisUpdate = c.reason, revokedAt, now
		got, err := w.judge(t, r)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got.Status != c.want.Status || got.Reason != c.want.Reason || got.Final() != c.final {
			t.Errorf("%s: got %v for %d, final %v, want %v for %d, %v", c.name, got.Status, got.Reason, got.Final(), c.want.Status, c.want.Reason, c.final)
		}
	}
}

// TestZeroValues: nothing that was forgotten is good.
func TestZeroValues(t *testing.T) {
	if got := (ocsp.Answer{}).Status; got != ocsp.Unknown {
		t.Errorf("zero status is %v", got)
	}
}
