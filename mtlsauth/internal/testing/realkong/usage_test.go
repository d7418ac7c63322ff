package realkong

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// A process's children are found, and no others.
func TestChildren(t *testing.T) {
	proc := t.TempDir()
	for pid, text := range map[int]string{
		7:  "7 (nginx: ) 9 (x) S 1 7 7 0 -1 1 2 3 4 5 1000 1000 0 0 20\n",
		8:  "8 (nginx) S 7 7 7 0 -1 1 2 3 4 5 100 20 9 9 20\n",
		9:  "9 (ng) (inx) R 7 7 7 0 -1 1 2 3 4 5 3 4 9 9 20\n",
		10: "10 (other) R 8 7 7 0 -1 1 2 3 4 5 500 500 9 9 20\n",
	} {
		dir := filepath.Join(proc, fmt.Sprint(pid))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "stat"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var got time.Duration
	var pids []int
	err := children(proc, 7, func(pid int, s stat) { got, pids = got+s.used, append(pids, pid) })
	slices.Sort(pids)
	if want := 1270 * time.Millisecond; err != nil || got != want || !slices.Equal(pids, []int{8, 9}) {
		t.Errorf("got %v of %v (%v), want %v of 8 and 9", got, pids, err, want)
	}
	if err := children(proc, 10, func(int, stat) { t.Error("a child of no process") }); err == nil {
		t.Error("a process without children has them")
	}
	for _, text := range []string{"", "7", "7 (a", "7 (a) S 1 7", "7 (a) S x 7 7 0 -1 1 2 3 4 5 1 1 0"} {
		if p, err := parseStat([]byte(text)); err == nil {
			t.Errorf("%q: got %+v", text, p)
		}
	}
}

// Where no Kong runs, nothing is known of its workers.
func TestWorkerTimeWithoutKong(t *testing.T) {
	k := &Kong{opts: Options{}}
	k.opts.Prefix = t.TempDir()
	if used, err := k.WorkerTime(); err == nil {
		t.Errorf("got %v", used)
	}
	if pids, err := k.Workers(); err == nil {
		t.Errorf("got %v", pids)
	}
}
