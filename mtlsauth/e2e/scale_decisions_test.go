package e2e

import (
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// manyClients calls do with so many certificates, from as many goroutines as
// there are processors. They share a key: to make as many would take minutes,
// and none of them signs anything.
func manyClients(ca *pki.Certificate, n int, do func(i int, pem string)) {
	key := ca.Client("key").Key
	var wg sync.WaitGroup
	for first := range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := first; i < n; i += runtime.GOMAXPROCS(0) {
				do(i, ca.Client("client "+strconv.Itoa(i), pki.Key(key)).PEM())
			}
		})
	}
	wg.Wait()
}

// The decisions about a hundred thousand clients must fit in 84 MiB, with what the
// access log says of each: here a fourth of them, since they take long to make, in a
// fourth; the first of them as well.
func TestMemoryOfRememberedDecisions(t *testing.T) {
	ofCost(t, pluginServerMode)
	const clients, most, first = 25_000, 21 * MiB, 1000
	authorities, ids := manyCAs(1)
	s := newServer(t, authorities)
	k := s.kong(1)
	config := k.load(0, ids, map[string]any{"authenticated_group_by": "CN"})
	known := authorities[ids[0]].Client("a client").PEM()
	k.expect("a client", config, known, 0)
	firsts := make([]string, first)
	before := liveHeap()
	manyClients(authorities[ids[0]], clients-1, func(i int, pem string) {
		if status := k.present(config, pem); status != 0 {
			t.Errorf("client %d: got status %d, want a pass", i, status)
		}
		if i < first {
			firsts[i] = pem
		}
	})
	atMost(t, "live heap", liveHeap()-before, most)
	warm := mallocs(func() {
		for range first {
			k.expect("the client", config, known, 0)
		}
	})
	// What is decided again takes four times as many.
	if again := mallocs(func() {
		for i, pem := range firsts {
			k.expect(fmt.Sprintf("client %d", i), config, pem, 0)
		}
	}); again > warm*3/2 {
		t.Errorf("%d clients whose decisions should be cached took %d allocations, one of them so many times %d", first, again, warm)
	}
}

// mallocs is how many allocations do makes.
func mallocs(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}
