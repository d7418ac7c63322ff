package engine

import (
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// memoryShare is the part of the machine's or the container's memory that
	// this side process of a gateway takes at most.
	memoryShare = 4
	// minMemory is what it needs to be of use, maxMemory more than it has use
	// for: a hundred thousand cached decisions take below 78 MiB.
	minMemory, maxMemory = 128 << 20, 4 << 30
)

// Each cache takes at most a part of the limit, so that a small
// machine caches less and no cache fills the memory for good: CRLs a half (see
// openStatus), decisions an eighth, consumers a sixteenth. The guard's three
// fourths leave room for what cannot be bounded so, configurations above all.
const (
	decisionShare = 8
	lookupShare   = 16
)

// limitMemory sets Go's memory limit, unless GOMEMLIMIT has, and returns it.
//
// GOMAXPROCS needs no such thing: the runtime goes by the processors and by the
// control group's limit (cpu.max), and looks again as they change. Neither does
// GOGC: of the processor time of 25,000 new and 100,000 cached requests the
// collector took 2.3 % with 100, 1.3 % with 200 and 0.8 % with 400, and the
// process was 60, 75 and 98 MiB large. Both can be set in the environment.
func limitMemory() int64 {
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		return limit
	}
	limit := int64(minMemory)
	if total := availableMemory(os.DirFS("/")); total > 0 {
		limit = min(max(total/memoryShare, minMemory), maxMemory)
	}
	debug.SetMemoryLimit(limit)
	return limit
}

// availableMemory is the memory of the machine, or of the control group (version
// 2 or 1) where that has less, in bytes; 0 where it is unknown.
func availableMemory(root fs.FS) int64 {
	total := int64(0)
	less := func(n int64) {
		if n > 0 && (total == 0 || n < total) {
			total = n
		}
	}
	if text, err := fs.ReadFile(root, "proc/meminfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "MemTotal:" {
				n, _ := strconv.ParseInt(fields[1], 10, 64)
				less(n << 10)
			}
		}
	}
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return total
	}
	for line := range strings.Lines(string(groups)) {
		// hierarchy:controllers:path; the path may not be that seen from here.
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 {
			continue
		}
		folder, file := "sys/fs/cgroup", "memory.max"
		if parts[0] != "0" {
			if !strings.Contains(","+parts[1]+",", ",memory,") {
				continue
			}
			folder, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		// What a group may use is bounded by those around it.
		for at := path.Clean("/" + parts[2]); ; at = path.Dir(at) {
			if text, err := fs.ReadFile(root, path.Join(folder, at, file)); err == nil {
				n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64) // "max" is not a number: no limit
				less(n)
			}
			if at == "/" {
				break
			}
		}
	}
	return total
}

// memoryGuard tells when the memory that is in use comes near the limit.
type memoryGuard struct {
	limit int64
	next  atomic.Int64 // Unix nanoseconds from which on it is measured again
	full  atomic.Bool
}

const (
	// measureEvery is how old what the guard says may be.
	measureEvery = 50 * time.Millisecond
	// fullAt is the part of the limit that what is in use may take, in per cent:
	// beyond it the collector has ever less room, and takes ever more time.
	fullAt = 75
)

// isFull reports that what survived the last collection is near the limit.
func (g *memoryGuard) isFull() bool {
	now := time.Now().UnixNano()
	next := g.next.Load()
	if now < next || !g.next.CompareAndSwap(next, now+int64(measureEvery)) {
		return g.full.Load()
	}
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	full := sample[0].Value.Kind() == metrics.KindUint64 && int64(sample[0].Value.Uint64()) > g.limit/100*fullAt
	g.full.Store(full)
	return full
}
