package kongdata

import (
	"context"
	"errors"
)

// ErrNotFound is what a source says of an id, or of a consumer, that it does
// not have. It is an answer: the next source is asked, and what this one had
// answered before is out of use.
var ErrNotFound = errors.New("no such entity")

// Source answers for CA certificates by id.
type Source interface {
	// Name says in the log which source this is. It holds no secret.
	Name() string

	// CACertificate returns the PEM text of the entity with this id (lower
	// case). ErrNotFound means that the source has none, a *RefusedError that
	// it has one that can not be used, and any other error that it can not
	// answer: it fails closed for ids that were not known before and leaves
	// in use what was. It is called by several goroutines at once.
	CACertificate(ctx context.Context, id string) (string, error)
}

// Refresher is a source that keeps what it has read. The store calls Refresh
// before a round of questions, never twice at the same time, and asks it for
// consumers only after the first.
type Refresher interface {
	// Refresh reads again what has changed, with force everything. A source
	// that can not read answers its questions with the reason.
	Refresh(ctx context.Context, force bool)
}

// RefusedError is the answer of a source that has an entity under this id,
// which can not be trusted. The id is then missing, whatever lower sources
// have: fails closed.
type RefusedError struct {
	Reason string
}

func (e *RefusedError) Error() string { return "refused: " + e.Reason }
