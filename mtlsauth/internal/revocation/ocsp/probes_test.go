package ocsp_test

import (
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// TestProbes are 14 answers, each well signed by a key of its own, that a
// client has to tell apart. x/crypto/ocsp.ParseResponseForCert has 5 of them
// right.
func TestProbes(t *testing.T) {
	w := newWorld()
	about := func(change func(*pki.OCSPSingle)) func(*pki.OCSPResponse) {
		return func(r *pki.OCSPResponse) { change(&r.Singles[0]) }
	}
	signedBy := func(signer *pki.Certificate) func(*pki.OCSPResponse) {
		return func(r *pki.OCSPResponse) { r.Signer = signer }
	}
	ofOtherIssuer := func(s *pki.OCSPSingle) { s.NameOf, s.KeyOf = w.otherCA, w.otherCA }
	for _, probe := range []struct {
		name   string
		change func(*pki.OCSPResponse)
		want   string
	}{
		{"good, direct", func(*pki.OCSPResponse) {}, "good"},
		{"good, delegated", signedBy(w.delegate), "good"},
		{"CertID of another issuer, direct", about(ofOtherIssuer), "other_certificate"},
		{"CertID of another issuer, delegated", func(r *pki.OCSPResponse) {
			r.Signer = w.delegate
			ofOtherIssuer(&r.Singles[0])
		}, "other_certificate"},
		{"responderID of another CA", func(r *pki.OCSPResponse) { r.ResponderID = w.otherCA }, "unauthorized"},
		{"another serial number", about(func(s *pki.OCSPSingle) { s.Serial = w.another.SerialNumber }), "other_certificate"},
		{"delegate without id-kp-OCSPSigning", signedBy(w.ca.OCSPSigner("no usage", pki.ExtKeyUsage())), "unauthorized"},
		{"signed by another client", signedBy(w.another), "unauthorized"},
		{"expired delegate", signedBy(w.delegateExpired), "unauthorized"},
		{"delegate of another CA", signedBy(w.delegateOfOther), "unauthorized"},
		{"signed by another CA", signedBy(w.otherCA), "unauthorized"},
		{"stale", about(func(s *pki.OCSPSingle) {
			s.ThisUpdate, s.NextUpdate = now.Add(-2*time.Hour), now.Add(-time.Hour)
		}), "stale"},
		{"thisUpdate in the future", about(func(s *pki.OCSPSingle) { s.ThisUpdate = now.Add(time.Hour) }), "not_yet_valid"},
		{"a year old without nextUpdate", about(func(s *pki.OCSPSingle) {
			s.ThisUpdate, s.NoNextUpdate = now.AddDate(-1, 0, 0), true
		}), "stale"},
	} {
		t.Run(probe.name, func(t *testing.T) {
			r := w.response(pki.OCSPGood)
			probe.change(&r)
			answer, err := w.judge(t, r)
			wantVerdict(t, answer, err, probe.want)
		})
	}
}
