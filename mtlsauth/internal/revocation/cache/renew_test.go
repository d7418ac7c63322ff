package cache

import (
	"context"
	"fmt"
	"slices"
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

// A renewal that is planned hours ahead happens then, and none after Run has ended.
func TestRenewalsHoursAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		xs := NewExchanges(func(error) {})
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go xs.Run(ctx)
		c := New(Options[int]{Exchanges: xs, Most: 10})
		began := time.Now()
		var made []time.Duration
		ask := func() {
			c.Get(t.Context(), Key{}, Question[int]{TTL: 150 * time.Minute, Fetch: func(*Exchange, int, bool) Outcome[int] {
				made = append(made, time.Since(began))
				return Outcome[int]{Value: 1, Got: true, Known: time.Now(), Until: time.Now().Add(24 * time.Hour)}
			}}, time.Now)
		}
		ask()
		time.Sleep(4 * time.Hour)
		ask() // which has it renewed once more
		time.Sleep(90 * time.Minute)
		ask()
		synctest.Wait()
		cancel()
		time.Sleep(24 * time.Hour)
		if want := []time.Duration{0, 150 * time.Minute, 300 * time.Minute}; !slices.Equal(made, want) {
			t.Errorf("exchanges at %v, want %v", made, want)
		}
	})
}

// Renewals wait behind what requests ask for.
func TestRenewalsComeLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		xs := NewExchanges(func(error) {})
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go xs.Run(ctx)
		c := New(Options[int]{Exchanges: xs, Most: 1000})
		var renewed atomic.Int64
		fetch := func(x *Exchange, _ int, has bool) Outcome[int] {
			leave, err := x.Enter()
			if err != nil {
				return Outcome[int]{Err: err}
			}
			defer leave()
			if has {
				renewed.Add(1)
			}
			time.Sleep(time.Second)
			now := time.Now()
			return Outcome[int]{Value: 1, Got: true, Known: now, Until: now.Add(time.Hour)}
		}
		ask := func(n int) time.Duration {
			began := time.Now()
			c.Get(ctx, Key{byte(n), byte(n >> 8)}, Question[int]{Anchor: Anchor{1}, TTL: time.Minute, Fetch: fetch}, time.Now)
			return time.Since(began)
		}
		const many = 320
		var wg sync.WaitGroup
		for n := range many {
			wg.Go(func() { ask(n) })
		}
		wg.Wait()
		time.Sleep(time.Minute - 10*time.Second + 500*time.Millisecond) // ten waves; the first are due
		time.Sleep(2 * time.Second)
		if took := ask(many); took > 3*time.Second {
			t.Errorf("a request waited for %v behind renewals", took)
		}
		time.Sleep(20 * time.Second)
		if renewed.Load() < many {
			t.Errorf("%d renewals, want %d", renewed.Load(), many)
		}
		if n := xs.waiting.Used() + xs.running.Used(); n != 0 {
			t.Errorf("%d places are taken after all is over", n)
		}
	})
}
