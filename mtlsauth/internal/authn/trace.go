package authn

import (
	"context"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/revocation"
)

// Trace is told how a decision is made, for who wants to see it. A decision that is cached
// or shared with another request is not made, and tells nothing. Functions that are nil are
// not called; what they are given must not be changed.
type Trace struct {
	// Read: what was read of what was presented, and how many certificates of the chain
	// were left out.
	Read func(leaf *certificate.Certificate, chain []*certificate.Certificate, leftOut int)
	// CAs: the configured CA certificates, and what path validation makes of them; nil
	// where there are none.
	CAs func(*kongdata.Snapshot, *certpath.Trust)
	// Step: a check of a path.
	Step func(certpath.Step)
	// Paths: the valid paths.
	Paths func([]certpath.Path)
	// Status: what was found out about a certificate.
	Status func(revocation.Finding)
	// Names: those that consumers are matched with.
	Names func(consumer.Names)
	// Matched: the consumer that they matched, none among them.
	Matched func(consumer.Match)
	// Default: the default_consumer, since none matched.
	Default func(*consumer.Consumer)
}

type traceKey struct{}

// WithTrace returns a context for Authenticate.
func WithTrace(ctx context.Context, trace *Trace) context.Context {
	if trace.Status != nil {
		ctx = revocation.WithTrace(ctx, trace.Status)
	}
	return context.WithValue(ctx, traceKey{}, trace)
}

var noTrace Trace

func traceOf(ctx context.Context) *Trace {
	if t, ok := ctx.Value(traceKey{}).(*Trace); ok {
		return t
	}
	return &noTrace
}

func tell[T any](to func(T), what T) {
	if to != nil {
		to(what)
	}
}
