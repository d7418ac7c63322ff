package statedir_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/statedir"
)

// childDir is where the test binary, called by itself, works as another
// process.
const childDir = "STATEDIR_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}

// child stores an entry, begins another, says so and waits to be killed; where
// its files may not be large, it says how a large entry failed.
func child(dir string) {
	d, err := statedir.Open(dir, "x", statedir.Options{})
	check := func(err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	check(err)
	if limit := os.Getenv("STATEDIR_TEST_CHILD_LIMIT"); limit != "" {
		signal.Ignore(syscall.SIGXFSZ)
		check(put(d, statedir.CRL, key(1), "old", statedir.Meta{}))
		check(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4096, Max: 4096}))
		err := put(d, statedir.CRL, key(1), strings.Repeat("x", 10_000), statedir.Meta{})
		fmt.Println("error:", err)
		check(put(d, statedir.CRL, key(2), "small", statedir.Meta{}))
		return
	}
	check(put(d, statedir.CRL, key(1), "committed", statedir.Meta{}))
	w, err := d.Create(statedir.CRL, key(1), statedir.Meta{})
	check(err)
	_, err = io.WriteString(w, "half")
	check(err)
	fmt.Println("ready")
	select {}
}

func childOf(t *testing.T, dir string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(append(os.Environ(), childDir+"="+dir), env...)
	return cmd
}

func TestKilledProcess(t *testing.T) {
	dir := t.TempDir()
	cmd := childOf(t, dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "ready\n" {
		t.Fatalf("the other process says %q, error %v", line, err)
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the other process was not killed")
	}
	d, err := statedir.Open(dir, "x", statedir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "after the kill", d, statedir.CRL, key(1), "committed")
	left := names(t, d)
	if len(left) != 2 || !strings.HasPrefix(left[0], ".tmp-") {
		t.Fatalf("the folder has %q, want an entry and what was half written", left)
	}
	look(d)
	if got := names(t, d); len(got) != 2 {
		t.Errorf("what may still be written was removed: %q", got)
	}
	age(t, d.Path()+"/"+left[0], statedir.TempAge+time.Minute)
	look(d)
	if got := names(t, d); len(got) != 1 {
		t.Errorf("what was half written is still there: %q", got)
	}
	want(t, "in the end", d, statedir.CRL, key(1), "committed")
}

// The disk is full, as far as a limit on the size of files can stand for it.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	out, err := childOf(t, dir, "STATEDIR_TEST_CHILD_LIMIT=1").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if want := "error: writing to the state folder: "; !bytes.HasPrefix(out, []byte(want)) || !bytes.Contains(out, []byte("file too large")) {
		t.Errorf("got %q, want %q and why", out, want)
	}
	d, err := statedir.Open(dir, "x", statedir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "what was there", d, statedir.CRL, key(1), "old")
	want(t, "what fits", d, statedir.CRL, key(2), "small")
	if got := names(t, d); len(got) != 2 {
		t.Errorf("left over: %q", got)
	}
}

// Two servers share a folder: readers have one of the entries that were
// written, whole, or none, and the bounds hold. Run with -race.
func TestTwoDirsOnOneFolder(t *testing.T) {
	dir := t.TempDir()
	o := statedir.Options{MaxFiles: 6, MaxBytes: 100_000}
	var dirs []*statedir.Dir
	for range 2 {
		d, err := statedir.Open(dir, "x", o)
		if err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, d)
	}
	var writers, others sync.WaitGroup
	stop := make(chan struct{})
	for n, d := range dirs {
		for g := range 2 {
			writers.Go(func() {
				for i := range 200 {
					body := strings.Repeat(string('a'+byte(4*n+2*g+i%2)), 1000+i*13)
					if err := put(d, statedir.OCSP, key(byte(i%8)), body, statedir.Meta{}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		others.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				body, _, err := get(d, statedir.OCSP, key(byte(i%8)))
				if err == nil && (len(body) < 1000 || strings.Trim(body, body[:1]) != "") {
					t.Errorf("got %d bytes of several writers", len(body))
				}
				if i%20 == 0 {
					look(d)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	others.Wait()
	for _, d := range dirs {
		look(d)
	}
	if bytes, files := total(t, dirs[0]); bytes > o.MaxBytes || files > o.MaxFiles || files == 0 {
		t.Errorf("the folder has %d bytes in %d files", bytes, files)
	}
	for _, name := range names(t, dirs[0]) {
		if strings.HasPrefix(name, ".tmp-") {
			t.Errorf("left over: %s", name)
		}
	}
}
