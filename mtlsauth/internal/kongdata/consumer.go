package kongdata

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"mtls-auth/mtlsauth/internal/uuid"
)

var (
	// ErrNoConsumers is the answer of sources that know no consumers at all.
	// It says nothing about the consumer.
	ErrNoConsumers = errors.New("no source of consumers")

	// ErrUnanswerable is a question that a source can not be asked, though it
	// works. It is no absence: who asks may know another way.
	ErrUnanswerable = errors.New("the source can not answer this")
)

// Consumer is a Kong consumer. Tags are shared, and nobody may change them.
type Consumer struct {
	ID        string // lower case
	Username  string // empty: none
	CustomID  string // empty: none
	Tags      []string
	CreatedAt int64 // seconds since 1970
}

// Field is the attribute that a consumer is asked for by.
type Field uint8

// The attributes.
const (
	ByID Field = iota
	ByUsername
	ByCustomID

	fieldCount
)

// String returns the attribute's name in Kong.
func (f Field) String() string {
	switch f {
	case ByID:
		return "id"
	case ByUsername:
		return "username"
	case ByCustomID:
		return "custom_id"
	}
	return "unknown attribute"
}

// ConsumerSource is a source that knows consumers, too.
type ConsumerSource interface {
	Source

	// Consumer returns the consumer whose attribute has this value, byte for
	// byte, an id in lower case. ErrNotFound means that there is none,
	// ErrNoConsumers that this source knows none at present because it leads
	// nowhere, and any other error that it can not answer. It returns when ctx
	// ends and is called by several goroutines at once.
	Consumer(ctx context.Context, by Field, value string) (Consumer, error)
}

var (
	_ ConsumerSource = (*adminAPI)(nil)
	_ ConsumerSource = (*declarative)(nil)
	_ ConsumerSource = (*kongEnv)(nil)
	_ faulty         = (*declarative)(nil)
	_ faulty         = (*kongEnv)(nil)
)

// faulty is a source that still answers from what it had read while it can not
// read any more.
type faulty interface {
	// fault returns why it can not read, or nil.
	fault() error
}

// Consumer asks the sources for a consumer, one after the other; the first that
// has it answers. Nothing is kept: each call asks. It waits for the sources'
// first reading, which [Store.Run] does, and for its turn, no longer than ctx.
//
// It fails closed: ErrNotFound is what every source of consumers answered, and
// ErrNoConsumers says that there is none. Any other error means that it could
// not be known: a source that is down does not let a lower one answer in its
// place, and an answer about somebody else is none.
func (s *Store) Consumer(ctx context.Context, by Field, value string) (Consumer, error) {
	switch {
	case by >= fieldCount:
		return Consumer{}, fmt.Errorf("%s %d", by, by)
	case value == "":
		// It would find whoever lacks the attribute, or everybody.
		return Consumer{}, fmt.Errorf("%w: an empty %s", ErrUnanswerable, by)
	case by == ByID:
		id, ok := uuid.Parse(value)
		if !ok {
			return Consumer{}, ErrNotFound // Kong has no entity under such an id
		}
		value = id
	}
	none := ErrNoConsumers
	for _, source := range s.sources {
		c, err := source.consumer(ctx, by, value)
		switch {
		case err == nil:
			return c, nil
		case errors.Is(err, ErrNoConsumers):
		case errors.Is(err, ErrNotFound):
			none = ErrNotFound
		default:
			return Consumer{}, fmt.Errorf("%s: %w", source.Name(), err)
		}
	}
	return Consumer{}, none
}

// verify returns the consumer as it is handed on, or why it is no answer to the
// question that was asked. It fails closed.
func (c Consumer) verify(by Field, value string) (Consumer, error) {
	id, ok := uuid.Parse(c.ID)
	if !ok {
		return Consumer{}, errors.New("the answer is no consumer with an id")
	}
	c.ID = id
	if c.attribute(by) != value {
		return Consumer{}, fmt.Errorf("the answer is for another %s than was asked for", by)
	}
	return c, nil
}

func (c Consumer) attribute(by Field) string {
	switch by {
	case ByID:
		return strings.ToLower(c.ID)
	case ByUsername:
		return c.Username
	case ByCustomID:
		return c.CustomID
	}
	return ""
}
