package crl

import "mtls-auth/mtlsauth/internal/certificate"

// Covers reports whether a list is, or may be, about the certificate.
func (t *Target) Covers(l *List) bool {
	_, _, err := t.scope(l)
	return err == nil
}

// scope is RFC 5280, section 6.3.3 (b) and (d): for which reasons the list
// speaks about the certificate. It is asked for each distribution point, and
// only where none leads to the list, for the one that every certificate of the
// list's issuer has. It is Possible where that depends on names of which it
// cannot be said whether they are equal, or where the list does not say.
func (t *Target) scope(l *List) (ReasonMask, certificate.Match, *Error) {
	idp := l.IssuingDistributionPoint
	reasons := AllReasons
	if idp != nil {
		reasons = idp.OnlyReasons
		switch {
		case idp.OnlyAttributeCerts:
			return 0, 0, refuse(WrongScope, "CRL is for attribute certificates")
		case idp.OnlyUserCerts && t.isCA:
			return 0, 0, refuse(WrongScope, "CRL is for end entity certificates")
		case idp.OnlyCACerts && !t.isCA:
			return 0, 0, refuse(WrongScope, "CRL is for CA certificates")
		}
	}
	own := certificate.Compare(l.RawIssuer, t.rawIssuer)
	masks := map[certificate.Match]ReasonMask{}
	issuer, found := own, certificate.Different
	for i := range t.Points {
		p := &t.Points[i]
		match := t.pointIssuer(p, l, own)
		issuer = max(issuer, match)
		match = min(match, p.matches(idp))
		if match != certificate.Different {
			masks[match] |= p.reasons & reasons
			found = max(found, match)
		}
	}
	if found == certificate.Different {
		found = own
		if idp != nil && idp.names != nil {
			found = min(found, idp.names.overlap(t.implied))
		}
		masks[found] = reasons
	}
	switch {
	case issuer == certificate.Different:
		return 0, 0, refuse(WrongIssuer, "CRL is of another issuer than the certificate, or than its distribution points name")
	case found == certificate.Different:
		return 0, 0, refuse(WrongScope, "CRL is for another distribution point")
	}
	// Of reasons that are certain others need not be possible as well.
	for _, match := range []certificate.Match{certificate.Certain, certificate.Possible} {
		if masks[match] != 0 {
			return masks[match], match, nil
		}
	}
	return 0, 0, refuse(WrongScope, "CRL is for no reason that its distribution point has")
}

// pointIssuer is (b)(1). Another issuer than the certificate's is one that the
// point names, and says so itself by an indirect list.
func (t *Target) pointIssuer(p *Point, l *List, own certificate.Match) certificate.Match {
	if p.crlIssuer == nil {
		return own
	}
	match := certificate.Different
	if l.IssuingDistributionPoint.indirect() {
		for _, name := range p.crlIssuer.directoryNames() {
			match = max(match, certificate.Compare(name, l.RawIssuer))
		}
	}
	return match
}

// matches is (b)(2)(i).
func (p *Point) matches(idp *IssuingDistributionPoint) certificate.Match {
	switch {
	case idp == nil || idp.names == nil:
		return certificate.Certain
	case p.names == nil:
		return idp.names.overlap(p.crlIssuer)
	}
	return idp.names.overlap(p.names)
}
