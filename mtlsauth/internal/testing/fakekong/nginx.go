package fakekong

import (
	"crypto/x509"
	"encoding/pem"
	"slices"
	"time"
)

func certPEM(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

// verifyText says what OpenSSL's verification of a client certificate comes to
// when it trusts no CA, as seen in Kong: its last complaint, and whether nginx
// lets it pass under optional_no_ca. Only the leaf is judged.
func verifyText(presented []*x509.Certificate, now time.Time) (text string, optional bool) {
	if len(presented) == 0 {
		return "NONE", true
	}
	leaf := presented[0]
	switch {
	case now.Before(leaf.NotBefore):
		return "FAILED:certificate is not yet valid", false
	case now.After(leaf.NotAfter):
		return "FAILED:certificate has expired", false
	case len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) > 0 && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth):
		return "FAILED:unsuitable certificate purpose", false
	case len(leaf.UnhandledCriticalExtensions) > 0:
		return "FAILED:unhandled critical extension", false
	case string(leaf.RawIssuer) == string(leaf.RawSubject) && leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature) == nil:
		return "FAILED:self-signed certificate", true
	}
	for _, c := range presented[1:] {
		if string(c.RawSubject) == string(leaf.RawIssuer) {
			return "FAILED:unable to get local issuer certificate", true
		}
	}
	return "FAILED:unable to verify the first certificate", true
}
