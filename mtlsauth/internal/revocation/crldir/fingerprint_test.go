package crldir_test

import (
	"bytes"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/crl"
	"mtls-auth/mtlsauth/internal/revocation/crldir"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// FuzzFingerprint compares a file with the DER in it: whatever is accepted as
// PEM has the fingerprint of its DER, in whatever parts it is read, and so no
// two lists have the same.
func FuzzFingerprint(f *testing.F) {
	ca := pki.NewCA("one")
	for i := range 3 {
		der := newList(f, ca, int64(1)<<(8*i), time.Hour)
		f.Add(der, 1)
		f.Add(pemOf(der), 7)
		f.Add(bytes.ReplaceAll(pemOf(der), []byte("\n"), []byte(" \r\n")), 64)
		f.Add(append([]byte("\n\t "), append(pemOf(der), " \n"...)...), 1000)
	}
	f.Fuzz(func(t *testing.T, data []byte, part int) {
		list, err := crl.Read(bytes.NewReader(data), crl.ReadOptions{AllowSHA1: true})
		if err != nil {
			return
		}
		part = max(part, 1)
		sum := crldir.Fingerprint(data, part)
		if whole := crldir.Fingerprint(data, len(data)); whole != sum {
			t.Errorf("in parts of %d bytes another fingerprint than as a whole", part)
		}
		if first := bytes.TrimLeft(data, " \t\r\n")[0]; first != '-' {
			return
		}
		der := derOf(t, data)
		if crldir.Fingerprint(der, 100) != sum {
			t.Errorf("another fingerprint than its DER, of %d entries", list.Len())
		}
	})
}

func TestFingerprintsDiffer(t *testing.T) {
	ca := pki.NewCA("one")
	seen := map[[32]byte]int{}
	for i := range 20 {
		der := newList(t, ca, int64(i), time.Hour)
		for form, data := range [][]byte{der, pemOf(der)} {
			sum := crldir.Fingerprint(data, 10)
			if other, ok := seen[sum]; ok != (form == 1) || ok && other != i {
				t.Errorf("list %d, form %d: is the fingerprint known: %t, of %d", i, form, ok, other)
			}
			seen[sum] = i
		}
	}
}
