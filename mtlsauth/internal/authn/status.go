package authn

import (
	"context"
	"errors"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/revocation"
)

// WithWaits returns a context for Authenticate, which calls waits when a request
// begins to wait for OCSP or CRL exchanges, and what that returns when it goes on: a
// place for work is not to be held by requests that wait.
func WithWaits(ctx context.Context, waits func() (goesOn func())) context.Context {
	return revocation.WithWaits(ctx, waits)
}

// checkStatus keeps of the validated paths those on which no certificate is revoked, and
// ends the decision with what that rests on. What it returns instead is a
// denial.
func (p *Policy) checkStatus(ctx context.Context, d *Decision, paths []certpath.Path, trust statusTrust, now time.Time) ([]certpath.Path, *Decision) {
	if p.options.Status == nil {
		return paths, nil
	}
	lists := make([][]*certificate.Certificate, len(paths))
	for i, path := range paths {
		lists[i] = path.Certificates
	}
	r := p.options.Checker.Check(ctx, lists, trust, *p.options.Status, now)
	var denied *Decision
	switch r.Verdict {
	case revocation.Passed:
		d.rests(r)
		d.Notes = append(d.Notes, r.Notes...)
		remaining := make([]certpath.Path, len(r.Standing))
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
		if errors.Is(r.Err, revocation.ErrLimit) {
			p.options.Limiter.status.Add(1)
		}
		return nil, Deny(Internal, r.Err)
	}
	denied.rests(r)
	return nil, denied
}

// rests ends the decision with the evidence of a check.
func (d *Decision) rests(r revocation.Result) {
	if !r.Until.IsZero() && r.Until.Before(d.expires) {
		d.expires = r.Until
	}
}

// statusTrust is what a policy trusts, with what a client sent along.
type statusTrust struct {
	trust             *certpath.Trust
	configured, chain []*certificate.Certificate
	now               time.Time
}

var _ revocation.Trust = statusTrust{}

// Configured implements revocation.Trust.
func (t statusTrust) Configured(cert *certificate.Certificate) bool { return t.trust.Configured(cert) }

// CRLSigners implements revocation.Trust.
func (t statusTrust) CRLSigners(name []byte, anchor *certificate.Certificate, signed func(*certificate.Certificate) bool) [][]*certificate.Certificate {
	var lists [][]*certificate.Certificate
	for _, path := range t.trust.CRLSigners(name, anchor, t.chain, t.now, signed) {
		lists = append(lists, path.Certificates)
	}
	return lists
}

// OCSPResponders implements revocation.Trust: a configured certificate that has
// id-kp-OCSPSigning among its extended key usages signs about all certificates of
// the configuration.
func (t statusTrust) OCSPResponders() (responders []*certificate.Certificate) {
	for _, cert := range t.configured {
		if cert.HasPurpose(certificate.ExtKeyUsageOCSPSigning) {
			responders = append(responders, cert)
		}
	}
	return responders
}
