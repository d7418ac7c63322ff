package certpath

import (
	"crypto/x509"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// checkLeaf judges what needs no path: dates, version, key and extended key
// usage of the client's certificate.
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
	return checkUsage(leaf)
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

// checkNoCA refuses CA certificates as a client's: their keys are for signing
// certificates, and whoever holds one can make himself any name below it. The
// same goes for one that may sign certificates without being a CA's (section
// 4.2.1.9 forbids that).
func checkNoCA(leaf *x509.Certificate) *Error {
	if leaf.IsCA {
		return refuse(WrongUsage, leaf, "a CA certificate that is no configured trust anchor")
	}
	if leaf.KeyUsage&x509.KeyUsageCertSign != 0 {
		return refuse(WrongUsage, leaf, "key usage allows to sign certificates")
	}
	return nil
}

// checkKeyUsage refuses keys that are not for what a TLS client does with its
// own: sign the handshake or, with static Diffie-Hellman, agree on a key
// (section 4.2.1.12). It is not asked of a trust anchor that is its own client
// certificate: as a CA's it may say keyCertSign and cRLSign alone, and whoever
// configured it has named this one key.
func checkKeyUsage(leaf *x509.Certificate) *Error {
	if hasUsage(leaf, x509.KeyUsageDigitalSignature|x509.KeyUsageKeyAgreement) {
		return nil
	}
	return refuse(WrongUsage, leaf, "key usage allows neither digital signatures nor key agreement")
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
