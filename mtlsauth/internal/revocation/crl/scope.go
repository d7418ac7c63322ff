package crl

import (
	"bytes"
	"slices"
)

// scope is RFC 5280, section 6.3.3 (b) and (d): for which reasons the list
// speaks about the certificate. It is asked for each distribution point, and
// only where none leads to the list, for the one that every certificate of the
// list's issuer has.
func (t *Target) scope(l *List) (ReasonMask, *Error) {
	idp := l.IssuingDistributionPoint
	reasons := AllReasons
	if idp != nil {
		reasons = idp.OnlyReasons
		switch {
		case idp.OnlyAttributeCerts:
			return 0, refuse(WrongScope, "CRL is for attribute certificates")
		case idp.OnlyUserCerts && t.isCA:
			return 0, refuse(WrongScope, "CRL is for end entity certificates")
		case idp.OnlyCACerts && !t.isCA:
			return 0, refuse(WrongScope, "CRL is for CA certificates")
		}
	}
	own := bytes.Equal(l.RawIssuer, t.rawIssuer)
	var mask ReasonMask
	issuer, found := own, false
	for i := range t.Points {
		p := &t.Points[i]
		if !t.pointIssuer(p, l, own) {
			continue
		}
		issuer = true
		if p.matches(idp) {
			found = true
			mask |= p.reasons & reasons
		}
	}
	if !found && own && (idp == nil || idp.names == nil || idp.names.overlap(t.implied)) {
		found = true
		mask = reasons
	}
	switch {
	case !issuer:
		return 0, refuse(WrongIssuer, "CRL is of another issuer than the certificate, or than its distribution points name")
	case !found:
		return 0, refuse(WrongScope, "CRL is for another distribution point")
	case mask == 0:
		return 0, refuse(WrongScope, "CRL is for no reason that its distribution point has")
	}
	return mask, nil
}

// pointIssuer is (b)(1). Another issuer than the certificate's is one that the
// point names, and says so itself by an indirect list.
func (t *Target) pointIssuer(p *Point, l *List, own bool) bool {
	if p.crlIssuer == nil {
		return own
	}
	return l.IssuingDistributionPoint.indirect() && slices.ContainsFunc(p.crlIssuer.directoryNames(), func(name []byte) bool {
		return bytes.Equal(name, l.RawIssuer)
	})
}

// matches is (b)(2)(i).
func (p *Point) matches(idp *IssuingDistributionPoint) bool {
	if idp == nil || idp.names == nil {
		return true
	}
	if p.names == nil {
		return idp.names.overlap(p.crlIssuer)
	}
	return idp.names.overlap(p.names)
}
