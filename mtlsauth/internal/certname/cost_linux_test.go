//go:build !race

package certname_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/cputime"

	"mtls-auth/mtlsauth/internal/certname"
)

// TestCostOfOIDs bounds the names of 46 KB that are the most expensive to
// write down: one arc of that size took 90 to 300 ms.
func TestCostOfOIDs(t *testing.T) {
	const size = 46000
	many := func(one []byte) []byte { return bytes.Repeat(one, size/len(one)) }
	for name, value := range map[string][]byte{
		"registeredID":            context(8, false, oidOf(size)),
		"otherName":               context(0, true, slices.Concat(universalOf(6, oidOf(size)), context(0, true, []byte{5, 0}))),
		"directoryName":           context(4, true, rdnOfType(oidOf(size))),
		"directoryNames of 64":    many(context(4, true, rdnOfType(oidOf(64)))),
		"registeredIDs of 64":     many(context(8, false, oidOf(64))),
		"directoryName, 46 KB CN": context(4, true, rdnSequence(t, []attr{{cn, utf8String, string(bytes.Repeat([]byte("\x01"), size))}})),
	} {
		der := sequence(value)
		took := cputime.Of(func() {
			if names, err := certname.ParseGeneralNames(der); err == nil {
				certname.Join(names)
			}
		})
		t.Logf("%s: %v", name, took)
		if took > 5*time.Millisecond {
			t.Errorf("%s: took %v", name, took)
		}
	}
}
