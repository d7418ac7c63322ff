package role_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/bench/role"
)

func TestMain(m *testing.M) {
	role.Main(map[string]role.Start{
		"worker": role.Of(func(name string) (role.Part, error) {
			if name == "" {
				return nil, errors.New("no name")
			}
			return worker(name), nil
		}),
	})
	os.Exit(m.Run())
}

// worker is a part that uses things up as it is told.
type worker string

var kept [][]byte

func (w worker) Do(command string, argument json.RawMessage) (any, error) {
	switch command {
	case "name":
		return string(w), nil
	case "compute":
		block := make([]byte, 1<<20)
		for range 200 {
			sha256.Sum256(block)
		}
	case "allocate":
		for range 1000 {
			kept = append(kept, make([]byte, 4096))
		}
	case "write":
		for range 50 {
			f, _ := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
			f.Write([]byte("x"))
			f.Close()
		}
	default:
		return nil, errors.New("no such command")
	}
	return nil, nil
}

func (w worker) Close() error {
	if w == "stubborn" {
		return errors.New("it does not end well")
	}
	return nil
}

func TestCommands(t *testing.T) {
	p, err := role.Run("worker", "anna")
	if err != nil {
		t.Fatal(err)
	}
	var name string
	if err := p.Do("name", nil, &name); err != nil || name != "anna" {
		t.Errorf("got %q (%v), want anna", name, err)
	}
	if err := p.Do("sleep", nil, nil); err == nil || !strings.Contains(err.Error(), "no such command") {
		t.Errorf("a command that it does not have: got %v", err)
	}
	if err := p.Do("name", nil, &name); err != nil {
		t.Errorf("after an error: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := p.Do("name", nil, nil); err == nil {
		t.Error("a process that has ended answered")
	}
}

func TestWhatFails(t *testing.T) {
	if _, err := role.Run("worker", ""); err == nil || !strings.Contains(err.Error(), "no name") {
		t.Errorf("a part that does not start: got %v", err)
	}
	if _, err := role.Run("nobody", "anna"); err == nil {
		t.Error("a role that is not there: no error")
	}
	p, err := role.Run("worker", "stubborn")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err == nil {
		t.Error("the end of one that fails at its end: no error")
	}
}

// What is measured is what the process did, as near as it can be told.
func TestUsage(t *testing.T) {
	p, err := role.Run("worker", "anna")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	during := func(command string) role.Usage {
		t.Helper()
		if err := p.Settle(); err != nil {
			t.Fatal(err)
		}
		before, err := p.Usage()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Do(command, nil, nil); err != nil {
			t.Fatal(err)
		}
		after, err := p.Usage()
		if err != nil {
			t.Fatal(err)
		}
		return after.Since(before)
	}
	nothing, something := during("name").CPU, during("compute").CPU
	if something < 10*time.Millisecond || nothing > something/2 {
		t.Errorf("doing nothing took %v of the processor, and hashing 200 MB %v", nothing, something)
	}
	during("allocate") // so that what was before is not little
	u := during("allocate")
	if u.Allocs < 1000 || u.Allocs > 3000 || u.Bytes < 4096*1000 || u.Bytes > 2*4096*1000 {
		t.Errorf("1000 objects of 4 KiB are counted as %d of %d bytes", u.Allocs, u.Bytes)
	}
	if u.Heap < 4096*1000 {
		t.Errorf("%d bytes are live, with 4 MB kept", u.Heap)
	}
	if u.Writes < 0 {
		t.Skip("nobody counts system calls here")
	}
	if quiet, writes := during("name").Writes, during("write").Writes; writes < quiet+50 || writes > quiet+120 {
		t.Errorf("50 writes are counted as %d, no write as %d", writes, quiet)
	}
}

func TestProfile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "profiles")
	if err := role.Profile(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Unsetenv("MTLS_AUTH_BENCH_PROFILES") })
	p, err := role.Run("worker", "anna")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "worker-*.pprof"))
	if err != nil || len(found) != 1 {
		t.Fatalf("profiles: %q (%v)", found, err)
	}
	if info, err := os.Stat(found[0]); err != nil || info.Size() == 0 {
		t.Errorf("the profile is empty (%v)", err)
	}
}
