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

func TestCacheKeepsADecisionWhileItIsFresh(t *testing.T) {
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
		t.Error("the wall clock is past the end, and the decision is fresh")
	}
	// A wall clock that was set back: only the monotonic clock has moved on.
	if d.fresh(monotonicBack(now, -61*time.Second)) {
		t.Error("the monotonic clock is past the end, and the decision is fresh")
	}
}

// monotonicBack returns t with its monotonic reading set back and its wall
// clock as it is, which package time has no way to say. The reading is the
// second word of a time.Time.
func monotonicBack(t time.Time, by time.Duration) time.Time {
	*(*int64)(unsafe.Add(unsafe.Pointer(&t), 8)) -= int64(by)
	return t
}

func TestAHundredThousandAreCached(t *testing.T) {
	c := NewCache()
	const clients = 100_000
	for n := range clients {
		d := lasting(Passed, time.Minute)
		d.Subject = Subject{Name: "CN=client 12345", Issuer: "CN=issuer", Serial: "0123456789abcdef0123456789abcdef"}
		d.certDN, d.certSAN = d.Subject.Name, "client.example.com"
		c.put(keyOf(n), 1, d)
	}
	if n := c.passed.Len(); n != clients {
		t.Errorf("%d of %d are cached", n, clients)
	}
	if c.passed.Size() > maxPassedBytes || c.passed.Size() < 60<<20 {
		t.Errorf("they count as %d bytes, of which at most %d are kept", c.passed.Size(), maxPassedBytes)
	}
}

func TestASmallMachineCachesLess(t *testing.T) {
	c := NewCacheWithin(1 << 20)
	for n := range 10_000 {
		c.put(keyOf(2*n), 1, lasting(Passed, time.Minute))
		c.put(keyOf(2*n+1), 1, lasting(Expired, time.Minute))
	}
	if sum := c.passed.Size() + c.denied.Size(); sum > 1<<20 || sum < 1<<20-1<<10 {
		t.Errorf("%d bytes are kept, want all of a MiB and no more", sum)
	}
	if n := c.denied.Len(); n == 0 || int64(n) > 1<<20/19/lasting(Expired, 0).size() {
		t.Errorf("%d denials are kept", n)
	}
}

func TestDenialsNeverPushOutPasses(t *testing.T) {
	c := NewCache()
	const snapshot = 1
	c.put(keyOf(0), snapshot, lasting(Passed, time.Minute))
	for n := range 3 * maxDenied {
		c.put(keyOf(n+1), snapshot, lasting(IssuerNotFound, time.Minute))
	}
	if c.get(keyOf(0), snapshot, midnight) == nil {
		t.Error("a flood of denials pushed out one that passes")
	}
	if n := c.denied.Len(); n > maxDenied {
		t.Errorf("%d denials are kept, at most %d should be", n, maxDenied)
	}
}
