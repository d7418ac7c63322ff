package revocation

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The plan runs what is due in its order, also what is added for an earlier
// time than all the rest, and ends with its context: a goroutine that stayed
// would fail the bubble.
func TestPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlan()
		ctx, cancel := context.WithCancel(context.Background())
		go p.run(ctx, time.Now)
		began := time.Now()
		var mu sync.Mutex
		var ran []string
		add := func(seconds int) {
			p.add(began.Add(time.Duration(seconds)*time.Second), func() {
				mu.Lock()
				defer mu.Unlock()
				ran = append(ran, fmt.Sprintf("%d at %v", seconds, time.Since(began)))
			})
		}
		for _, seconds := range []int{30, 10, 20, 10000} {
			add(seconds)
		}
		synctest.Wait()
		add(5)
		time.Sleep(15 * time.Second)
		add(1) // which is over
		time.Sleep(10 * time.Second)
		add(30)
		time.Sleep(3 * time.Hour)
		mu.Lock()
		defer mu.Unlock()
		if got, want := fmt.Sprint(ran), "[5 at 5s 10 at 10s 1 at 15s 20 at 20s 30 at 30s 30 at 30s 10000 at 2h46m40s]"; got != want {
			t.Errorf("ran %s, want %s", got, want)
		}
		if p.entries.Len() != 0 {
			t.Errorf("%d entries are left", p.entries.Len())
		}
		cancel()
	})
}

// Many that are due at once are renewed so many at a time.
func TestManyRenewals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{})
		ctx, cancel := context.WithCancel(context.Background())
		go c.Run(ctx)
		const many = 10 * maxRenewals
		var running, most, renewed atomic.Int64
		q := question[int]{ttl: time.Minute, exchange: func(*flight, int, bool) outcome[int] {
			most.Store(max(most.Load(), running.Add(1)))
			time.Sleep(time.Second)
			running.Add(-1)
			renewed.Add(1)
			now := time.Now()
			return outcome[int]{value: 1, got: true, known: now, until: now.Add(time.Hour)}
		}}
		slots := newTable[int](many, nil, nil)
		now := time.Now()
		i := &inquiry{checker: c, ctx: ctx, began: now, clock: now}
		var wg sync.WaitGroup
		for n := range many {
			wg.Go(func() { await(i, slots.get(slotKey{byte(n), byte(n >> 8)}), q) })
		}
		wg.Wait()
		renewed.Store(0)
		most.Store(0)
		time.Sleep(90 * time.Second)
		if renewed.Load() != many || most.Load() != maxRenewals {
			t.Errorf("%d renewals, %d at once, want %d, %d at once", renewed.Load(), most.Load(), many, maxRenewals)
		}
		if n := c.renewals.n.Load(); n != 0 {
			t.Errorf("%d renewals are counted after all is over", n)
		}
		cancel()
	})
}
