package certificate

import (
	"crypto/x509"
	"encoding/hex"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// OID is an object identifier as the content of its encoding (X.690, section
// 8.19), whatever the size of its arcs.
type OID string

// maxOID bounds the encoding of an OID that is written out. Those in use have
// some 30 bytes, and writing an arc as a decimal number takes time by the square
// of its size.
const maxOID = 64

// String returns the dotted form; for one that is too long or broken the hex of
// its encoding, after "#".
func (o OID) String() string {
	if dotted, ok := o.dotted(); ok {
		return dotted
	}
	return "#" + hex.EncodeToString([]byte(o[:min(len(o), maxOID)]))
}

func (o OID) dotted() (string, bool) {
	var id x509.OID
	if len(o) > maxOID || id.UnmarshalBinary([]byte(o)) != nil {
		return "", false
	}
	return id.String(), true
}

// ParseOID reads the dotted form of an OID, as String writes it. It reports false for anything
// else, and for one that is too long to be written.
func ParseOID(dotted string) (OID, bool) {
	const longest = 4 * maxOID // three digits for seven bits, at most, and the dots
	if len(dotted) > longest {
		return "", false
	}
	id, err := x509.ParseOID(dotted)
	if err != nil {
		return "", false
	}
	content, err := id.MarshalBinary()
	if err != nil || OID(content).String() != dotted {
		return "", false
	}
	return OID(content), true
}

// validOID reports a well-formed encoding: arcs in their shortest form, the last
// of them whole.
func validOID(content []byte) bool {
	start := true
	for _, b := range content {
		if start && b == 0x80 {
			return false
		}
		start = b < 0x80
	}
	return len(content) > 0 && start
}

// Extensions, and purposes of extended key usage.
const (
	idCE = "\x55\x1d"                     // 2.5.29
	idPE = "\x2b\x06\x01\x05\x05\x07\x01" // 1.3.6.1.5.5.7.1
	idKP = "\x2b\x06\x01\x05\x05\x07\x03" // 1.3.6.1.5.5.7.3
	idAD = "\x2b\x06\x01\x05\x05\x07\x30" // 1.3.6.1.5.5.7.48

	OIDSubjectKeyID          OID = idCE + "\x0e"
	OIDKeyUsage              OID = idCE + "\x0f"
	OIDSubjectAltName        OID = idCE + "\x11"
	OIDBasicConstraints      OID = idCE + "\x13"
	OIDNameConstraints       OID = idCE + "\x1e"
	OIDCRLDistributionPoints OID = idCE + "\x1f"
	OIDCertificatePolicies   OID = idCE + "\x20"
	OIDPolicyMappings        OID = idCE + "\x21"
	OIDAuthorityKeyID        OID = idCE + "\x23"
	OIDPolicyConstraints     OID = idCE + "\x24"
	OIDExtKeyUsage           OID = idCE + "\x25"
	OIDFreshestCRL           OID = idCE + "\x2e"
	OIDInhibitAnyPolicy      OID = idCE + "\x36"
	OIDAuthorityInfoAccess   OID = idPE + "\x01"
	OIDOCSPNoCheck           OID = idAD + "\x01\x05"
	OIDNetscapeCertType      OID = "\x60\x86\x48\x01\x86\xf8\x42\x01\x01"

	ExtKeyUsageAny         OID = idCE + "\x25\x00"
	ExtKeyUsageServerAuth  OID = idKP + "\x01"
	ExtKeyUsageClientAuth  OID = idKP + "\x02"
	ExtKeyUsageOCSPSigning OID = idKP + "\x09"

	// AnyPolicy is the policy that stands for all (RFC 5280, section 4.2.1.4).
	AnyPolicy OID = idCE + "\x20\x00"
)

// common are the OIDs that most certificates have, so that reading them
// allocates nothing.
var common = func() map[string]OID {
	all := map[string]OID{}
	for _, id := range []OID{
		OIDSubjectKeyID, OIDKeyUsage, OIDSubjectAltName, OIDBasicConstraints, OIDNameConstraints, OIDCRLDistributionPoints,
		OIDCertificatePolicies, OIDAuthorityKeyID, OIDExtKeyUsage, OIDAuthorityInfoAccess,
		ExtKeyUsageServerAuth, ExtKeyUsageClientAuth, TypeEmailAddress,
	} {
		all[string(id)] = id
	}
	for id := range shortNames {
		all[string(id)] = id
	}
	return all
}()

func readOID(s *cryptobyte.String) (OID, bool) {
	var content cryptobyte.String
	if !s.ReadASN1(&content, asn1.OBJECT_IDENTIFIER) {
		return "", false
	}
	if id, ok := common[string(content)]; ok {
		return id, true
	}
	return OID(content), validOID(content)
}
