package certpath

import (
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/signature"
)

// checkLeaf judges of a client's certificate what needs no path, and is asked of
// a trust anchor that is its own client as well.
func checkLeaf(leaf *certificate.Certificate, o Options, minRSABits int) *Error {
	if err := o.step(DatesCheck, leaf, checkDates(leaf, o.Now)); err != nil {
		return err
	}
	if err := o.step(ExtensionsCheck, leaf, checkExtensions(leaf)); err != nil {
		return err
	}
	if err := o.step(KeyCheck, leaf, checkKey(leaf, minRSABits, signature.CheckKey)); err != nil {
		return err
	}
	return o.step(UsageCheck, leaf, checkUsage(leaf))
}

// checkClient refuses what is not a client's certificate: that of a CA, whose key
// is for signing certificates and whose holder can make any name below it, and one whose key is not for what a TLS client does with its own: sign
// the handshake or, with static Diffie-Hellman, agree on a key (RFC 5280,
// section 4.2.1.12). It is not asked of a trust anchor, whose configuration has
// named this one key.
func checkClient(leaf *certificate.Certificate) *Error {
	switch {
	case leaf.IsCA:
		return refuse(WrongUsage, leaf, "a CA certificate that is not a configured trust anchor")
	case !mayUse(leaf, certificate.KeyUsageDigitalSignature|certificate.KeyUsageKeyAgreement):
		return refuse(WrongUsage, leaf, "key usage allows neither digital signatures nor key agreement")
	}
	if e := leaf.Extension(certificate.OIDNetscapeCertType); e != nil && !forNetscapeClients(e.Value) {
		return refuse(WrongUsage, leaf, "the Netscape certificate type leaves out clients")
	}
	return checkOddSize(leaf)
}

// forNetscapeClients reports the first bit of Netscape's certificate type, the
// forerunner of extended key usage, which old servers' certificates have.
func forNetscapeClients(der cryptobyte.String) bool {
	var bits asn1.BitString
	return der.ReadASN1BitString(&bits) && bits.At(0) == 1
}

// checkUsage refuses a certificate whose extended key usages (RFC 5280, section
// 4.2.1.12) leave out client authentication. One without the extension may be
// used for anything; one with an empty one, which the ASN.1 does not allow, for
// nothing. anyExtendedKeyUsage counts.
func checkUsage(cert *certificate.Certificate) *Error {
	if !cert.Allows(certificate.ExtKeyUsageClientAuth) {
		return refuse(WrongUsage, cert, "client authentication is not among the extended key usages")
	}
	return nil
}

// checkIssuer refuses what is not a CA's certificate (section 4.2.1.9), may not
// sign certificates (4.2.1.3), or has a critical extension that is not
// understood (4.2).
func checkIssuer(cert *certificate.Certificate) *Error {
	switch {
	case !cert.IsCA:
		return refuse(Constraint, cert, "not a CA certificate")
	case !mayUse(cert, certificate.KeyUsageCertSign):
		return refuse(Constraint, cert, "key usage does not allow signing certificates")
	}
	return checkExtensions(cert)
}

// mayUse reports whether the key may be used in one of these ways (section
// 4.2.1.3): in any without the extension, in none with one that has no bits, or
// only such as are not known.
func mayUse(cert *certificate.Certificate, ways certificate.KeyUsage) bool {
	return !cert.HasKeyUsage || cert.KeyUsage&ways != 0
}

// checkExtensions refuses critical extensions that are not understood or cannot
// be read (section 4.2), and any in a certificate of version 1 or 2, which
// section 4.1.2.9 forbids: what they are to restrict is unclear. Version 1
// without extensions is in use: OpenSSL before 3.2 makes it unless told
// otherwise.
func checkExtensions(cert *certificate.Certificate) *Error {
	if cert.Version < 3 && len(cert.Extensions) > 0 {
		return refuse(Constraint, cert, "extensions in a certificate that is not of version 3")
	}
	return because(Constraint, cert, cert.CheckCritical())
}
