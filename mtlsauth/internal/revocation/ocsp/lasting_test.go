package ocsp_test

import (
	"crypto"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/ocsp"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// lasting judges a response long after its time.
func (w world) lasting(t *testing.T, r pki.OCSPResponse) (ocsp.Answer, error) {
	t.Helper()
	return judgeLasting(t, r.DER(), w.ca.Read(), w.client.SerialNumber, w.responderOptions)
}

func TestLasting(t *testing.T) {
	w := newWorld()
	monthAgo := now.AddDate(0, -1, 0)
	// Their certificates ended with that month, or began or ended within the
	// two days between thisUpdate and producedAt.
	then := w.ca.OCSPSigner("then", pki.Valid(monthAgo.Add(-time.Hour), monthAgo.Add(72*time.Hour)))
	newThen := w.ca.OCSPSigner("new then", pki.Valid(monthAgo.Add(24*time.Hour), monthAgo.Add(72*time.Hour)))
	overThen := w.ca.OCSPSigner("over then", pki.Valid(monthAgo.Add(-time.Hour), monthAgo.Add(24*time.Hour)))
	signedBy := func(signer *pki.Certificate) func(*pki.OCSPResponse) {
		return func(r *pki.OCSPResponse) { r.Signer = signer }
	}
	for _, c := range []struct {
		name   string
		change func(*pki.OCSPResponse)
		want   string
	}{
		{"direct", func(*pki.OCSPResponse) {}, "revoked"},
		{"without nextUpdate", func(r *pki.OCSPResponse) { r.Singles[0].NoNextUpdate = true }, "revoked"},
		{"keyCompromise", func(r *pki.OCSPResponse) { r.Singles[0].Reason = 1 }, "revoked"},
		{"its time is not over", func(r *pki.OCSPResponse) { r.Singles[0].NextUpdate = now.Add(time.Hour) }, "revoked"},
		{"certificateHold, its time is not over", func(r *pki.OCSPResponse) {
			r.Singles[0].Reason, r.Singles[0].NextUpdate = 6, now.Add(time.Hour)
		}, "revoked"},
		{"certificateHold", func(r *pki.OCSPResponse) { r.Singles[0].Reason = 6 }, "stale"},
		{"good", func(r *pki.OCSPResponse) { r.Singles[0].Status = pki.OCSPGood }, "stale"},
		{"good, its time is not over", func(r *pki.OCSPResponse) {
			r.Singles[0].Status, r.Singles[0].NextUpdate = pki.OCSPGood, now.Add(time.Hour)
		}, "stale"},
		{"unknown", func(r *pki.OCSPResponse) { r.Singles[0].Status = pki.OCSPUnknown }, "stale"},
		{"signer valid then", signedBy(then), "revoked"},
		{"signer valid when it signed", signedBy(newThen), "revoked"},
		{"signer not valid any more when it signed", signedBy(overThen), "unauthorized"},
		{"signer valid now alone", signedBy(w.delegate), "unauthorized"},
		{"thisUpdate after producedAt, signer valid then", func(r *pki.OCSPResponse) {
			r.Signer, r.ProducedAt, r.Singles[0].ThisUpdate = newThen, monthAgo, monthAgo.Add(48*time.Hour)
		}, "revoked"},
		{"signer of another CA", signedBy(w.delegateOfOther), "unauthorized"},
		{"corrupt signature", func(r *pki.OCSPResponse) { r.CorruptSignature = true }, "bad_signature"},
		{"SHA-1 of a delegate", func(r *pki.OCSPResponse) { r.Signer, r.Hash = then, crypto.SHA1 }, "weak_algorithm"},
		{"another certificate", func(r *pki.OCSPResponse) { r.Singles[0].Serial = w.another.SerialNumber }, "other_certificate"},
		{"another issuer", func(r *pki.OCSPResponse) { r.Singles[0].KeyOf = w.otherCA }, "other_certificate"},
		{"thisUpdate in the future", func(r *pki.OCSPResponse) { r.Singles[0].ThisUpdate = now.Add(time.Hour) }, "revoked"},
		{"producedAt in the future", func(r *pki.OCSPResponse) { r.ProducedAt = now.Add(time.Hour) }, "revoked"},
		{"critical extension", func(r *pki.OCSPResponse) {
			r.Extensions = append(r.Extensions, extension(oidStrange, true, 5, 0))
		}, "revoked"},
		{"critical extension of the entry", func(r *pki.OCSPResponse) {
			r.Singles[0].Extensions = append(r.Singles[0].Extensions, extension(oidStrange, true, 5, 0))
		}, "revoked"},
		{"a later good entry that may be of the issuer", func(r *pki.OCSPResponse) {
			later := pki.Single(w.client, pki.OCSPGood)
			later.NameOf = w.otherCA // to the judge, the hash of another spelling
			r.Singles = append(r.Singles, later)
		}, "revoked"},
		{"a later good entry, and a critical extension", func(r *pki.OCSPResponse) {
			r.Singles = append(r.Singles, pki.Single(w.client, pki.OCSPGood))
			r.Extensions = append(r.Extensions, extension(oidStrange, true, 5, 0))
		}, "revoked"},
		{"a later good entry with a critical extension", func(r *pki.OCSPResponse) {
			later := pki.Single(w.client, pki.OCSPGood)
			later.Extensions = append(later.Extensions, extension(oidStrange, true, 5, 0))
			r.Singles = append(r.Singles, later)
		}, "revoked"},
		{"a later good entry", func(r *pki.OCSPResponse) {
			r.Singles = append(r.Singles, pki.Single(w.client, pki.OCSPGood))
		}, "stale"},
		{"nextUpdate before thisUpdate", func(r *pki.OCSPResponse) { r.Singles[0].NextUpdate = monthAgo.Add(-time.Hour) }, "revoked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := w.response(pki.OCSPRevoked)
			r.Singles[0].ThisUpdate, r.ProducedAt = monthAgo, monthAgo.Add(48*time.Hour)
			c.change(&r)
			answer, err := w.lasting(t, r)
			wantVerdict(t, answer, err, c.want)
		})
	}
}

// TestLastingAnswer: what comes out says how old it is.
func TestLastingAnswer(t *testing.T) {
	w := newWorld()
	r := w.response(pki.OCSPRevoked)
	r.Signer = plainDelegate(w.ca, pki.OCSPServer("http://a.example/"), pki.Valid(now.Add(-48*time.Hour), now.Add(-24*time.Hour)))
	s := &r.Singles[0]
	r.ProducedAt, s.ThisUpdate, s.NextUpdate, s.RevokedAt = now.Add(-30*time.Hour), now.Add(-30*time.Hour), now.Add(-20*time.Hour), now.Add(-40*time.Hour)
	got, err := w.lasting(t, r)
	if err != nil {
		t.Fatal(err)
	}
	if !got.ThisUpdate.Equal(s.ThisUpdate) ||
		!got.Until.Equal(now.Add(-24*time.Hour)) || got.Responder == nil {
		t.Errorf("got %+v", got)
	}
}
