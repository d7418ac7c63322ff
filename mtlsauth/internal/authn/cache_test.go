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
	big.Answer = &Answer{Headers: []Header{{"X", string(make([]byte, 1<<20))}}}
	l.put(keyOf(5), snapshot, big)
	if has(5) || l.bytes != 0 || len(l.byPrefix) != 0 {
		t.Errorf("a decision over the bound: %d entries of %d bytes are kept", len(l.byPrefix), l.bytes)
	}
	for n := range 100 {
		put(n % 2) // again and again the same
	}
	if len(l.byPrefix) != 2 || l.bytes != 2*lasting(Passed, 0).size() {
		t.Errorf("%d entries of %d bytes, want 2", len(l.byPrefix), l.bytes)
	}
}

// Entries are found by the beginning of their key, and are whose they are.
func TestKeysThatBeginAlike(t *testing.T) {
	l := newLRU(3, 1<<20)
	one, other := keyOf(1), keyOf(1)
	other[len(other)-1] = 1
	first, second := lasting(Passed, time.Minute), lasting(Passed, time.Minute)
	l.put(one, 1, first)
	if l.get(other, 1, midnight) != nil {
		t.Error("a decision was found under a key that only begins as its own")
	}
	if l.get(one, 1, midnight) != first {
		t.Error("looking for another key took the decision away")
	}
	l.put(other, 1, second)
	if l.get(one, 1, midnight) != nil || l.get(other, 1, midnight) != second {
		t.Error("want the later one, and it alone")
	}
	if l.bytes != second.size() || l.ends.next != l.ends.prev {
		t.Errorf("%d bytes are counted for one decision of %d", l.bytes, second.size())
	}
}

// A decision as it is remembered of an ordinary client: names of some length, a
// form of what Kong is told.
type fakeForm []byte

func (f fakeForm) Size() int { return len(f) }

func TestAHundredThousandAreRemembered(t *testing.T) {
	c := NewCache()
	const clients = 100_000
	for n := range clients {
		d := lasting(Passed, time.Minute)
		d.Subject = Subject{Name: "CN=client 12345", Issuer: "CN=issuer", Serial: "0123456789abcdef0123456789abcdef"}
		d.FormBy(func(*Decision) Form { return make(fakeForm, 48+448) })
		c.put(keyOf(n), 1, d)
	}
	if n := len(c.passed.byPrefix); n != clients {
		t.Errorf("%d of %d are remembered", n, clients)
	}
	if c.passed.bytes > maxPassedBytes || c.passed.bytes < 80<<20 {
		t.Errorf("they count as %d bytes, of which at most %d are kept", c.passed.bytes, maxPassedBytes)
	}
}

func TestASmallMachineRemembersLess(t *testing.T) {
	c := NewCacheWithin(1 << 20)
	for n := range 10_000 {
		c.put(keyOf(2*n), 1, lasting(Passed, time.Minute))
		c.put(keyOf(2*n+1), 1, lasting(Expired, time.Minute))
	}
	if sum := c.passed.bytes + c.denied.bytes; sum > 1<<20 || sum < 1<<20-1<<10 {
		t.Errorf("%d bytes are kept, want all of a MiB and no more", sum)
	}
	if n := len(c.denied.byPrefix); n == 0 || n > 1<<20/24/lasting(Expired, 0).size() {
		t.Errorf("%d denials are kept", n)
	}
	if huge := NewCacheWithin(1 << 40); huge.passed.maxBytes != maxPassedBytes || huge.denied.maxBytes != maxDeniedBytes {
		t.Errorf("with much memory %d and %d bytes are kept", huge.passed.maxBytes, huge.denied.maxBytes)
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
	if n := len(c.denied.byPrefix); n > maxDenied {
		t.Errorf("%d denials are kept, at most %d should be", n, maxDenied)
	}
}
