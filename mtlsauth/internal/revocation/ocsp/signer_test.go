package ocsp_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/ocsp"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

var (
	oidNoCheck  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}
	oidKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidStrange  = asn1.ObjectIdentifier{1, 2, 3, 4}
)

func extension(id asn1.ObjectIdentifier, critical bool, value ...byte) pkix.Extension {
	return pkix.Extension{Id: id, Critical: critical, Value: value}
}

// usage sets key usage, 0 leaves the extension out.
func usage(u x509.KeyUsage) pki.Option {
	return pki.With(func(c *x509.Certificate) { c.KeyUsage = u })
}

// plainDelegate has no id-pkix-ocsp-nocheck.
func plainDelegate(ca *pki.Certificate, options ...pki.Option) *pki.Certificate {
	return ca.Client("plain delegate", append([]pki.Option{pki.ExtKeyUsage(x509.ExtKeyUsageOCSPSigning)}, options...)...)
}

func TestDelegates(t *testing.T) {
	w := newWorld()
	intermediate := w.ca.Intermediate("intermediate")
	curve := func(c elliptic.Curve) pki.Option {
		key, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return pki.Key(key)
	}
	// A certificate from a CA of the issuer's name is not from the issuer.
	namesake := pki.NewCA("ca")
	sameKey := pki.NewCA("same key", pki.Key(w.ca.Key))
	for _, c := range []struct {
		name     string
		delegate *pki.Certificate
		want     string
	}{
		{"plain", plainDelegate(w.ca), "good"},
		{"nocheck", w.delegate, "good"},
		{"several usages", w.ca.OCSPSigner("d", pki.ExtKeyUsage(x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageOCSPSigning)), "good"},
		{"client", w.ca.Client("d"), "unauthorized"},
		{"any extended key usage", w.ca.OCSPSigner("d", pki.ExtKeyUsage(x509.ExtKeyUsageAny)), "unauthorized"},
		{"no extended key usage", w.ca.OCSPSigner("d", pki.ExtKeyUsage()), "unauthorized"},
		{"its own client", w.client, "unauthorized"},
		{"expired", w.delegateExpired, "unauthorized"},
		{"not yet valid", w.ca.OCSPSigner("d", pki.NotYetValid()), "unauthorized"},
		{"valid to the second", w.ca.OCSPSigner("d", pki.Valid(now, now)), "good"},
		{"over a second ago", w.ca.OCSPSigner("d", pki.Valid(now.Add(-time.Hour), now.Add(-time.Second))), "unauthorized"},
		{"valid in a second", w.ca.OCSPSigner("d", pki.Valid(now.Add(time.Second), now.Add(time.Hour))), "unauthorized"},
		{"of another CA", w.delegateOfOther, "unauthorized"},
		{"of another CA of that name", namesake.OCSPSigner("d"), "unauthorized"},
		{"of another name of the issuer's key", sameKey.OCSPSigner("d"), "unauthorized"},
		{"of an intermediate below the issuer", intermediate.OCSPSigner("d"), "unauthorized"},
		{"no key usage extension", w.ca.OCSPSigner("d", usage(0)), "good"},
		{"contentCommitment", w.ca.OCSPSigner("d", usage(x509.KeyUsageContentCommitment)), "good"},
		{"keyEncipherment alone", w.ca.OCSPSigner("d", usage(x509.KeyUsageKeyEncipherment)), "unauthorized"},
		{"key usage without a bit", w.ca.OCSPSigner("d", usage(0), pki.Extension(extension(oidKeyUsage, true, 3, 1, 0))), "unauthorized"},
		{"unknown critical extension", w.ca.OCSPSigner("d", pki.Extension(extension(oidStrange, true, 5, 0))), "unauthorized"},
		{"unknown extension", w.ca.OCSPSigner("d", pki.Extension(extension(oidStrange, false, 5, 0))), "good"},
		{"critical nocheck", plainDelegate(w.ca, pki.Extension(extension(oidNoCheck, true, 5, 0))), "good"},
		{"RSA of 2048 bits", w.ca.OCSPSigner("d", pki.RSA(2048)), "good"},
		{"RSA of 1024 bits", w.ca.OCSPSigner("d", pki.RSA(1024)), "weak_algorithm"},
		{"P-384", w.ca.OCSPSigner("d", curve(elliptic.P384())), "good"},
		{"P-224", w.ca.OCSPSigner("d", curve(elliptic.P224())), "weak_algorithm"},
		{"below a CA certificate", w.ca.Intermediate("d", pki.ExtKeyUsage(x509.ExtKeyUsageOCSPSigning), usage(x509.KeyUsageDigitalSignature|x509.KeyUsageCertSign)), "good"},
	} {
		for _, byName := range []bool{false, true} {
			r := w.delegated(c.delegate)
			r.ByName = byName
			answer, err := w.judge(t, r)
			if got := verdict(answer, err); got != c.want {
				t.Errorf("%s, by name %v: got %s (%v), want %s", c.name, byName, got, err, c.want)
			}
		}
	}
}

// TestOwnResponders: a responder that the operator trusts signs about certificates
// of any issuer, as long as its certificate lasts and has id-kp-OCSPSigning.
func TestOwnResponders(t *testing.T) {
	w := newWorld()
	own := pki.NewCA("own", pki.ExtKeyUsage(x509.ExtKeyUsageOCSPSigning), usage(x509.KeyUsageDigitalSignature|x509.KeyUsageCertSign))
	for _, test := range []struct {
		name   string
		own    []*pki.Certificate
		signer *pki.Certificate
		want   string
	}{
		{"trusted", []*pki.Certificate{w.otherCA, own}, own, "good"},
		{"not trusted", nil, own, "unauthorized"},
		{"trusted without the usage", []*pki.Certificate{w.otherCA}, w.otherCA, "unauthorized"},
		{"issued by one that is trusted", []*pki.Certificate{own}, own.OCSPSigner("delegate"), "unauthorized"},
		{"expired", []*pki.Certificate{w.delegateExpired}, w.delegateExpired, "unauthorized"},
		{"of another key", []*pki.Certificate{own}, pki.NewCA("own", pki.ExtKeyUsage(x509.ExtKeyUsageOCSPSigning)), "unauthorized"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, byName := range []bool{false, true} {
				r := w.delegated(test.signer)
				r.ByName = byName
				o := w.responderOptions
				for _, c := range test.own {
					o.Responders = append(o.Responders, c.Read())
				}
				answer, err := judge(t, r.DER(), w.ca.Read(), w.client.SerialNumber, o)
				wantVerdict(t, answer, err, test.want)
			}
		})
	}
}

// TestSpellings: the issuer's name in another spelling, in the certificate that is
// asked about and in responderID.
func TestSpellings(t *testing.T) {
	w := newWorld()
	spelled := *w.ca.Certificate
	spelled.RawSubject = bytes.Replace(bytes.Clone(w.ca.RawSubject), []byte("\x13\x02"), []byte("\x0c\x02"), 1)
	as := &pki.Certificate{Certificate: &spelled, Key: w.ca.Key}
	for _, test := range []struct {
		name      string
		rawIssuer []byte
		status    pki.CertStatus
		change    func(*pki.OCSPResponse)
		want      string
	}{
		{"as the certificate spells it", spelled.RawSubject, pki.OCSPGood, func(r *pki.OCSPResponse) { r.Singles[0].NameOf = as }, "good"},
		{"as its issuer's certificate does", spelled.RawSubject, pki.OCSPGood, func(*pki.OCSPResponse) {}, "good"},
		{"in a spelling of its own, good", nil, pki.OCSPGood, func(r *pki.OCSPResponse) { r.Singles[0].NameOf = as }, "other_certificate"},
		{"in a spelling of its own, revoked", nil, pki.OCSPRevoked, func(r *pki.OCSPResponse) { r.Singles[0].NameOf = as }, "revoked"},
		{"responderID", nil, pki.OCSPGood, func(r *pki.OCSPResponse) { r.ResponderID, r.ByName = as, true }, "good"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := w.response(test.status)
			test.change(&r)
			o := w.responderOptions
			o.RawIssuer = test.rawIssuer
			answer, err := judge(t, r.DER(), w.ca.Read(), w.client.SerialNumber, o)
			wantVerdict(t, answer, err, test.want)
		})
	}
	if got := ocsp.Request(w.ca.Read(), w.client.SerialNumber, spelled.RawSubject); bytes.Equal(got, ocsp.Request(w.ca.Read(), w.client.SerialNumber, nil)) {
		t.Error("a request has the name of the issuer's certificate, not that of the certificate")
	}
}

// TestSelfVouching: even a client that may sign responses does not say what its
// own certificate is worth.
func TestSelfVouching(t *testing.T) {
	w := newWorld()
	w.client = w.ca.OCSPSigner("client", pki.ExtKeyUsage(x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageOCSPSigning))
	answer, err := w.judge(t, w.delegated(w.client))
	wantVerdict(t, answer, err, "unauthorized")

	// Of others it may.
	signer := w.client
	w.client = w.another
	answer, err = w.judge(t, w.delegated(signer))
	wantVerdict(t, answer, err, "good")
}

func TestEmbeddedCertificates(t *testing.T) {
	w := newWorld()
	raws := func(certs ...*pki.Certificate) [][]byte {
		out := [][]byte{}
		for _, c := range certs {
			out = append(out, c.Raw)
		}
		return out
	}
	var eight []*pki.Certificate
	var namesakes []*pki.Certificate
	for range 8 {
		eight = append(eight, w.another)
		namesakes = append(namesakes, w.ca.Client("delegate"))
	}
	// A responder that got a new certificate has both, by one name.
	renewed := w.ca.OCSPSigner("delegate")
	for _, c := range []struct {
		name         string
		signer       *pki.Certificate
		certificates [][]byte
		byName       bool
		want         string
	}{
		{"direct, issuer embedded", w.ca, raws(w.ca), false, "good"},
		{"direct, others embedded", w.ca, raws(w.another, w.otherCA), false, "good"},
		{"direct, unreadable one embedded", w.ca, [][]byte{{0x30, 0}}, false, "good"},
		{"delegate after others", w.delegate, raws(w.otherCA, w.another, w.ca, w.delegate), false, "good"},
		{"delegate after an unreadable one", w.delegate, [][]byte{{0x30, 0}, w.delegate.Raw}, false, "good"},
		{"delegate in the ninth place", w.delegate, raws(append(eight, w.delegate)...), false, "good"},
		{"delegate behind seven of its name", w.delegate, raws(append(namesakes[:7:7], w.delegate)...), true, "good"},
		{"delegate behind eight of its name", w.delegate, raws(append(namesakes, w.delegate)...), true, "unauthorized"},
		{"delegate not embedded", w.delegate, raws(), false, "unauthorized"},
		{"only the issuer embedded", w.delegate, raws(w.ca), false, "unauthorized"},
		{"two of one name", renewed, raws(w.delegate, renewed), true, "good"},
		{"the wrong one of one name", renewed, raws(w.delegate), true, "bad_signature"},
		{"two of one name, neither signed: the first is named", renewed, raws(w.ca.OCSPSigner("delegate", pki.Expired()), w.delegate), true, "unauthorized"},
		{"expired one of one name first", w.delegate, raws(w.ca.OCSPSigner("delegate", pki.Expired()), w.delegate), true, "good"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := w.response(pki.OCSPGood)
			r.Signer, r.Certificates, r.ByName = c.signer, c.certificates, c.byName
			answer, err := w.judge(t, r)
			wantVerdict(t, answer, err, c.want)
		})
	}
}

// TestDelegateOfTheIssuersName: a name that fits both issuer and delegate is
// the signer's.
func TestDelegateOfTheIssuersName(t *testing.T) {
	w := newWorld()
	r := w.delegated(w.ca.OCSPSigner("ca"))
	r.ByName = true
	answer, err := w.judge(t, r)
	wantVerdict(t, answer, err, "good")

	r.CorruptSignature = true
	answer, err = w.judge(t, r)
	wantVerdict(t, answer, err, "bad_signature")
}

func TestResponderID(t *testing.T) {
	w := newWorld()
	for _, signer := range []*pki.Certificate{w.ca, w.delegate} {
		for _, claimed := range []*pki.Certificate{w.ca, w.delegate, w.otherCA, w.client} {
			for _, byName := range []bool{false, true} {
				r := w.response(pki.OCSPGood)
				r.Signer, r.ResponderID, r.ByName = signer, claimed, byName
				r.Certificates = [][]byte{w.delegate.Raw, w.ca.Raw, w.otherCA.Raw, w.client.Raw}
				answer, err := w.judge(t, r)
				if (err == nil) != (signer == claimed) {
					t.Errorf("%s signs as %s, by name %v: got %s (%v)", signer.Subject.CommonName, claimed.Subject.CommonName, byName, verdict(answer, err), err)
				}
			}
		}
	}
}

// TestResponderStatus: a delegate is to be asked about where its certificate
// says so.
func TestResponderStatus(t *testing.T) {
	w := newWorld()
	server, point := pki.OCSPServer("http://a.example/"), pki.CRLDistributionPoint("http://a.example/crl")
	for _, c := range []struct {
		name     string
		delegate *pki.Certificate
		asked    bool
	}{
		{"neither nocheck nor address", plainDelegate(w.ca), false},
		{"OCSP address", plainDelegate(w.ca, server), true},
		{"CRL address", plainDelegate(w.ca, point), true},
		{"nocheck", w.delegate, false},
		{"nocheck and addresses", w.ca.OCSPSigner("d", server, point), false},
	} {
		answer, err := w.judge(t, w.delegated(c.delegate))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := answer.Responder != nil; got != c.asked {
			t.Errorf("%s: to be asked about is %v, want %v", c.name, got, c.asked)
		}
		if c.asked && !answer.Responder.Equal(c.delegate.Read()) {
			t.Errorf("%s: Responder is %v", c.name, certificate.DistinguishedName(answer.Responder.RawSubject))
		}
	}
	if answer, err := w.judge(t, w.response(pki.OCSPGood)); err != nil || answer.Responder != nil {
		t.Errorf("the issuer itself: %+v, %v", answer, err)
	}
}
