package crl

import (
	"bytes"
	"math/big"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/revocation/der"
)

// Object identifiers of extensions, by their content: id-ce is 2.5.29.
const (
	oidIssuerAltName     = "\x55\x1d\x12"
	oidCRLNumber         = "\x55\x1d\x14"
	oidReasonCode        = "\x55\x1d\x15"
	oidInvalidityDate    = "\x55\x1d\x18"
	oidDeltaCRLIndicator = "\x55\x1d\x1b"
	oidIDP               = "\x55\x1d\x1c"
	oidCertificateIssuer = "\x55\x1d\x1d"
	oidAuthorityKeyID    = "\x55\x1d\x23"
)

// maxExtensions bounds the extensions of a list or entry, each of which is
// compared with those before it. The RFC knows seven.
const maxExtensions = 32

// readExtensions reads the crlExtensions, the content of their [0], into l. An
// error is a limit; whatever else is wrong is a flaw.
func (l *List) readExtensions(explicit cryptobyte.String) *Error {
	malformed := refuse(Malformed, "parsing CRL: malformed extensions")
	var content cryptobyte.String
	if !explicit.ReadASN1(&content, asn1.SEQUENCE) || !explicit.Empty() {
		l.flawed(malformed)
		return nil
	}
	var seen [][]byte
	for !content.Empty() {
		e, ok := der.ReadExtension(&content)
		if !ok {
			l.flawed(malformed)
			return nil
		}
		// RFC 5280, section 4.2: no more than one instance of an extension. With
		// two, the first counts.
		if slices.ContainsFunc(seen, func(oid []byte) bool { return bytes.Equal(oid, e.OID) }) {
			l.flawed(refuse(Malformed, "parsing CRL: an extension is there twice"))
			continue
		}
		if seen = append(seen, e.OID); len(seen) > maxExtensions {
			return refusef(TooLarge, "parsing CRL: more than %d extensions", maxExtensions)
		}
		if err := l.readListExtension(e); err != nil {
			if err.Kind == TooLarge {
				return err
			}
			l.flawed(err)
		}
	}
	return nil
}

func (l *List) readListExtension(e der.Extension) *Error {
	var err *Error
	switch string(e.OID) {
	case oidAuthorityKeyID:
		var ok bool
		// Section 4.2.1.1: not critical.
		if l.AuthorityKeyID, ok = readAuthorityKeyID(e.Value); !ok || e.Critical {
			err = refuse(Malformed, "parsing CRL: malformed authority key identifier")
		}
	case oidCRLNumber:
		l.Number, err = readNumber(e.Value)
	case oidDeltaCRLIndicator:
		if l.BaseNumber, err = readNumber(e.Value); err != nil {
			l.BaseNumber = new(big.Int) // it is not complete, whatever it builds on
		}
	case oidIDP:
		l.IssuingDistributionPoint, err = readIDP(e.Value, l.RawIssuer)
	case oidIssuerAltName:
		// Other names of the list's issuer; it is known by the first.
	default:
		if e.Critical {
			// A critical freshest CRL is among these: see the package's comment.
			err = refusef(Critical, "parsing CRL: critical extension % x is not supported", e.OID[:min(len(e.OID), 20)])
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
// serial number of a certificate of the key, is not looked at.
func readAuthorityKeyID(value cryptobyte.String) ([]byte, bool) {
	var content, id cryptobyte.String
	var present bool
	ok := value.ReadASN1(&content, asn1.SEQUENCE) && value.Empty() && content.ReadOptionalASN1(&id, &present, context(0))
	if !present {
		return nil, ok
	}
	return bytes.Clone(id), ok
}
