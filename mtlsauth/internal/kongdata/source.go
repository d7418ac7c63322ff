package kongdata

import (
	"context"
	"errors"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/consumer"
)

var (
	// ErrNotFound is what a source says of an entity that it does not have. It
	// is an answer: the next source is asked, and what this one had answered
	// before is out of use.
	ErrNotFound = errors.New("no such entity")

	// ErrNoConsumers is the answer of sources that know no consumers at all.
	// It says nothing about the consumer.
	ErrNoConsumers = errors.New("no source of consumers")

	// ErrUnanswerable is the answer of a source that works but cannot be asked
	// this. It is not absence: there may be another way to know.
	ErrUnanswerable = errors.New("the source cannot answer this")
)

// Source is a place where Kong's entities are. Its functions are made by this
// package; tests make others.
type Source struct {
	// Name says in the log which source this is. It holds no secret.
	Name string

	// Read returns what the source has now. It is called by one goroutine at a
	// time, for as long as the store runs; it may take long, and one that reads
	// files may hang without regard to ctx.
	Read func(ctx context.Context, r Request) Contents

	// Consumer returns the consumer whose attribute has a value; nil for a
	// source that never knows one. ErrNotFound means that there is none,
	// ErrNoConsumers that the source knows no consumers at present because it
	// leads nowhere, and any other error that it cannot answer. It returns when
	// ctx ends and is called by several goroutines at once, also during Read.
	Consumer func(ctx context.Context, q consumer.Query) (*consumer.Consumer, error)

	// HasCredentials says that Contents.Credentials are part of what it has.
	HasCredentials bool
}

// Request is what a source is read for.
type Request struct {
	// IDs are the CA certificates that no source before this one has, in lower
	// case. A source that reads all it has need not look at them.
	IDs []string
	// All has those asked for again, too, that the source is known to have.
	All bool
	// Force has read again what looks unchanged.
	Force bool
}

// Contents is what a source had when it was read. Its maps are not changed
// afterwards.
type Contents struct {
	CACertificates map[string]Answer // by id, in lower case

	// Err is why the source cannot answer for other ids than those; with nil it
	// does not have them. It is also why consumers cannot be looked up.
	Err error
	// Fault is Err, or another fault of the source, where it concerns more than
	// the CA certificates that are asked for.
	Fault error
	// Asked says that only Request.IDs were asked for, and nothing is known of
	// others.
	Asked bool

	// Credentials are those of the last version that could be used; nil if
	// there is none. The pointer changes when the credentials do.
	Credentials *consumer.Credentials
}

// Answer is what a source says of a CA certificate: a certificate, or else an
// error. ErrNotFound means that the source does not have it, a *RefusedError that
// it has one that cannot be used, and any other error that it cannot answer: it
// fails closed for ids that were not known before, and leaves in use what was.
type Answer struct {
	Certificate *certificate.Certificate
	Err         error
}

// RefusedError is why a CA certificate that a source has cannot be trusted. The
// id is then missing, whatever lower sources have: fails closed.
type RefusedError struct {
	Reason string
}

func (e *RefusedError) Error() string { return "refused: " + e.Reason }
