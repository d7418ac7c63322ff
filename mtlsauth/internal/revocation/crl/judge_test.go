package crl_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/crl"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// TestJudge asks for two certificates, of which bad alone is on the list.
func TestJudge(t *testing.T) {
	ca := pki.NewCA("ca")
	namesake := pki.NewCA("ca")
	stranger := pki.NewCA("stranger")
	weak := pki.NewCA("weak", pki.RSA(1024))
	noSign := pki.NewCA("no sign", pki.With(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }))
	anyUse := pki.NewCA("any use", pki.With(func(c *x509.Certificate) { c.KeyUsage = 0 }))
	at := now()
	for _, c := range []struct {
		name      string
		ca        *pki.Certificate
		list      pki.CRL
		good, bad string // what is said of the two
	}{
		{"good list", ca, pki.CRL{}, "good", "revoked"},
		{"no key usage", anyUse, pki.CRL{}, "good", "revoked"},
		{"no key identifier", ca, pki.CRL{NoKeyID: true}, "good", "revoked"},
		{"key usage without cRLSign", noSign, pki.CRL{}, "unauthorized", "unauthorized"},
		{"signed by another", ca, pki.CRL{Signer: stranger, NoKeyID: true}, "bad_signature", "bad_signature"},
		{"signed by a namesake", ca, pki.CRL{Signer: namesake, NoKeyID: true}, "bad_signature", "bad_signature"},
		{"names another key", ca, pki.CRL{KeyID: []byte("another")}, "good", "revoked"},
		{"of another name", ca, pki.CRL{Issuer: stranger}, "wrong_issuer", "wrong_issuer"},
		{"of another name, with the right key", ca, pki.CRL{Issuer: stranger, Signer: ca}, "wrong_issuer", "wrong_issuer"},
		{"signature of one bit more", ca, pki.CRL{CorruptSignature: true}, "bad_signature", "bad_signature"},
		{"weak key", weak, pki.CRL{}, "weak_algorithm", "weak_algorithm"},
		{"SHA-1", ca, pki.CRL{Hash: crypto.SHA1}, "weak_algorithm", "weak_algorithm"},
		{"no number", ca, pki.CRL{NoNumber: true}, "incomplete", "revoked, incomplete"},
		{"no nextUpdate", ca, pki.CRL{NoNextUpdate: true}, "incomplete", "revoked, incomplete"},
		{"no nextUpdate and signed by another", ca, pki.CRL{NoNextUpdate: true, Signer: stranger}, "bad_signature", "bad_signature"},
		{"stale", ca, pki.CRL{NextUpdate: at.Add(-time.Second)}, "stale", "revoked, stale"},
		{"stale and signed by another", ca, pki.CRL{NextUpdate: at.Add(-time.Second), Signer: stranger, NoKeyID: true}, "bad_signature", "bad_signature"},
		{"from the future", ca, pki.CRL{ThisUpdate: at.Add(6 * time.Minute)}, "not_yet_valid", "revoked, not_yet_valid"},
		{"from a clock that is ahead", ca, pki.CRL{ThisUpdate: at.Add(4 * time.Minute)}, "good", "revoked"},
		{"a delta CRL alone", ca, pki.CRL{BaseNumber: 1, Number: 2}, "wrong_scope", "revoked, wrong_scope"},
	} {
		good, bad := c.ca.Client("good"), c.ca.Client("bad")
		if c.list.Issuer == nil {
			c.list.Issuer = c.ca
		}
		c.list.Entries = pki.Revoked(bad)
		l := readAny(t, c.list.DER())
		for cert, want := range map[*pki.Certificate]string{good: c.good, bad: c.bad} {
			out, err := target(t, cert, c.ca).Judge(l, crl.JudgeOptions{Now: at})
			if got := verdict(out, err); got != want {
				t.Errorf("%s: %v: got %s (%v), want %s", c.name, cert.Subject, got, err, want)
			}
		}
	}
}

// TestJudgeTimes moves the time of judging around the list's.
func TestJudgeTimes(t *testing.T) {
	ca := pki.NewCA("ca")
	clients := map[string]*pki.Certificate{"other": ca.Client("other"), "held": ca.Client("held"), "revoked": ca.Client("revoked")}
	from, to := now().Add(-time.Hour).Truncate(time.Second), now().Add(time.Hour).Truncate(time.Second)
	l := read(t, pki.CRL{Issuer: ca, ThisUpdate: from, NextUpdate: to, Entries: []pki.CRLEntry{
		{Serial: clients["held"].SerialNumber, Reason: 6}, {Serial: clients["revoked"].SerialNumber, Reason: 4},
	}}.DER())
	for _, c := range []struct {
		name                 string
		at                   time.Time
		other, held, revoked string
	}{
		{"no time", time.Time{}, "not_yet_valid", "hold, not_yet_valid", "revoked, not_yet_valid"},
		{"over five minutes early", from.Add(-5*time.Minute - 1), "not_yet_valid", "hold, not_yet_valid", "revoked, not_yet_valid"},
		{"five minutes early", from.Add(-5 * time.Minute), "good", "hold", "revoked"},
		{"at nextUpdate", to, "good", "hold", "revoked"},
		{"after nextUpdate", to.Add(1), "stale", "stale", "revoked, stale"},
		{"a year later", to.AddDate(1, 0, 0), "stale", "stale", "revoked, stale"},
	} {
		for name, want := range map[string]string{"other": c.other, "held": c.held, "revoked": c.revoked} {
			out, err := target(t, clients[name], ca).Judge(l, crl.JudgeOptions{Now: c.at})
			if got := verdict(out, err); got != want {
				t.Errorf("%s: %s: got %s (%v), want %s", c.name, name, got, err, want)
			}
			thisUpdate := from
			if c.at.Before(from.Add(-5 * time.Minute)) {
				thisUpdate = c.at // or nothing later would take it back
			}
			if err == nil && (!out.ThisUpdate.Equal(thisUpdate) || !out.Until.Equal(to) || out.Signer != nil) {
				t.Errorf("%s: %s: got %v to %v, signed by %v", c.name, name, out.ThisUpdate, out.Until, out.Signer)
			}
			if name == "revoked" && err == nil && out.Reason.String() != "superseded" {
				t.Errorf("%s: got reason %v", c.name, out.Reason)
			}
		}
	}
}

// TestJudgeMinRSABits refuses and accepts by the option.
func TestJudgeMinRSABits(t *testing.T) {
	ca := pki.NewCA("ca", pki.RSA(2048))
	l, of := read(t, pki.CRL{Issuer: ca}.DER()), target(t, ca.Client("c"), ca)
	for bits, want := range map[int]string{0: "good", 2048: "good", 3072: "weak_algorithm"} {
		if got := verdict(of.Judge(l, crl.JudgeOptions{Now: now(), MinRSABits: bits})); got != want {
			t.Errorf("%d bits: got %s, want %s", bits, got, want)
		}
	}
}

// TestRemoveFromCRLInCompleteList: such a list is of no use for the one
// certificate that it says this about.
func TestRemoveFromCRLInCompleteList(t *testing.T) {
	ca := pki.NewCA("ca")
	removed, good := ca.Client("removed"), ca.Client("good")
	list := pki.CRL{Issuer: ca, Entries: []pki.CRLEntry{{Serial: removed.SerialNumber, Reason: 8}}}
	l := read(t, list.DER())
	list.NextUpdate = now().Add(-time.Minute)
	for _, c := range []struct {
		name string
		l    *crl.List
		of   *pki.Certificate
		want string
	}{
		{"removed", l, removed, "malformed"},
		{"another", l, good, "good"},
		{"removed, stale", read(t, list.DER()), removed, "stale"},
	} {
		if got := verdict(target(t, c.of, ca).Judge(c.l, crl.JudgeOptions{Now: now()})); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// TestZeroValues: nothing that was not read or judged is good.
func TestZeroValues(t *testing.T) {
	ca := pki.NewCA("ca")
	if out, err := target(t, ca.Client("c"), ca).Judge(&crl.List{}, crl.JudgeOptions{Now: now()}); err == nil {
		t.Errorf("zero List: got %+v", out)
	}
	if err := new(crl.List).Verify(ca.Read(), 0); err == nil {
		t.Error("zero List verifies")
	}
	if got := verdict(crl.Outcome{}, nil); got == "good" {
		t.Error("zero Outcome is good")
	}
}

// readAny reads SHA-1 as well.
func readAny(t testing.TB, der []byte) *crl.List {
	t.Helper()
	l, err := crl.Read(bytes.NewReader(der), crl.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}
