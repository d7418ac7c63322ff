package revocation

import (
	"context"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
)

// Finding is what was found out about one certificate, for who wants to see it.
type Finding struct {
	Certificate, Issuer *certificate.Certificate
	// State is good, revoked, unknown (to its responder), unusable (no usable answer),
	// unnamed (it names no URL) or limit (one of our own).
	State string
	// From is the URL that has answered with what kind, "OCSP " or "CRL " before it, or
	// -crl-dir; "" where nothing has.
	From       string
	ThisUpdate time.Time // of what says good; zero otherwise
	Until      time.Time // when to ask again; zero where nothing was asked
	Err        error     // why it is not good
}

type traceKey struct{}

// WithTrace returns a context for Check, which tells what it has found out about each
// certificate.
func WithTrace(ctx context.Context, trace func(Finding)) context.Context {
	return context.WithValue(ctx, traceKey{}, trace)
}

var stateTexts = [...]string{
	unusable: "unusable", good: "good", revoked: "revoked", statusUnknown: "unknown", noEndpoint: "unnamed", overloaded: "limit",
}

func traced(ctx context.Context, paths [][]*certificate.Certificate, found map[pair]finding) {
	trace, ok := ctx.Value(traceKey{}).(func(Finding))
	if !ok {
		return
	}
	told := make(map[pair]bool)
	for _, path := range paths {
		for _, p := range pairsOf(path) {
			if told[p] {
				continue
			}
			told[p] = true
			f := found[p]
			trace(Finding{p.cert, p.issuer, stateTexts[f.state], f.from, f.thisUpdate, f.until, f.err})
		}
	}
}
