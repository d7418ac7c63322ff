package consumer

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/singleflight"
)

// Shared asks a directory that outlives requests. Equal queries that requests
// ask at the same time are asked once, and a query goes on when the request that
// began it ends. Nothing is kept. A panic of the directory is an error.
type Shared struct {
	directory  Directory
	generation atomic.Uint64 // counts Forget
	group      singleflight.Group
}

// NewShared returns the directory that shares queries to another.
func NewShared(d Directory) *Shared { return &Shared{directory: d} }

// Forget has later queries asked again, also those that are under way.
func (s *Shared) Forget() { s.generation.Add(1) }

// Find implements [Directory].
func (s *Shared) Find(ctx context.Context, queries []Query) []Result {
	asked := make([]<-chan singleflight.Result, len(queries))
	for i, q := range queries {
		key := fmt.Sprintf("%d %d %s", s.generation.Load(), q.By, q.Value)
		asked[i] = s.group.DoChan(key, func() (any, error) { return s.find(ctx, q), nil })
	}
	results := make([]Result, len(queries))
	for i, answer := range asked {
		select {
		case a := <-answer:
			results[i] = a.Val.(Result)
		case <-ctx.Done():
			results[i].Err = ctx.Err()
		}
	}
	return results
}

// find asks one query, within MaxWait. Nothing above this goroutine would catch
// a panic, and the whole server would end.
func (s *Shared) find(ctx context.Context, q Query) (result Result) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), MaxWait)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			result = Result{Err: fmt.Errorf("panic: %v", r)}
		}
	}()
	results := s.directory.Find(ctx, []Query{q})
	if len(results) != 1 {
		return Result{Err: fmt.Errorf("%d answers to one query", len(results))}
	}
	return results[0]
}
