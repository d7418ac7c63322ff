package consumer

import (
	"context"
	"errors"
	"fmt"
)

// flight is a batch of questions that is being asked for all who need them.
type flight struct {
	queries []Query
	done    chan struct{} // closed when answers are there
	answers []answer
}

// share asks together with whoever asks the same at this time: each question
// is in one flight. Waiting ends with ctx, the flight does not, so that one
// request which goes away fails no other.
func (l *Lookups) share(ctx context.Context, ask Ask, batch []Query) []answer {
	got := make([]answer, len(batch))
	flights := make([]*flight, len(batch))
	mine := &flight{done: make(chan struct{})}
	l.mu.Lock()
	for i, q := range batch {
		// The flight that was seen to be missing may have landed since.
		if a, ok := l.cache.get(q, ask.Now, ask.MaxAge); ok {
			a.known = true
			got[i] = a
			continue
		}
		f := l.flying[q]
		if f == nil {
			f = mine
			mine.queries = append(mine.queries, q)
			l.flying[q] = mine
		}
		flights[i] = f
	}
	generation := l.generation.Load()
	l.mu.Unlock()
	if len(mine.queries) > 0 {
		go l.fly(context.WithoutCancel(ctx), ask, mine, generation)
	}
	for i, f := range flights {
		if f != nil {
			got[i] = f.wait(ctx, batch[i])
		}
	}
	return got
}

// fly asks for a flight. It ends when the directory's Find does, which ctx
// bounds by MaxWait.
func (l *Lookups) fly(ctx context.Context, ask Ask, f *flight, generation uint64) {
	ctx, cancel := context.WithTimeout(ctx, MaxWait)
	defer cancel()
	f.answers = answered(ask, findRecovered(ctx, ask.Directory, f.queries))
	l.mu.Lock()
	l.keep(ask, generation, f.queries, f.answers)
	for _, q := range f.queries {
		if l.flying[q] == f {
			delete(l.flying, q)
		}
	}
	l.mu.Unlock()
	close(f.done)
}

// findRecovered makes a failure of a panic: nothing above this goroutine would
// catch it, and the whole server would end.
func findRecovered(ctx context.Context, d Directory, queries []Query) (results []Result) {
	defer func() {
		if r := recover(); r != nil {
			results = failures(len(queries), fmt.Errorf("panic: %v", r))
		}
	}()
	return find(ctx, d, queries)
}

func (f *flight) wait(ctx context.Context, q Query) answer {
	select {
	case <-f.done:
	default:
		select {
		case <-f.done:
		case <-ctx.Done():
			err := fmt.Errorf("looking up the consumer with %s: %w", q, ctx.Err())
			return answer{Result: Result{Err: err}, known: true}
		}
	}
	for i := range f.queries {
		if f.queries[i] == q {
			return f.answers[i]
		}
	}
	return answer{Result: Result{Err: errors.New("a lookup without its answer")}, known: true}
}
