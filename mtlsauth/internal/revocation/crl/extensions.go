package crl

import (
	"bytes"
	encoding_asn1 "encoding/asn1"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Object identifiers of extensions, by their content: id-ce is 2.5.29.
const (
	oidKeyUsage          = "\x55\x1d\x0f"
	oidIssuerAltName     = "\x55\x1d\x12"
	oidCRLNumber         = "\x55\x1d\x14"
	oidReasonCode        = "\x55\x1d\x15"
	oidInvalidityDate    = "\x55\x1d\x18"
	oidDeltaCRLIndicator = "\x55\x1d\x1b"
	oidIDP               = "\x55\x1d\x1c"
	oidCertificateIssuer = "\x55\x1d\x1d"
	oidDistributionPoint = "\x55\x1d\x1f"
	oidAuthorityKeyID    = "\x55\x1d\x23"
)

// maxExtensions bounds the extensions of a list or entry, each of which is
// compared with those before it. The RFC knows seven.
const maxExtensions = 32

// extension is one Extension (RFC 5280, section 4.1): oid is the content of
// its object identifier.
type extension struct {
	oid      []byte
	critical bool
	value    cryptobyte.String
}

func readExtension(s *cryptobyte.String) (extension, bool) {
	var e extension
	var content, oid, value cryptobyte.String
	if !s.ReadASN1(&content, asn1.SEQUENCE) {
		return extension{}, false
	}
	whole := content
	// critical is DEFAULT FALSE, and a FALSE that is written out is no DER. It
	// is harmless, and crypto/x509 takes it.
	if !content.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) ||
		content.PeekASN1Tag(asn1.BOOLEAN) && !content.ReadASN1Boolean(&e.critical) ||
		!content.ReadASN1(&value, asn1.OCTET_STRING) || !content.Empty() {
		return extension{}, false
	}
	// Those of the RFC have three bytes; of others the form is checked too.
	if len(oid) != 3 || oid[0] != 0x55 || oid[1] >= 0x80 || oid[2] >= 0x80 {
		var id encoding_asn1.ObjectIdentifier
		if !whole.ReadASN1ObjectIdentifier(&id) {
			return extension{}, false
		}
	}
	e.oid, e.value = oid, value
	return e, true
}

// readExtensions reads the crlExtensions, the content of their [0], into l.
func (l *List) readExtensions(explicit cryptobyte.String) *Error {
	malformed := refuse(Malformed, "parsing CRL: malformed extensions")
	var content cryptobyte.String
	if !explicit.ReadASN1(&content, asn1.SEQUENCE) || !explicit.Empty() {
		return malformed
	}
	var seen [][]byte
	for !content.Empty() {
		e, ok := readExtension(&content)
		if !ok {
			return malformed
		}
		// RFC 5280, section 4.2: no more than one instance of an extension.
		for _, oid := range seen {
			if bytes.Equal(oid, e.oid) {
				return refuse(Malformed, "parsing CRL: an extension is there twice")
			}
		}
		if seen = append(seen, e.oid); len(seen) > maxExtensions {
			return refusef(TooLarge, "parsing CRL: more than %d extensions", maxExtensions)
		}
		if err := l.readListExtension(e); err != nil {
			return err
		}
	}
	return nil
}

func (l *List) readListExtension(e extension) *Error {
	var err *Error
	switch string(e.oid) {
	case oidAuthorityKeyID:
		// Section 4.2.1.1: not critical. crypto/x509 refuses it as well.
		if e.critical {
			return refuse(Malformed, "parsing CRL: authority key identifier is critical")
		}
		l.RawAuthorityKeyID = bytes.Clone(e.value)
		l.AuthorityKeyID, err = readAuthorityKeyID(l.RawAuthorityKeyID)
	case oidCRLNumber:
		l.Number, err = readNumber(e.value)
	case oidDeltaCRLIndicator:
		l.BaseNumber, err = readNumber(e.value)
	case oidIDP:
		l.IssuingDistributionPoint, err = readIDP(e.value, l.RawIssuer)
	case oidIssuerAltName:
		// Other names of who issued the list; it is known by the first.
	default:
		if e.critical {
			// Section 5.2: the list must not be used. A critical freshest CRL is
			// among these: see the package's comment.
			err = refusef(Critical, "parsing CRL: critical extension % x is not supported", e.oid[:min(len(e.oid), 20)])
		}
	}
	return err
}

// readNumber reads a CRLNumber, INTEGER (0..MAX). Section 5.2.3 asks verifiers
// for up to 20 octets; longer ones are compared as well.
func readNumber(value cryptobyte.String) (*big.Int, *Error) {
	number := new(big.Int)
	if !value.ReadASN1Integer(number) || !value.Empty() || number.Sign() < 0 {
		return nil, refuse(Malformed, "parsing CRL: malformed CRL number")
	}
	return number, nil
}

// readAuthorityKeyID returns the keyIdentifier of an AuthorityKeyIdentifier
// (section 4.2.1.1), nil where there is none. What follows it, the issuer and
// serial number of a certificate of the key, is not looked at: they are often
// wrong, and to do without the list for that would help nobody.
func readAuthorityKeyID(value []byte) ([]byte, *Error) {
	input := cryptobyte.String(value)
	var content, id cryptobyte.String
	var present bool
	if !input.ReadASN1(&content, asn1.SEQUENCE) || !input.Empty() || !content.ReadOptionalASN1(&id, &present, context(0)) {
		return nil, refuse(Malformed, "parsing CRL: malformed authority key identifier")
	}
	if !present {
		return nil, nil
	}
	return id, nil
}
