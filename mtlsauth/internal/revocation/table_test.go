package revocation

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Of what a table has no room for nothing rests on any more.
func TestEviction(t *testing.T) {
	var released []int
	table := newTable(2, func(old, kept int) { released = append(released, old) }, nil)
	keep := func(n byte) *slot[int] {
		s := table.get(slotKey{n})
		s.value, s.has = int(n), true
		return s
	}
	one := keep(1)
	rests := Basis{markOf(one.version)}
	keep(2)
	if table.get(slotKey{1}) != one {
		t.Error("what was just used is gone")
	}
	keep(3) // in the place of 2, which was not used since
	if !rests.Stands() || fmt.Sprint(released) != "[2]" {
		t.Errorf("released %v, the other stands: %v", released, rests.Stands())
	}
	keep(4)
	if rests.Stands() || !one.gone || one.has || one.value != 0 {
		t.Errorf("a result rests on what is gone: %+v", one)
	}
	if len(table.byKey) != 2 || table.order.Len() != 2 {
		t.Errorf("%d slots, want 2", len(table.byKey))
	}
	if again := table.get(slotKey{1}); again == one || again.has {
		t.Error("a slot that is gone was found")
	}
}

// What is not used is dropped for room, what is used is not.
func TestDropOldest(t *testing.T) {
	table := newTable[int](10, nil, nil)
	used, idle, own := table.get(slotKey{1}), table.get(slotKey{2}), table.get(slotKey{3})
	used.tries = []*try[int]{{wanted: true}}
	flying := table.get(slotKey{4})
	flying.tries = []*try[int]{{flight: &flight{}}}
	if !table.dropOldest(own) || !idle.gone || used.gone || flying.gone || own.gone {
		t.Error("not the one that is idle was dropped")
	}
	if table.dropOldest(own) {
		t.Error("one in use was dropped")
	}
}

// An exchange that ends after its slot has: what it brought is let go, once.
func TestExchangeOfASlotThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWell(t)
		var released atomic.Int64
		w.slot.release = func(old, kept int) {
			if old != kept {
				released.Add(int64(old))
			}
		}
		w.expect("at first", 1, time.Second)
		time.Sleep(time.Hour)
		released.Store(0)
		go w.ask()
		synctest.Wait()
		before := w.slot.value
		w.slot.end()
		time.Sleep(2 * time.Second)
		if got, want := released.Load(), int64(before+w.drawn()); got != want {
			t.Errorf("released %d, want %d: each value once", got, want)
		}
		if w.slot.has {
			t.Error("it keeps what it brought")
		}
	})
}
