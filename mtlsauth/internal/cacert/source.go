package cacert

import (
	"context"
	"errors"
	"strings"
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

// uuidLength is that of 8-4-4-4-12 hexadecimal digits.
const uuidLength = 36

// parseUUID returns s in lower case and whether it is a UUID as Kong's schema
// asks for one.
func parseUUID(s string) (string, bool) {
	if len(s) != uuidLength {
		return "", false
	}
	for i := range len(s) {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return "", false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return "", false
			}
		}
	}
	return strings.ToLower(s), true
}
