//go:build !race

package clientcert_test

import (
	"sort"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/cputime"
)

// TestCostOfParsing measures what is refused, and the most that is parsed.
func TestCostOfParsing(t *testing.T) {
	const size = 48000
	refused := costly(t, size)
	for name, der := range refused {
		text := pemOf(der)
		took := cputime.Of(func() { parseLeaf(text) })
		// Signatures differ in size by a few bytes from call to call.
		largest := sort.Search(size, func(n int) bool {
			_, err := parseLeaf(pemOf(costly(t, max(n, 2000))[name]))
			return err != nil
		}) - 32
		text = pemOf(costly(t, largest)[name])
		var err error
		parsed := cputime.Of(func() { _, err = parseLeaf(text) })
		t.Logf("%s: refused in %v, parsed with %d bytes in %v, %v", name, took, largest, parsed, err)
		if took > 2*time.Millisecond || err != nil || parsed > 4*time.Millisecond {
			t.Errorf("%s: %v, %v, %v", name, took, parsed, err)
		}
	}
}
