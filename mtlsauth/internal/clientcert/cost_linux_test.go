//go:build !race

package clientcert_test

import (
	"runtime"
	"sort"
	"syscall"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/clientcert"
)

// cpuTime returns the CPU time that f takes on average; the clock may tick in
// steps of 4 ms.
func cpuTime(f func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	now := func() time.Duration {
		const rusageThread = 1 // RUSAGE_THREAD, getrusage(2)
		var usage syscall.Rusage
		if err := syscall.Getrusage(rusageThread, &usage); err != nil {
			panic(err)
		}
		return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	started := now()
	for runs := 1; ; runs++ {
		f()
		if took := now() - started; took > 40*time.Millisecond || runs == 1000 {
			return took / time.Duration(runs)
		}
	}
}

// TestCostOfParsing measures what is refused, and the most that is parsed.
func TestCostOfParsing(t *testing.T) {
	const size = 48000
	refused := costly(t, size)
	for name, der := range refused {
		text := pemOf(der)
		took := cpuTime(func() { clientcert.ParseLeaf(text) })
		// Signatures differ in size by a few bytes from call to call.
		largest := sort.Search(size, func(n int) bool {
			_, err := clientcert.ParseLeaf(pemOf(costly(t, max(n, 2000))[name]))
			return err != nil
		}) - 32
		text = pemOf(costly(t, largest)[name])
		var err error
		parsed := cpuTime(func() { _, err = clientcert.ParseLeaf(text) })
		t.Logf("%s: refused in %v, parsed with %d bytes in %v, %v", name, took, largest, parsed, err)
		if took > 2*time.Millisecond || err != nil || parsed > 4*time.Millisecond {
			t.Errorf("%s: %v, %v, %v", name, took, parsed, err)
		}
	}
}
