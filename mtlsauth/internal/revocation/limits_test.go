package revocation

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// One anchor's exchanges take half of the permits, so that others go on.
func TestPermitsOfAnAnchor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPermits()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		take := func(anchor byte, n int) (got int, releases []func()) {
			for range n {
				short, cancel := context.WithTimeout(ctx, time.Second)
				release, err := p.acquire(short, [32]byte{anchor}, func() {})
				cancel()
				if err != nil {
					if !errors.Is(err, ErrLimit) {
						t.Errorf("got %v, want ErrLimit", err)
					}
					return got, releases
				}
				got++
				releases = append(releases, release)
			}
			return got, releases
		}
		one, ofOne := take(1, maxExchanges)
		two, ofTwo := take(2, maxExchanges)
		three, _ := take(3, 1)
		if held := len(p.byAnchor); held != 2 {
			t.Errorf("%d anchors hold or wait, want 2", held)
		}
		if one != maxExchanges/2 || two != maxExchanges/2 || three != 0 {
			t.Errorf("anchors got %d, %d and %d permits, want %d, %[4]d and none", one, two, three, maxExchanges/2)
		}
		// What is given back is for the next, of whichever anchor.
		var got atomic.Int64
		go func() {
			release, err := p.acquire(ctx, [32]byte{3}, func() {})
			if err == nil {
				got.Add(1)
				release()
			}
		}()
		synctest.Wait()
		if got.Load() != 0 {
			t.Error("a permit too many")
		}
		ofOne[0]()
		synctest.Wait()
		if got.Load() != 1 {
			t.Error("who waited did not get what was given back")
		}
		for _, release := range append(ofOne[1:], ofTwo...) {
			release()
		}
		if len(p.byAnchor) != 0 || len(p.all) != 0 {
			t.Errorf("%d anchors are remembered and %d permits held after all is given back", len(p.byAnchor), len(p.all))
		}
	})
}

func TestMemory(t *testing.T) {
	m := NewMemory(100)
	if err := m.Reserve(60); err != nil {
		t.Fatal(err)
	}
	if err := m.Reserve(41); !errors.Is(err, ErrLimit) {
		t.Errorf("over the limit: got %v, want ErrLimit", err)
	}
	if err := m.Reserve(40); err != nil {
		t.Errorf("up to the limit: %v", err)
	}
	m.Release(60)
	if err := m.Reserve(60); err != nil {
		t.Errorf("after some was given back: %v", err)
	}
}

func TestCounter(t *testing.T) {
	c := counter{most: 2}
	for n, want := range []bool{true, true, false, false} {
		if got := c.enter(); got != want {
			t.Errorf("number %d entered: %v", n+1, got)
		}
	}
	c.leave()
	for _, want := range []bool{true, false} {
		if got := c.enter(); got != want {
			t.Errorf("after one left, the next entered: %v", got)
		}
	}
}
