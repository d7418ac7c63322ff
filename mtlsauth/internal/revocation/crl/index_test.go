package crl_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"mtls-auth/mtlsauth/internal/revocation/crl"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// content returns the content octets of a random positive INTEGER.
func content(r *rand.Rand, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	// Neither negative nor with a zero too many.
	b[0] = b[0]&0x3f | 0x40
	return b
}

// TestIndexIsExact looks up every number of a list, and for each of them the
// ones that differ from it in one bit.
func TestIndexIsExact(t *testing.T) {
	ca := pki.NewCA("ca")
	r := rand.New(rand.NewPCG(1, 2))
	for _, entries := range []int{1, 2, 8, 9, 100, 4000} {
		for _, size := range []int{1, 2, 3, 7, 8, 9, 15, 16, 17, 20, 21, 33, 300} {
			listed := map[string]bool{}
			list := pki.CRL{Issuer: ca}
			for range entries {
				serial := content(r, size)
				listed[string(serial)] = true
				list.Entries = append(list.Entries, pki.CRLEntry{Serial: bigOf(serial)})
			}
			l := read(t, list.DER())
			if !l.Bijective() {
				t.Errorf("%d of %d bytes: a record leaves out what its bucket does not tell", entries, size)
			}
			if l.Len() != entries {
				t.Errorf("%d of %d bytes: Len is %d", entries, size, l.Len())
			}
			for serial := range listed {
				if _, found := l.Lookup(ca.RawSubject, []byte(serial)); !found {
					t.Fatalf("%d of %d bytes: %x is not found", entries, size, serial)
				}
				near := []byte(serial)
				bit := r.IntN(8 * size)
				near[bit/8] ^= 1 << (bit % 8)
				if _, found := l.Lookup(ca.RawSubject, near); found != listed[string(near)] {
					t.Fatalf("%d of %d bytes: %x: found is %v", entries, size, near, found)
				}
			}
			for _, other := range [][]byte{nil, {0}, content(r, size+1), content(r, size+7)} {
				if _, found := l.Lookup(ca.RawSubject, other); found != listed[string(other)] {
					t.Errorf("%d of %d bytes: %x is found", entries, size, other)
				}
			}
		}
	}
}

// TestIndexOfManyLengths mixes all lengths in one list, prefixes and numbers
// padded with zeros among them.
func TestIndexOfManyLengths(t *testing.T) {
	ca := pki.NewCA("ca")
	r := rand.New(rand.NewPCG(3, 4))
	listed := map[string]bool{}
	list := pki.CRL{Issuer: ca}
	for range 3000 {
		serial := content(r, 1+r.IntN(40))
		for _, s := range [][]byte{serial, serial[:1+r.IntN(len(serial))], append(bytes.Clone(serial), 0)} {
			if r.IntN(2) == 0 {
				listed[string(s)] = true
				list.Entries = append(list.Entries, pki.CRLEntry{Serial: bigOf(s)})
			}
		}
	}
	l := read(t, list.DER())
	for serial := range listed {
		for n := 1; n <= len(serial); n++ {
			if _, found := l.Lookup(ca.RawSubject, []byte(serial[:n])); found != listed[serial[:n]] {
				t.Fatalf("%x: found is %v", serial[:n], found)
			}
		}
	}
}

// TestIndexOfRepeatedNumbers has one number so often that its bucket is
// searched by halves, beside others.
func TestIndexOfRepeatedNumbers(t *testing.T) {
	ca := pki.NewCA("ca")
	r := rand.New(rand.NewPCG(5, 6))
	for _, c := range []struct {
		name    string
		reasons []int
		want    crl.Reason
	}{
		{"removed alone", []int{8}, crl.ReasonRemoveFromCRL},
		{"hold alone", []int{6}, crl.ReasonHold},
		{"hold and removed", []int{8, 6}, crl.ReasonHold},
		{"for good, then hold", []int{1, 6}, 1},
		{"hold, then for good", []int{6, 1}, 1},
		{"removed, then for good", []int{8, 10}, 10},
		{"without a reason, then hold", []int{0, 6}, crl.ReasonUnspecified},
	} {
		for _, often := range []int{1, 31, 32, 33, 500} {
			repeated := content(r, 16)
			list := pki.CRL{Issuer: ca}
			var others [][]byte
			for i := range often {
				list.Entries = append(list.Entries, pki.CRLEntry{Serial: bigOf(repeated), Reason: c.reasons[i%len(c.reasons)]})
				others = append(others, content(r, 16))
				list.Entries = append(list.Entries, pki.CRLEntry{Serial: bigOf(others[i]), Reason: 3})
			}
			if often == 1 {
				list.Entries = append(list.Entries, pki.CRLEntry{Serial: bigOf(repeated), Reason: c.reasons[len(c.reasons)-1]})
			}
			l := read(t, list.DER())
			if got, found := l.Lookup(ca.RawSubject, repeated); !found || got != c.want {
				t.Errorf("%s, %d times: got %v, %v, want %v", c.name, often, got, found, c.want)
			}
			for _, serial := range others {
				if got, found := l.Lookup(ca.RawSubject, serial); !found || got != 3 {
					t.Errorf("%s, %d times: beside it got %v, %v", c.name, often, got, found)
				}
				serial[0] ^= 1
				if _, found := l.Lookup(ca.RawSubject, serial); found {
					t.Errorf("%s, %d times: found what is not listed", c.name, often)
				}
			}
		}
	}
}

func TestReasons(t *testing.T) {
	ca := pki.NewCA("ca")
	names := map[int]string{
		0: "unspecified", 1: "keyCompromise", 2: "cACompromise", 3: "affiliationChanged", 4: "superseded", 5: "cessationOfOperation",
		6: "certificateHold", 7: "unspecified", 8: "removeFromCRL", 9: "privilegeWithdrawn", 10: "aACompromise",
		// Not known, but revoked.
		11: "unspecified", 64: "unspecified", 134: "unspecified", 264: "unspecified", -1: "unspecified", -250: "unspecified",
	}
	list := pki.CRL{Issuer: ca}
	for code := range names {
		list.Entries = append(list.Entries, pki.CRLEntry{Serial: bigOf([]byte{1, byte(code), byte(code >> 8)}), Reason: code})
	}
	l := read(t, list.DER())
	for code, want := range names {
		if got, found := l.Lookup(ca.RawSubject, []byte{1, byte(code), byte(code >> 8)}); !found || got.String() != want {
			t.Errorf("reason %d: got %v, %v, want %s", code, got, found, want)
		}
	}
}
