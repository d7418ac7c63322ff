package role

import (
	"bufio"
	"bytes"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	usageCommand  = "usage"
	settleCommand = "settle"
)

// Usage is what a process has used since it began, and what it holds now.
type Usage struct {
	CPU     time.Duration // user and system
	Allocs  uint64        // objects
	Bytes   uint64        // of those objects
	Writes  int64         // calls of write(2) and its like; -1 where nobody counts
	Reads   int64         // of read(2)
	Memory  int64         // resident, in bytes; -1 where nobody tells
	Heap    uint64        // what is live, in bytes
	Gos     int           // goroutines
	Handles int           // open descriptors; -1 where nobody tells
}

// usage reads the processor time first: what reading the rest costs belongs to
// nobody's requests.
func usage() Usage {
	cpu := processTime()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := Usage{
		CPU: cpu, Allocs: m.Mallocs, Bytes: m.TotalAlloc, Heap: m.HeapAlloc,
		Gos:   runtime.NumGoroutine(),
		Reads: fieldOf("/proc/self/io", "syscr:"), Writes: fieldOf("/proc/self/io", "syscw:"),
		Memory: fieldOf("/proc/self/status", "VmRSS:"), Handles: -1,
	}
	if u.Memory > 0 {
		u.Memory <<= 10
	}
	if list, err := os.ReadDir("/proc/self/fd"); err == nil {
		u.Handles = len(list) - 1 // the one that reads the folder
	}
	return u
}

// Since returns what was used between another reading and this one. What is
// held stays as it is.
func (u Usage) Since(before Usage) Usage {
	u.CPU -= before.CPU
	u.Allocs -= before.Allocs
	u.Bytes -= before.Bytes
	if u.Writes >= 0 {
		u.Writes -= before.Writes
		u.Reads -= before.Reads
	}
	return u
}

func processTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err) // it has no way to fail
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// fieldOf reads a number that follows a word at the beginning of a line; -1
// where it is not there.
func fieldOf(file, word string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return -1
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && fields[0] == word {
			if n, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				return n
			}
		}
	}
	return -1
}
