package main

import (
	"fmt"
	"sync"
	"time"

	"mtls-auth/mtlsauth/bench/kong"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

// wants is the right answer to a request, which changes: what was right before
// may still be answered for a while.
type wants struct {
	grace time.Duration // that the server has to follow

	mu      sync.Mutex
	changes []wantSince
}

type wantSince struct {
	at   time.Time
	want kong.Want
}

// always is a right answer that does not change.
func always(want kong.Want) *wants { return &wants{changes: []wantSince{{want: want}}} }

// set changes the right answer.
func (w *wants) set(want kong.Want) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes = append(w.changes, wantSince{time.Now(), want})
	// What was superseded before the grace of the last ones is of no use. A
	// request may take as long again.
	for len(w.changes) > 2 && time.Since(w.changes[1].at) > 2*w.grace+time.Minute {
		w.changes = w.changes[1:]
	}
}

// check says what is wrong with an answer, which has to be one that was right
// at some moment from the grace before the request until its end.
func (w *wants) check(r *rpc.Request, begun, ended time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	from := begun.Add(-w.grace)
	var wrong error
	for i, c := range w.changes {
		superseded := i+1 < len(w.changes) && w.changes[i+1].at.Before(from)
		if superseded || c.at.After(ended) {
			continue
		}
		err := c.want.Check(r)
		if err == nil {
			return nil
		}
		wrong = fmt.Errorf("%w (so since %v)", err, c.at.Format(time.TimeOnly))
	}
	return wrong
}
