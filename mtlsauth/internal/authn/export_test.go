package authn

import "context"

// MaxWaiting is maxWaiting.
const MaxWaiting = maxWaiting

// Turn is turn.
func (c *Cold) Turn(ctx context.Context) (func(), error) { return c.turn(ctx) }

// Turns is how many compute at once.
func (c *Cold) Turns() int { return cap(c.turns) }
