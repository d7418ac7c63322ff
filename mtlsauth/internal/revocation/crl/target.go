package crl

import (
	"bytes"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/address"
)

// maxPoints bounds the distribution points of a certificate, which comes from
// the client. CAs that divide their lists by reason use two or three.
const maxPoints = 16

// Target is a certificate whose status is asked for. It is not changed after
// NewTarget, and safe for use by many goroutines.
type Target struct {
	// Points are where its revocation is told (RFC 5280, section 4.2.1.13), in
	// the order of the certificate; none where it names none.
	Points []Point

	issuer            *certificate.Certificate
	rawIssuer, serial []byte
	isCA              bool
	implied           generalNames // the issuer's own names
}

// Point is one distribution point.
type Point struct {
	// URLs are its http and https addresses in their normal form, in the order of
	// the certificate. A point may have none.
	URLs []string
	// Others is what is wrong with its other addresses; nil for nothing.
	Others map[string]error

	names     generalNames // of the distribution point, in full; nil where absent
	crlIssuer generalNames // nil where the certificate's issuer is meant
	reasons   ReasonMask
}

// NewTarget prepares a certificate for Judge. issuer is the certificate that
// the validated path has for the one that issued it. The error is an *Error:
// distribution points that cannot be read are not none.
func NewTarget(cert, issuer *certificate.Certificate) (*Target, error) {
	t, err := NewTargetWithoutPoints(cert, issuer)
	if err != nil {
		return nil, err
	}
	if e := cert.Extension(certificate.OIDCRLDistributionPoints); e != nil {
		var err *Error
		if t.Points, err = readPoints(e.Value, cert.RawIssuer); err != nil {
			return nil, refusef(err.Kind, "parsing CRL distribution points: %w", err)
		}
	}
	return t, nil
}

// NewTargetWithoutPoints is NewTarget as if the certificate named no distribution
// points. Where they cannot be read, a list still revokes what it lists; that a
// certificate is not on it then means nothing.
func NewTargetWithoutPoints(cert, issuer *certificate.Certificate) (*Target, error) {
	if len(cert.RawIssuer) == 0 || len(cert.Serial) == 0 || certificate.Compare(cert.RawIssuer, issuer.RawSubject) == certificate.Different {
		return nil, refuse(WrongIssuer, "certificate is of another issuer")
	}
	return &Target{issuer: issuer, rawIssuer: cert.RawIssuer, serial: cert.Serial, isCA: cert.IsCA, implied: impliedNames(cert)}, nil
}

// impliedNames are those of the distribution point that every certificate has
// (section 6.3.3): its issuer's. An alternative name that cannot be read is
// left out, so that fewer lists match.
func impliedNames(cert *certificate.Certificate) generalNames {
	names := generalNames{directoryNameOf(cert.RawIssuer)}
	e := cert.Extension(oidIssuerAltName)
	if e == nil {
		return names
	}
	input := cryptobyte.String(e.Value)
	var content cryptobyte.String
	if !input.ReadASN1(&content, asn1.SEQUENCE) || !input.Empty() {
		return names
	}
	if more, err := readGeneralNames(content); err == nil {
		names = append(names, more...)
	}
	return names
}

// readPoints reads the value of the CRL distribution points extension.
func readPoints(value, rawIssuer []byte) ([]Point, *Error) {
	parsed, ok := certificate.ParseDistributionPoints(value)
	switch {
	case !ok:
		return nil, refuse(Malformed, "malformed distribution points")
	case len(parsed) > maxPoints:
		return nil, refusef(TooLarge, "more than %d distribution points", maxPoints)
	}
	points := make([]Point, len(parsed))
	for i, from := range parsed {
		p := Point{reasons: reasonMask(from.Reasons)}
		var err *Error
		if from.CRLIssuer != nil {
			if p.crlIssuer, err = readGeneralNames(from.CRLIssuer); err != nil {
				return nil, err
			}
		}
		if err := p.readName(from.Name, rawIssuer); err != nil {
			return nil, err
		}
		points[i] = p
	}
	return points, nil
}

// readName takes a relative name for one below the CRL issuer's, which is then
// one directoryName, or below the certificate issuer's.
func (p *Point) readName(name certificate.DistributionPointName, base []byte) *Error {
	if name.Relative != nil && p.crlIssuer != nil {
		issuers := p.crlIssuer.directoryNames()
		if len(issuers) != 1 {
			return refuse(Malformed, "relative distribution point name with other than one CRL issuer")
		}
		base = issuers[0]
	}
	var err *Error
	if p.names, err = resolve(name, base); err != nil {
		return err
	}
	for _, uri := range p.names.uris() {
		u, err := address.Parse(uri)
		if err == nil {
			p.URLs = append(p.URLs, u.String())
			continue
		}
		if p.Others == nil {
			p.Others = make(map[string]error)
		}
		p.Others[uri] = err
	}
	return nil
}

// MayIssue reports whether a list of this issuer (a DER Name) may be about the
// certificate: its own issuer, and the CRL issuers that its distribution points
// name.
func (t *Target) MayIssue(rawIssuer []byte) bool {
	for _, name := range t.Issuers() {
		if certificate.Compare(name, rawIssuer) != certificate.Different {
			return true
		}
	}
	return false
}

// Issuers returns the names of which MayIssue is true, as the certificate spells
// them.
func (t *Target) Issuers() [][]byte {
	names := [][]byte{t.rawIssuer}
	for _, point := range t.Points {
		for _, name := range point.crlIssuer.directoryNames() {
			if !slices.ContainsFunc(names, func(known []byte) bool { return bytes.Equal(known, name) }) {
				names = append(names, name)
			}
		}
	}
	return names
}
