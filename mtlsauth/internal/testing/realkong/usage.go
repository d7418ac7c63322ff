package realkong

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// WorkerTime returns how much processor time Kong's workers have used since they began.
func (k *Kong) WorkerTime() (time.Duration, error) {
	pids, err := k.Workers()
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, pid := range pids {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "schedstat"))
		if err != nil {
			return 0, err
		}
		spent, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(spent, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading schedstat: %w", err)
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// Workers returns the process ids of Kong's workers: nginx's children, by Linux's /proc.
func (k *Kong) Workers() ([]int, error) {
	master, err := k.master()
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		// The second field is a name in parentheses that may have anything in it; the fourth
		// is the parent (proc_pid_stat(5)).
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && len(fields) > 1 && string(fields[1]) == strconv.Itoa(master) {
			pids = append(pids, pid)
		}
	}
	if len(pids) == 0 {
		return nil, fmt.Errorf("nginx's process %d has no children", master)
	}
	return pids, nil
}

// master returns the process id of nginx's master.
func (k *Kong) master() (int, error) {
	text, err := os.ReadFile(filepath.Join(k.opts.Prefix, "pids", "nginx.pid"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}
