package cache

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// An entry for which there is no room is let go, the one that was not used for
// longest and has nothing to lose first.
func TestEviction(t *testing.T) {
	var released []int
	c := New(Options[int]{Most: 2, Release: func(old, kept int) { released = append(released, old) }})
	keep := func(n byte) *entry[int] {
		e := c.entry(Key{n})
		e.value, e.has = int(n), true
		return e
	}
	one := keep(1)
	keep(2)
	if c.entry(Key{1}) != one {
		t.Error("what was just used is gone")
	}
	keep(3) // in the place of 2, which was not used since
	if one.gone || fmt.Sprint(released) != "[2]" {
		t.Errorf("released %v, the other is gone: %v", released, one.gone)
	}
	keep(4)
	if !one.gone || one.has || one.value != 0 {
		t.Errorf("what is gone has a value: %+v", one)
	}
	if c.Len() != 2 || c.order.Len() != 2 {
		t.Errorf("%d entries, want 2", c.Len())
	}
	if again := c.entry(Key{1}); again == one || again.has {
		t.Error("an entry that is gone was found")
	}
	c.entry(Key{5}) // in the place of the one without a value
	if c.entry(Key{4}).value != 4 {
		t.Error("one with a value went before one without")
	}
}

// What is not used is dropped for room, what is used is not.
func TestDropIdle(t *testing.T) {
	c := New(Options[int]{Most: 10})
	used, idle, own := c.entry(Key{1}), c.entry(Key{2}), c.entry(Key{3})
	used.ways = []*way[int]{{wanted: true}}
	flying := c.entry(Key{4})
	flying.ways = []*way[int]{{exchange: &Exchange{}}}
	any := func(int) bool { return true }
	if c.DropIdle(Key{3}, func(int) bool { return false }) {
		t.Error("one that may not go was dropped")
	}
	if !c.DropIdle(Key{3}, any) || !idle.gone || used.gone || flying.gone || own.gone {
		t.Error("not the one that is idle was dropped")
	}
	if c.DropIdle(Key{3}, any) {
		t.Error("one in use was dropped")
	}
}

// An exchange that ends after its entry has: what it brought is let go, once.
func TestExchangeOfAnEntryThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWell(t)
		var released atomic.Int64
		w.options.Release = func(old, kept int) {
			if old != kept {
				released.Add(int64(old))
			}
		}
		w.expect("at first", 1, time.Second)
		time.Sleep(time.Hour)
		released.Store(0)
		go w.ask()
		synctest.Wait()
		before := w.entry.value
		w.entry.end()
		time.Sleep(2 * time.Second)
		if got, want := released.Load(), int64(before+w.drawn()); got != want {
			t.Errorf("released %d, want %d: each value once", got, want)
		}
		if w.entry.has {
			t.Error("it keeps what it brought")
		}
	})
}
