package authn

import (
	"sync/atomic"
	"testing"
	"time"
)

// However many other certificates of a trusted CA come, those in use stay: each
// of these comes again within as many others as the cache has room for.
func TestAFloodPushesOutNoneInUse(t *testing.T) {
	const flood, inUse, every = 200_000, 1000, 50
	c := NewCache()
	var used []*Decision
	for n := range inUse {
		used = append(used, lasting(Passed, time.Minute))
		c.put(keyOf(n), 1, used[n])
	}
	for n := range flood {
		c.put(keyOf(inUse+n), 1, lasting(Passed, time.Minute))
		if n%every == 0 {
			next := n / every % inUse
			if c.get(keyOf(next), 1, midnight) != used[next] {
				t.Fatalf("after %d others, client %d must be verified again", n, next)
			}
		}
	}
	if n := c.passed.Len(); n > maxPassed || c.passed.Size() > maxPassedBytes {
		t.Errorf("%d decisions of %d bytes are kept", n, c.passed.Size())
	}
}

// BenchmarkCacheGet is the time of one lookup in the cache, with a hundred thousand
// decisions in it, by one goroutine and by many at once, and by many while others
// are put in.
func BenchmarkCacheGet(b *testing.B) {
	c := NewCache()
	for n := range maxPassed {
		c.put(keyOf(n), 1, lasting(Passed, time.Minute))
	}
	get := func(b *testing.B, n int) {
		if c.get(keyOf(n), 1, midnight) == nil {
			b.Error("not found")
		}
	}
	b.Run("alone", func(b *testing.B) {
		for n := range b.N {
			get(b, n*7919%1000)
		}
	})
	b.Run("64-at-once", func(b *testing.B) {
		b.SetParallelism(64)
		var next atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for n := int(next.Add(1)); pb.Next(); n++ {
				get(b, n*7919%1000)
			}
		})
	})
	b.Run("64-at-once-in-a-flood", func(b *testing.B) {
		b.SetParallelism(64)
		var next atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for n := int(next.Add(1)); pb.Next(); n++ {
				if n%10 == 0 {
					c.put(keyOf(maxPassed+int(next.Add(1))), 1, lasting(Passed, time.Minute))
					continue
				}
				get(b, n*7919%1000)
			}
		})
	})
}
