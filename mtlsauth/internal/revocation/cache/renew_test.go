package cache

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

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
