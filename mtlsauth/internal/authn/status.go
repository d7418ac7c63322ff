package authn

import (
	"context"
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/revocation"
)

// checkStatus keeps of the validated paths those on which no certificate is revoked, and
// ends the decision with what that rests on. What it returns instead is a
// denial.
func (p *Policy) checkStatus(ctx context.Context, d *Decision, paths []validated, trust statusTrust, now time.Time) ([]validated, *Decision) {
	if p.options.Status == nil {
		return paths, nil
	}
	lists := make([][]*x509.Certificate, len(paths))
	for i, path := range paths {
		lists[i] = path.Certificates
	}
	r := p.options.Checker.Check(ctx, lists, trust, *p.options.Status, now)
	var denied *Decision
	switch r.Verdict {
	case revocation.Passed:
		d.rests(r)
		d.Notes = append(d.Notes, r.Notes...)
		remaining := make([]validated, len(r.Standing))
		for i, n := range r.Standing {
			remaining[i] = paths[n]
		}
		if len(remaining) == 0 {
			return nil, Deny(Internal, errors.New("certificate status passed without a path"))
		}
		return remaining, nil
	case revocation.Revoked:
		denied = deniedAt(now, Deny(Revoked, r.Err))
	case revocation.StatusUnknown:
		denied = deniedAt(now, Deny(StatusUnknown, r.Err))
	default:
		return nil, Deny(Internal, r.Err)
	}
	denied.rests(r)
	return nil, denied
}

// rests ends the decision with the evidence of a check.
func (d *Decision) rests(r revocation.Result) {
	d.basis = r.Basis
	if !r.Until.IsZero() && r.Until.Before(d.expires) {
		d.expires = r.Until
	}
}

// statusTrust is what a policy trusts, with what a client sent along.
type statusTrust struct {
	trust             *certpath.Trust
	configured, chain []*x509.Certificate
	now               time.Time
}

var _ revocation.Trust = statusTrust{}

// Configured implements revocation.Trust.
func (t statusTrust) Configured(cert *x509.Certificate) bool {
	return t.trust.Configured(&certificate.Certificate{Raw: cert.Raw})
}

// CRLSigners implements revocation.Trust.
func (t statusTrust) CRLSigners(name []byte, anchor *x509.Certificate, signed func(*x509.Certificate) bool) [][]*x509.Certificate {
	paths := t.trust.CRLSigners(name, &certificate.Certificate{Raw: anchor.Raw}, readAgain(t.chain), t.now, func(cert *certificate.Certificate) bool {
		list, err := asX509([]*certificate.Certificate{cert}, nil, t.chain, t.configured)
		return err == nil && signed(list[0])
	})
	var lists [][]*x509.Certificate
	for _, path := range paths {
		if list, err := asX509(path.Certificates, nil, t.chain, t.configured); err == nil {
			lists = append(lists, list)
		}
	}
	return lists
}

// OCSPResponders implements revocation.Trust: a configured certificate that has
// id-kp-OCSPSigning among its extended key usages signs about all certificates of
// the configuration.
func (t statusTrust) OCSPResponders() (responders []*x509.Certificate) {
	for _, cert := range t.configured {
		if slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning) {
			responders = append(responders, cert)
		}
	}
	return responders
}
