package engine

import (
	"math"
	"runtime"
	"testing"
	"testing/fstest"
)

func TestAvailableMemory(t *testing.T) {
	const machine = "MemTotal:        8000000 kB\nMemFree:         100 kB\n"
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for name, test := range map[string]struct {
		files fstest.MapFS
		want  int64
	}{
		"nothing is known":          {fstest.MapFS{}, 0},
		"no control group":          {fstest.MapFS{"proc/meminfo": file(machine)}, 8_000_000 << 10},
		"a control group with less": {fstest.MapFS{"proc/meminfo": file(machine), "proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("1048576\n")}, 1 << 20},
		"one around it with less": {fstest.MapFS{"proc/meminfo": file(machine), "proc/self/cgroup": file("0::/a/b\n"),
			"sys/fs/cgroup/a/b/memory.max": file("max\n"), "sys/fs/cgroup/a/memory.max": file("2097152\n")}, 2 << 20},
		"the container's own root": {fstest.MapFS{"proc/meminfo": file(machine), "proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("3145728\n")}, 3 << 20},
		"version 1": {fstest.MapFS{"proc/meminfo": file(machine), "proc/self/cgroup": file("5:cpu:/x\n4:memory:/kube/pod\n"),
			"sys/fs/cgroup/memory/kube/pod/memory.limit_in_bytes": file("4194304\n")}, 4 << 20},
		"a group without a limit": {fstest.MapFS{"proc/meminfo": file(machine), "proc/self/cgroup": file("0::/a\n"), "sys/fs/cgroup/a/memory.max": file("max\n")}, 8_000_000 << 10},
		"rubbish":                 {fstest.MapFS{"proc/meminfo": file("MemTotal: x kB\n"), "proc/self/cgroup": file("0\n::\n")}, 0},
	} {
		if got := availableMemory(test.files); got != test.want {
			t.Errorf("%s: got %d, want %d", name, got, test.want)
		}
	}
}

func TestMemoryGuard(t *testing.T) {
	if (&memoryGuard{limit: math.MaxInt64}).isFull() {
		t.Error("without a limit the memory is full")
	}
	runtime.GC() // whose result it goes by
	full := &memoryGuard{limit: 1}
	for range 2 { // measured, and as measured before
		if !full.isFull() {
			t.Error("with a limit of one byte there is room")
		}
	}
}
