package cputime

import (
	"runtime"
	"syscall"
	"time"
)

// measurements are how many Of takes: what else runs on the machine takes caches
// and clock speed away, so that it only ever adds to one.
const measurements = 3

// Of returns the processor time that f takes on average, in its own goroutine
// alone: the least of three measurements.
func Of(f func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	least := measure(f)
	for range measurements - 1 {
		least = min(least, measure(f))
	}
	return least
}

// measure measures once. The clock may tick in steps of 4 ms, so f runs for at
// least 40 ms, or 1,000 times.
func measure(f func()) time.Duration {
	started := ofThread()
	for runs := 1; ; runs++ {
		f()
		if took := ofThread() - started; took > 40*time.Millisecond || runs == 1000 {
			return took / time.Duration(runs)
		}
	}
}

// ofThread returns the processor time of the calling thread so far.
func ofThread() time.Duration {
	const rusageThread = 1 // RUSAGE_THREAD, getrusage(2)
	var usage syscall.Rusage
	if err := syscall.Getrusage(rusageThread, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
