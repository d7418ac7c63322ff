package crl_test

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"math/big"
	"runtime"
	"testing"

	"mtls-auth/mtlsauth/internal/revocation/crl"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// size is of a list: its entries, and the bytes of a serial number.
type size struct{ entries, serial int }

func (s size) String() string { return fmt.Sprintf("entries=%d/serial=%d", s.entries, s.serial) }

func (s size) der(ca *pki.Certificate) []byte {
	return pki.CRL{Issuer: ca, RawEntries: pki.Serials(s.entries, s.serial)}.DER()
}

var benchmarked = []size{{100, 16}, {10_000, 16}, {1_000_000, 16}, {1_000_000, 20}}

// keptBy returns the heap that a value keeps.
func keptBy(make func() any) int64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	value := make()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(value)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

// BenchmarkLoad is reading and verifying, beside what crypto/x509 takes to do
// the same without an index.
func BenchmarkLoad(b *testing.B) {
	ca := pki.NewCA("ca")
	for _, s := range benchmarked {
		der := s.der(ca)
		report := func(b *testing.B, load func() any) {
			kept := keptBy(load)
			b.SetBytes(int64(len(der)))
			b.ReportAllocs()
			for b.Loop() {
				load()
			}
			b.ReportMetric(float64(kept)/float64(s.entries), "kept-B/entry")
		}
		b.Run(s.String()+"/crl", func(b *testing.B) {
			report(b, func() any {
				l, err := crl.Read(bytes.NewReader(der), crl.ReadOptions{})
				if err == nil {
					err = l.Verify(ca.Read(), 0)
				}
				if err != nil {
					b.Fatal(err)
				}
				return l
			})
		})
		b.Run(s.String()+"/x509", func(b *testing.B) {
			report(b, func() any {
				l, err := x509.ParseRevocationList(der)
				if err == nil {
					err = l.CheckSignatureFrom(ca.Certificate)
				}
				if err != nil {
					b.Fatal(err)
				}
				return l
			})
		})
	}
}

// BenchmarkLookup looks for serial numbers that are on the list and for ones
// that are not; crypto/x509's list is gone through from the start.
func BenchmarkLookup(b *testing.B) {
	ca := pki.NewCA("ca")
	for _, s := range benchmarked {
		der := s.der(ca)
		l := read(b, der)
		serials := make([][]byte, 2*s.entries)
		for i := range serials {
			serials[i] = pki.SerialOf(i, s.serial)
		}
		for _, of := range []string{"hit", "miss"} {
			start := 0
			if of == "miss" {
				start = s.entries
			}
			b.Run(s.String()+"/crl/"+of, func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					i = (i + 7919) % s.entries
					if _, found := l.Lookup(ca.RawSubject, serials[start+i]); found != (start == 0) {
						b.Fatal(i)
					}
				}
			})
		}
		b.Run(s.String()+"/x509/hit", func(b *testing.B) {
			parsed, err := x509.ParseRevocationList(der)
			if err != nil {
				b.Fatal(err)
			}
			i := 0
			for b.Loop() {
				i = (i + 7919) % s.entries
				want := new(big.Int).SetBytes(serials[i])
				found := false
				for _, e := range parsed.RevokedCertificateEntries {
					if e.SerialNumber.Cmp(want) == 0 {
						found = true
						break
					}
				}
				if !found {
					b.Fatal(i)
				}
			}
		})
	}
}

// BenchmarkJudge is what a request pays for a list that is at hand.
func BenchmarkJudge(b *testing.B) {
	ca := pki.NewCA("ca")
	l := read(b, size{1_000_000, 16}.der(ca))
	of := target(b, ca.Client("client"), ca)
	at := now()
	b.ReportAllocs()
	for b.Loop() {
		if got := verdict(of.Judge(l, crl.JudgeOptions{Now: at})); got != "good" {
			b.Fatal(got)
		}
	}
}
