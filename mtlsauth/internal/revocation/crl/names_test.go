package crl_test

import (
	"bytes"
	"testing"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/crl"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// spelled is a certificate whose subject is spelled in another way.
func spelled(cert *pki.Certificate, old, new string) *pki.Certificate {
	as := *cert.Certificate
	as.RawSubject = bytes.Replace(bytes.Clone(as.RawSubject), []byte(old), []byte(new), 1)
	return &pki.Certificate{Certificate: &as, Key: cert.Key}
}

// TestSpellings has the names in lists compared by RFC 5280, section 7.1. Where
// two may be equal and are not for certain, the list revokes and does not clear.
func TestSpellings(t *testing.T) {
	ca, lister := pki.NewCA("Issuing CA"), pki.NewCA("CRL issuer")
	const at = "http://crl/1.crl"
	direct := ca.Client("client")
	indirect := ca.Client("client", pki.DistributionPoints(pki.DistributionPoint{URIs: []string{at}, CRLIssuer: []*pki.Certificate{lister}}))
	for _, spelling := range []struct {
		name, old, new string
		ca, lister     string // what lists say that do not have the certificate
		revoked        string // and where they have
	}{
		{"the same bytes", "", "", "good", "good", "revoked"},
		{"UTF8String", "\x13\x0a", "\x0c\x0a", "good", "good", "revoked"},
		{"other capitals", "CA", "ca", "good", "wrong_issuer", "revoked"},
		{"ASCII in a T61String", "\x13\x0a", "\x14\x0a", "good", "good", "revoked"},
		{"a value that is not text", "\x13\x0a", "\x03\x0a", "wrong_scope", "wrong_scope", "revoked, wrong_scope"},
	} {
		for _, test := range []struct {
			name          string
			cert          *pki.Certificate
			list          pki.CRL
			issuer        *pki.Certificate // of an entry
			good, revoked string
		}{
			{"the list's issuer", direct, pki.CRL{Issuer: spelled(ca, spelling.old, spelling.new), Signer: ca}, nil, spelling.ca, spelling.revoked},
			{"the issuer of an entry", indirect, pki.CRL{Issuer: lister, IDP: &pki.IDP{Indirect: true, URIs: []string{at}}}, spelled(ca, spelling.old, spelling.new), "good", "revoked"},
			{"the CRL issuer", indirect, pki.CRL{Issuer: spelled(lister, spelling.old, spelling.new), Signer: lister, IDP: &pki.IDP{Indirect: true, URIs: []string{at}}}, ca, spelling.lister, spelling.revoked},
		} {
			if spelling.name == "other capitals" && test.name == "the CRL issuer" {
				continue // it has none of these letters
			}
			t.Run(spelling.name+", "+test.name, func(t *testing.T) {
				all := func([]byte, func(*certificate.Certificate) bool) []*certificate.Certificate {
					return []*certificate.Certificate{lister.Read()}
				}
				for _, listed := range []bool{false, true} {
					list, want := test.list, test.good
					if listed {
						list.Entries, want = []pki.CRLEntry{{Serial: test.cert.SerialNumber, Reason: 1, Issuer: test.issuer}}, test.revoked
					}
					out, err := target(t, test.cert, ca).Judge(read(t, list.DER()), crl.JudgeOptions{Now: now(), Signers: all})
					if got := verdict(out, err); got != want {
						t.Errorf("listed is %v: got %s (%v), want %s", listed, got, err, want)
					}
				}
			})
		}
	}
}
