package revocation

import (
	"sync/atomic"
	"testing"
	"time"
)

func TestHanded(t *testing.T) {
	now := time.Now()
	var one, two atomic.Uint64
	h := NewHanded()
	if !h.Add(Basis{markOf(&one), markOf(&two)}, now.Add(time.Minute)) || h.Changed(now) {
		t.Fatal("nothing was replaced")
	}
	one.Add(1)
	if !h.Changed(now) {
		t.Error("a replaced one is not seen")
	}
	if h.Changed(now) {
		t.Error("it is told twice")
	}
	// What is over does not count, unless somebody keeps it for longer.
	h.Add(Basis{markOf(&one)}, now.Add(time.Second))
	h.Add(Basis{markOf(&two)}, now.Add(time.Second))
	h.Add(Basis{markOf(&two)}, now.Add(time.Hour))
	one.Add(1)
	if h.Changed(now.Add(time.Minute)) {
		t.Error("what is over ends what is not")
	}
	two.Add(1)
	if !h.Changed(now.Add(time.Minute)) {
		t.Error("what is kept for longer is not seen")
	}
	// One that was looked at before a change, and one after it.
	before := Basis{markOf(&one)}
	one.Add(1)
	h.Add(Basis{markOf(&one)}, now.Add(time.Hour))
	h.Add(before, now.Add(time.Hour))
	if !h.Changed(now) {
		t.Error("the older of two is not seen")
	}
	h.Add(before, now.Add(time.Hour))
	h.Add(Basis{markOf(&one)}, now.Add(time.Hour))
	if !h.Changed(now) {
		t.Error("the older of two, that came first, is not seen")
	}
	many := make([]atomic.Uint64, maxHanded)
	for i := range many {
		if !h.Add(Basis{markOf(&many[i])}, now.Add(time.Hour)) {
			t.Fatalf("no room for %d", i)
		}
	}
	if h.Add(Basis{markOf(&one)}, now.Add(time.Hour)) {
		t.Error("there is room without end")
	}
	if h.Changed(now.Add(2 * time.Hour)); !h.Add(Basis{markOf(&one)}, now.Add(3*time.Hour)) {
		t.Error("what is over takes room")
	}
}
