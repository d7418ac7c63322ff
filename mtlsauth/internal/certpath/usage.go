package certpath

import (
	"crypto/x509"
	"crypto/x509/pkix"
	stdasn1 "encoding/asn1"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certname"
)

var (
	oidNameConstraints = stdasn1.ObjectIdentifier{2, 5, 29, 30}
	oidExtKeyUsage     = stdasn1.ObjectIdentifier{2, 5, 29, 37}
	oidKeyUsage        = stdasn1.ObjectIdentifier{2, 5, 29, 15}
)

func extension(cert *x509.Certificate, id stdasn1.ObjectIdentifier) *pkix.Extension {
	for i := range cert.Extensions {
		if cert.Extensions[i].Id.Equal(id) {
			return &cert.Extensions[i]
		}
	}
	return nil
}

// checkLeaf judges of a client's certificate what needs no path, and is asked of
// a trust anchor that is its own client as well.
func checkLeaf(leaf *x509.Certificate, now time.Time, minRSABits int) *Error {
	if err := checkDates(leaf, now); err != nil {
		return err
	}
	if hasHiddenExtensions(leaf) {
		return refuse(Constraint, leaf, "extensions in a certificate that is not of version 3")
	}
	if err := checkKey(leaf, minRSABits); err != nil {
		return err
	}
	if err := checkUsage(leaf); err != nil {
		return err
	}
	return checkCritical(leaf)
}

// checkClient refuses what is no client's certificate: that of a CA, whose key
// is for signing certificates and whose holder can make himself any name below
// it, and one whose key is not for what a TLS client does with its own: sign
// the handshake or, with static Diffie-Hellman, agree on a key (RFC 5280,
// section 4.2.1.12). It is not asked of a trust anchor, whose configuration has
// named this one key.
func checkClient(leaf *x509.Certificate) *Error {
	if leaf.IsCA {
		return refuse(WrongUsage, leaf, "a CA certificate that is not a configured trust anchor")
	}
	if !hasUsage(leaf, x509.KeyUsageDigitalSignature|x509.KeyUsageKeyAgreement) {
		return refuse(WrongUsage, leaf, "key usage allows neither digital signatures nor key agreement")
	}
	return checkOddSize(leaf)
}

// checkUsage refuses a certificate whose extended key usages (RFC 5280, section
// 4.2.1.12) leave out client authentication. One without the extension may be
// used for anything; one with an empty one, which the ASN.1 does not allow, for
// nothing. anyExtendedKeyUsage counts.
func checkUsage(cert *x509.Certificate) *Error {
	if slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth) || slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny) {
		return nil
	}
	if len(cert.ExtKeyUsage) == 0 && len(cert.UnknownExtKeyUsage) == 0 && extension(cert, oidExtKeyUsage) == nil {
		return nil
	}
	return refuse(WrongUsage, cert, "client authentication is not among the extended key usages")
}

// checkIssuer refuses what is not a CA's certificate (section 4.2.1.9), may not
// sign certificates (4.2.1.3), or has a critical extension that is not
// understood (4.2).
func checkIssuer(cert *x509.Certificate) *Error {
	switch {
	case !cert.BasicConstraintsValid || !cert.IsCA:
		return refuse(Constraint, cert, "not a CA certificate")
	case !hasUsage(cert, x509.KeyUsageCertSign):
		return refuse(Constraint, cert, "key usage does not allow signing certificates")
	}
	return checkCritical(cert)
}

// checkCritical refuses critical extensions that are not understood (section
// 4.2).
func checkCritical(cert *x509.Certificate) *Error {
	for _, id := range cert.UnhandledCriticalExtensions {
		switch {
		case id.Equal(oidNameConstraints):
		case id.Equal(certname.OIDSubjectAltName):
			names, _, err := certname.SubjectAltNames(cert)
			if err != nil {
				return &Error{Kind: Constraint, Certificate: cert, Err: err}
			}
			for _, name := range names {
				if name.Undecodable {
					return refuse(Constraint, cert, "critical subject alternative name that cannot be read")
				}
			}
		default:
			return refuse(Constraint, cert, "critical extension "+id.String()+" is not understood")
		}
	}
	return nil
}

// hasUsage reports whether the key may be used in one of these ways (section
// 4.2.1.3): in any without the extension, in none with one that is empty or
// has only bits that nobody knows.
func hasUsage(cert *x509.Certificate, ways x509.KeyUsage) bool {
	return cert.KeyUsage&ways != 0 || cert.KeyUsage == 0 && extension(cert, oidKeyUsage) == nil
}

// hasHiddenExtensions reports a certificate of version 1 or 2 with extensions,
// which RFC 5280, section 4.1.2.9, forbids and crypto/x509 does not read:
// whatever they restrict would count for nothing. Certificates of version 1
// without any are in use: OpenSSL before 3.2 makes them unless told otherwise.
func hasHiddenExtensions(cert *x509.Certificate) bool {
	if cert.Version == 3 {
		return false
	}
	input := cryptobyte.String(cert.RawTBSCertificate)
	var tbs cryptobyte.String
	if !input.ReadASN1(&tbs, asn1.SEQUENCE) {
		return true
	}
	for !tbs.Empty() {
		var field cryptobyte.String
		var tag asn1.Tag
		if !tbs.ReadAnyASN1Element(&field, &tag) {
			return true
		}
		// The version has tag 0 and comes first; unique identifiers (1, 2)
		// and extensions (3) are what version 1 does not have.
		if tag == asn1.Tag(3).ContextSpecific().Constructed() {
			return true
		}
	}
	return false
}
