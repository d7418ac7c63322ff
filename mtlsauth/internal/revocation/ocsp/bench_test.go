package ocsp_test

import (
	"testing"

	xocsp "golang.org/x/crypto/ocsp"

	"mtls-auth/mtlsauth/internal/revocation/ocsp"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// BenchmarkJudge compares judging with x/crypto/ocsp: ParseResponse alone, which
// verifies the signature only of a delegate that it does not check, and
// ParseResponseForCert, which compares the serial number and who issued the
// delegate too.
func BenchmarkJudge(b *testing.B) {
	for _, key := range []struct {
		name   string
		option func() pki.Option
	}{
		{"RSA2048", func() pki.Option { return pki.RSA(2048) }},
		{"P256", func() pki.Option { return usage(1) }},
	} {
		w := world{ca: pki.NewCA("ca", key.option(), usage(0)), responderOptions: ocsp.Options{Now: now}}
		w.client = w.ca.Client("client")
		for name, r := range map[string]pki.OCSPResponse{
			"direct": w.response(pki.OCSPGood), "delegated": w.delegated(w.ca.OCSPSigner("delegate", key.option())),
		} {
			der := r.DER()
			b.Run(key.name+"/"+name+"/ours", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if answer, err := ocsp.Judge(der, w.ca.Read(), w.client.SerialNumber, w.responderOptions); err != nil || answer.Status != ocsp.Good {
						b.Fatal(answer, err)
					}
				}
			})
			b.Run(key.name+"/"+name+"/ParseResponse", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := xocsp.ParseResponse(der, nil); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(key.name+"/"+name+"/ParseResponseForCert", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := xocsp.ParseResponseForCert(der, w.client.Certificate, w.ca.Certificate); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
