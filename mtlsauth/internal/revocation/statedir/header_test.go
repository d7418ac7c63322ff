package statedir_test

import (
	"bytes"
	"crypto/sha256"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/statedir"
)

// FuzzHeader: a header is refused and says nothing, or is the one that would be
// written for what it says. The checksum is made to fit, or nothing but it would
// be tested.
func FuzzHeader(f *testing.F) {
	f.Add(statedir.MakeHeader(statedir.OCSP, key(1), statedir.Meta{Fetched: time.Unix(1e9, 1)}))
	f.Add(statedir.MakeHeader(statedir.CRL, key(2), statedir.Meta{ETag: `"a"`, LastModified: "then"}))
	f.Add([]byte("mtlsst\x00\x01"))
	long := statedir.MakeHeader(statedir.CRL, key(2), statedir.Meta{})
	long[8+1+32+8+32+8], long[8+1+32+8+32+9] = 0xff, 0xff // an ETag that goes beyond
	f.Add(long)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == statedir.HeaderSize {
			sum := sha256.Sum256(data[:statedir.HeaderSize-sha256.Size])
			copy(data[statedir.HeaderSize-sha256.Size:], sum[:])
		}
		kind, key, meta, again, err := statedir.ParseHeader(data)
		if err != nil {
			if kind != 0 || key != (statedir.Key{}) || meta != (statedir.Meta{}) {
				t.Error("refused, and yet it says something")
			}
			return
		}
		if !bytes.Equal(again, data) {
			t.Error("it is not what would be written for what it says")
		}
	})
}
