package realkong

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// WorkerTime returns how much processor time, user and system, Kong's workers
// have used since they began. It knows them from /proc, as nginx's children, and
// is an error where that is not there.
func (k *Kong) WorkerTime() (time.Duration, error) {
	master, err := k.master()
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	err = children("/proc", master, func(_ int, s stat) { sum += s.used })
	return sum, err
}

// Workers returns the process ids of Kong's workers, as WorkerTime knows them.
func (k *Kong) Workers() ([]int, error) {
	master, err := k.master()
	if err != nil {
		return nil, err
	}
	var pids []int
	err = children("/proc", master, func(pid int, _ stat) { pids = append(pids, pid) })
	return pids, err
}

// master returns the process id of nginx's master.
func (k *Kong) master() (int, error) {
	text, err := os.ReadFile(filepath.Join(k.opts.Prefix, "pids", "nginx.pid"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// children calls a function for each child of a process. It is an error if there
// is none.
func children(proc string, parent int, found func(pid int, s stat)) error {
	files, err := filepath.Glob(filepath.Join(proc, "[0-9]*", "stat"))
	if err != nil {
		return err
	}
	some := false
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		p, err := parseStat(text)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			continue // no process's folder
		}
		if p.parent == parent {
			some = true
			found(pid, p)
		}
	}
	if !some {
		return fmt.Errorf("process %d has no children in %s", parent, proc)
	}
	return nil
}

// stat is what is read of /proc/PID/stat (proc_pid_stat(5)).
type stat struct {
	parent int
	used   time.Duration
}

func parseStat(text []byte) (stat, error) {
	// The second field is a name in parentheses that may have anything in it.
	_, rest, ok := bytes.Cut(text[max(0, bytes.LastIndexByte(text, ')')):], []byte(") "))
	fields := strings.Fields(string(rest))
	const parent, user, system = 1, 11, 12
	if !ok || len(fields) <= system {
		return stat{}, errors.New("too few fields")
	}
	var n [3]int64
	for i, field := range []int{parent, user, system} {
		var err error
		if n[i], err = strconv.ParseInt(fields[field], 10, 64); err != nil {
			return stat{}, err
		}
	}
	const tick = time.Second / 100 // USER_HZ, the same on every Linux that Go runs on
	return stat{int(n[0]), time.Duration(n[1]+n[2]) * tick}, nil
}
