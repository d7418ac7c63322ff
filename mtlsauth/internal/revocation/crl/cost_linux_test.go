//go:build !race

// The race detector slows hashing and copying differently, and takes memory of
// its own.

package crl_test

import (
	"bytes"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/cputime"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// A wrong way to do it takes several times as long as these; how long it takes
// on a machine with nothing else to do, a third of them and less, is for the
// benchmarks to say.
const (
	maxRead   = time.Second
	maxLookup = 2 * time.Microsecond
)

// TestCostOfAMillion bounds what a list of a million entries costs: to load,
// to keep, at its peak, and to look up in.
func TestCostOfAMillion(t *testing.T) {
	if testing.Short() {
		t.Skip("about time and memory")
	}
	const million = 1_000_000
	ca := pki.NewCA("ca")
	for _, c := range []struct {
		serial int
		kept   float64 // bytes an entry
	}{{8, 8.5}, {16, 17}, {20, 20}} {
		s := size{million, c.serial}
		der := s.der(ca)
		took := cputime.Of(func() { read(t, der) })
		if took > maxRead {
			t.Errorf("%v: reading took %v", s, took)
		}
		var kept int64
		peak := peakOver(func() { kept = keptBy(func() any { return read(t, der) }) })
		if perEntry := float64(kept) / million; perEntry > c.kept {
			t.Errorf("%v: keeps %.2f bytes an entry", s, perEntry)
		}
		above := peak - kept
		if above > 25<<20 {
			t.Errorf("%v: at the peak %d bytes more than are kept", s, above)
		}
		l := read(t, der)
		if got := int64(l.Size()); got < kept*9/10 || got > kept*11/10 {
			t.Errorf("%v: Size is %d, but %d are kept", s, got, kept)
		}
		lookup := cputime.Of(func() {
			for i := range 10_000 {
				serial := pki.SerialOf(i*89, c.serial)
				if _, found := l.Lookup(ca.RawSubject, serial); !found {
					t.Fatal(i)
				}
			}
		}) / 10_000
		if lookup > maxLookup {
			t.Errorf("%v: a lookup took %v", s, lookup)
		}
		serial := pki.SerialOf(1, c.serial)
		if n := testing.AllocsPerRun(100, func() { l.Lookup(ca.RawSubject, serial) }); n != 0 {
			t.Errorf("%v: a lookup allocates %v times", s, n)
		}
		t.Logf("%v: %d bytes, read in %v, keeps %.2f bytes an entry, at most %.1f MB above, lookup in %v",
			s, len(der), took, float64(kept)/million, float64(above)/(1<<20), lookup)
	}
}

// peakOver returns the most heap that f takes above what there was.
func peakOver(f func()) int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	heap := func() int64 {
		metrics.Read(sample)
		return int64(sample[0].Value.Uint64())
	}
	runtime.GC()
	before, most := heap(), int64(0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			most = max(most, heap())
			select {
			case <-stop:
				return
			case <-time.After(500 * time.Microsecond):
			}
		}
	}()
	f()
	close(stop)
	<-stopped
	return most - before
}

// TestCostOfOneBucket bounds a list of one number over and over: all its
// entries share a bucket.
func TestCostOfOneBucket(t *testing.T) {
	if testing.Short() {
		t.Skip("a test of cost")
	}
	ca := pki.NewCA("ca")
	entry := pki.Serials(1, 16)
	der := pki.CRL{Issuer: ca, RawEntries: bytes.Repeat(entry, 500_000)}.DER()
	took := cputime.Of(func() { read(t, der) })
	l := read(t, der)
	serial := pki.SerialOf(0, 16)
	lookup := cputime.Of(func() {
		for range 1000 {
			if _, found := l.Lookup(ca.RawSubject, serial); !found {
				t.Fatal("not found")
			}
		}
	}) / 1000
	t.Logf("read in %v, lookup in %v", took, lookup)
	if took > 500*time.Millisecond || lookup > 5*time.Microsecond {
		t.Errorf("read in %v, lookup in %v", took, lookup)
	}
}
