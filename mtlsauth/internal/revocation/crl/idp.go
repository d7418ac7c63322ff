package crl

import (
	"bytes"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certificate"
)

// IssuingDistributionPoint says what a list covers (RFC 5280, section 5.2.5).
type IssuingDistributionPoint struct {
	// Raw is the value of the extension.
	Raw []byte
	// OnlyUserCerts, OnlyCACerts and OnlyAttributeCerts restrict the kind of
	// certificate.
	OnlyUserCerts, OnlyCACerts, OnlyAttributeCerts bool
	// Indirect says that entries may be of other issuers' certificates.
	Indirect bool
	// OnlyReasons are the reasons that the list speaks about: AllReasons where
	// it does not restrict them.
	OnlyReasons ReasonMask

	names generalNames // of the distribution point, in full; nil where absent
}

func (p *IssuingDistributionPoint) size() int {
	if p == nil {
		return 0
	}
	return len(p.Raw) + p.names.size()
}

// indirect is Indirect, also where there is no such extension.
func (p *IssuingDistributionPoint) indirect() bool { return p != nil && p.Indirect }

// readIDP reads the value of the extension. It is obeyed where it is not
// marked as critical, as it has to be, as well.
func readIDP(value, rawIssuer []byte) (*IssuingDistributionPoint, *Error) {
	input := cryptobyte.String(value)
	var content cryptobyte.String
	malformed := refuse(Malformed, "parsing CRL: malformed issuing distribution point")
	if !input.ReadASN1(&content, asn1.SEQUENCE) || !input.Empty() {
		return nil, malformed
	}
	p := &IssuingDistributionPoint{Raw: bytes.Clone(value), OnlyReasons: AllReasons}
	var point, reasons cryptobyte.String
	var hasPoint, hasReasons bool
	if !content.ReadOptionalASN1(&point, &hasPoint, constructed(0)) ||
		!readFlag(&content, 1, &p.OnlyUserCerts) ||
		!readFlag(&content, 2, &p.OnlyCACerts) ||
		!content.ReadOptionalASN1(&reasons, &hasReasons, context(3)) ||
		!readFlag(&content, 4, &p.Indirect) ||
		!readFlag(&content, 5, &p.OnlyAttributeCerts) ||
		!content.Empty() {
		return nil, malformed
	}
	if hasReasons {
		flags, ok := certificate.ParseReasonFlags(reasons)
		if !ok {
			return nil, malformed
		}
		p.OnlyReasons = reasonMask(&flags)
	}
	if hasPoint {
		name, ok := certificate.ParseDistributionPointName(point)
		if !ok {
			return nil, malformed
		}
		var err *Error
		if p.names, err = resolve(name, rawIssuer); err != nil {
			return nil, refusef(err.Kind, "parsing CRL: issuing distribution point: %w", err)
		}
	}
	return p, nil
}

// readFlag reads a BOOLEAN DEFAULT FALSE under a tag of its own: in DER it is
// TRUE or absent (X.690, sections 11.1 and 11.5).
func readFlag(s *cryptobyte.String, n uint8, into *bool) bool {
	var content cryptobyte.String
	if !s.ReadOptionalASN1(&content, into, context(n)) {
		return false
	}
	return !*into || len(content) == 1 && content[0] == 0xff
}
