package crldir_test

import (
	"bytes"
	"context"
	"encoding/asn1"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/revocation/crldir"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// bigList makes a CRL with so many entries, which crypto/x509 would take
// half a minute for. Its signature is none, which is for others to see.
func bigList(t testing.TB, ca *pki.Certificate, entries int, nextUpdate time.Time) []byte {
	t.Helper()
	algorithm := func(b *cryptobyte.Builder) {
		b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}) // ecdsa-with-SHA256
		})
	}
	var b cryptobyte.Builder
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(1)
			algorithm(b)
			b.AddBytes(ca.RawSubject)
			b.AddASN1UTCTime(time.Now().UTC())
			if !nextUpdate.IsZero() {
				b.AddASN1UTCTime(nextUpdate.UTC())
			}
			if entries == 0 {
				return
			}
			b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(bigEntries(entries)) })
		})
		algorithm(b)
		b.AddASN1BitString([]byte{0x30, 0})
	})
	der, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// bigEntries makes entries that differ in their serial numbers alone.
func bigEntries(n int) []byte {
	const first = 1 << 40
	var b cryptobyte.Builder
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(first)
		b.AddASN1UTCTime(time.Now().UTC())
	})
	out := bytes.Repeat(b.BytesOrPanic(), n)
	for i := range n {
		entry := out[i*len(out)/n:]
		binary.BigEndian.PutUint32(entry[6:], uint32(i)) // the last four of six octets
	}
	return out
}

// While a list of a million entries is read, and when it takes the place of
// another, lookups go on and find one of them.
func TestMillionEntries(t *testing.T) {
	if testing.Short() {
		t.Skip("a large CRL")
	}
	ca := pki.NewCA("one")
	dir := t.TempDir()
	write(t, dir+"/a", newList(t, ca, 1, time.Hour))
	var lookups atomic.Int64
	var reading atomic.Bool
	during := int64(0)
	f := crldir.Open(dir, crldir.Options{Every: 10 * time.Millisecond, Release: func(int) {}, Reserve: func(int) error {
		if reading.CompareAndSwap(true, false) {
			// The look is in the middle of the list. If a lookup waited for it, this
			// would never end.
			for from := lookups.Load(); lookups.Load() < from+1000; {
				time.Sleep(time.Millisecond)
			}
			during++
		}
		return nil
	}})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { f.Run(ctx) })
	<-f.Ready()
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				lists := f.Complete(ca.RawSubject)
				if len(lists) != 1 {
					t.Errorf("got %d lists, want 1", len(lists))
					return
				}
				f.Generation()
				if err := f.Err(); err != nil {
					t.Error(err)
					return
				}
				lookups.Add(1)
				time.Sleep(10 * time.Microsecond) // the reader is to get on as well
			}
		})
	}
	before := f.Generation()
	der := bigList(t, ca, 1_000_000, time.Now().Add(time.Hour))
	reading.Store(true)
	replace(t, dir+"/a", der)
	for f.Generation() == before {
		time.Sleep(time.Millisecond)
	}
	if got := f.Complete(ca.RawSubject)[0].Len(); got != 1_000_000 {
		t.Errorf("got a list of %d entries", got)
	}
	cancel()
	wg.Wait()
	if during == 0 {
		t.Error("no lookup was made during the reading")
	}
}

// Files come and go, reloads are asked for, and lookups never see what was not
// there: run with -race.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	ca := pki.NewCA("one")
	dir := t.TempDir()
	stays, first, second := newList(t, ca, 1, time.Hour), newList(t, ca, 2, 2*time.Hour), newList(t, ca, 3, 3*time.Hour)
	write(t, dir+"/stays", stays)
	f := crldir.Open(dir, crldir.Options{Every: time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { f.Run(ctx) })
	<-f.Ready()
	var generations atomic.Int64
	for range 2 {
		wg.Go(func() {
			last := f.Generation()
			for ctx.Err() == nil {
				switch got := numbers(f.Complete(ca.RawSubject)); got {
				case "1", "1 2", "1 3":
				default:
					t.Errorf("got lists %q", got)
					return
				}
				if now := f.Generation(); now < last {
					t.Errorf("generation %d after %d", now, last)
				} else if now > last {
					last = now
					generations.Add(1)
				}
				f.Deltas(ca.RawSubject)
				f.Reload()
				if err := f.Err(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 150 {
		replace(t, dir+"/comes", [][]byte{first, second}[i%2])
		time.Sleep(time.Millisecond)
		if i%3 == 2 {
			remove(t, dir+"/comes")
		}
	}
	cancel()
	wg.Wait()
	if generations.Load() == 0 {
		t.Error("no reader saw a change")
	}
}
