package authn

import (
	"runtime"
	"strings"
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

// What upstream_certificate_headers has is counted: the decisions of other, larger
// certificates take no more memory.
func TestTheMemoryOfHeadersIsCounted(t *testing.T) {
	if testing.Short() {
		t.Skip("fills the cache several times")
	}
	for _, sizes := range [][]int{{1294, 1302}, {1294, 1302, 1771, 32, 20, 10, 64}, {8192, 8192, 8192, 32, 100, 100, 64}} {
		before := heap()
		c := NewCache()
		for n := range maxPassed / 4 {
			d := lasting(Passed, time.Minute)
			for _, size := range sizes {
				d.told = append(d.told, Header{headerCert, strings.Repeat("x", size)})
			}
			c.put(keyOf(n), 1, d)
		}
		used := heap() - before
		if c.passed.Size() > maxPassedBytes || used > maxPassedBytes*11/10 {
			t.Errorf("headers of %d bytes: %d decisions count as %d bytes and take %d", sizes, c.passed.Len(), c.passed.Size(), used)
		}
		t.Logf("headers of %d bytes: %d decisions count as %d bytes and take %d", sizes, c.passed.Len(), c.passed.Size(), used)
		runtime.KeepAlive(c)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
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
