package authn

import (
	"encoding/binary"
	"testing"
	"time"
	"unsafe"
)

var midnight = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func keyOf(n int) (key cacheKey) {
	binary.LittleEndian.PutUint64(key[:], uint64(n))
	return key
}

func lasting(r Reason, d time.Duration) *Decision {
	return &Decision{Reason: r, made: midnight, expires: midnight.Add(d)}
}

func TestCacheKeepsADecisionWhileItStands(t *testing.T) {
	c := NewCache()
	const snapshot, other = 1, 2
	for _, r := range []Reason{Passed, Expired} {
		d := lasting(r, time.Minute)
		key := keyOf(int(r))
		c.put(key, snapshot, d)
		if got := c.get(key, snapshot, midnight.Add(59*time.Second)); got != d {
			t.Errorf("%v: not found within its minute", r)
		}
		if got := c.get(keyOf(99), snapshot, midnight); got != nil {
			t.Errorf("%v: found under another key", r)
		}
		if got := c.get(key, snapshot, midnight.Add(time.Minute)); got != nil {
			t.Errorf("%v: found after its minute", r)
		}
		c.put(key, snapshot, d)
		if got := c.get(key, other, midnight); got != nil {
			t.Errorf("%v: found although the CA certificates are others", r)
		}
	}
}

func TestDecisionEndsByEitherClock(t *testing.T) {
	now := time.Now()
	d := &Decision{made: now, expires: now.Round(0).Add(time.Minute)}
	if !d.fresh(now.Add(59 * time.Second)) {
		t.Error("ended before its minute")
	}
	// A machine that slept: the wall clock has moved on and the monotonic one
	// has not.
	if d.fresh(monotonicBack(now.Add(61*time.Second), 61*time.Second)) {
		t.Error("the wall clock is past the end, and the decision stands")
	}
	// A wall clock that was set back: only the monotonic clock has moved on.
	if d.fresh(monotonicBack(now, -61*time.Second)) {
		t.Error("the monotonic clock is past the end, and the decision stands")
	}
}

// monotonicBack returns t with its monotonic reading set back and its wall
// clock as it is, which package time has no way to say. The reading is the
// second word of a time.Time.
func monotonicBack(t time.Time, by time.Duration) time.Time {
	*(*int64)(unsafe.Add(unsafe.Pointer(&t), 8)) -= int64(by)
	return t
}

func TestCacheIsBounded(t *testing.T) {
	l := newLRU(3, 1<<20)
	const snapshot = 1
	put := func(n int) { l.put(keyOf(n), snapshot, lasting(Passed, time.Minute)) }
	has := func(n int) bool { return l.get(keyOf(n), snapshot, midnight) != nil }
	put(1)
	put(2)
	put(3)
	has(1) // used: 2 is now the oldest
	put(4)
	if !has(1) || has(2) || !has(3) || !has(4) {
		t.Error("the least recently used decision should have gone, and no other")
	}
	big := lasting(Passed, time.Minute)
	big.Answer.Headers = []Header{{"X", string(make([]byte, 1<<20))}}
	l.put(keyOf(5), snapshot, big)
	if has(5) || l.bytes != 0 || len(l.byKey) != 0 {
		t.Errorf("a decision over the bound: %d entries of %d bytes are kept", len(l.byKey), l.bytes)
	}
	for n := range 100 {
		put(n % 2) // again and again the same
	}
	if len(l.byKey) != 2 || l.bytes != 2*lasting(Passed, 0).size() {
		t.Errorf("%d entries of %d bytes, want 2", len(l.byKey), l.bytes)
	}
}

func TestDenialsNeverPushOutWhoIsLetIn(t *testing.T) {
	c := NewCache()
	const snapshot = 1
	c.put(keyOf(0), snapshot, lasting(Passed, time.Minute))
	for n := range 3 * maxDenied {
		c.put(keyOf(n+1), snapshot, lasting(IssuerNotFound, time.Minute))
	}
	if c.get(keyOf(0), snapshot, midnight) == nil {
		t.Error("a flood of denials pushed out the one who is let in")
	}
	if n := len(c.denied.byKey); n > maxDenied {
		t.Errorf("%d denials are kept, at most %d should be", n, maxDenied)
	}
}
