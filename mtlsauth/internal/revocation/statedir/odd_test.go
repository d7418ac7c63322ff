package statedir_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/statedir"
)

func TestOddFiles(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	kinds := map[string]func(d *statedir.Dir, path string) error{
		"a link to an entry": func(d *statedir.Dir, path string) error {
			mustPut(t, d, statedir.OCSP, key(2), "two")
			return os.Symlink(filepath.Base(pathOf(d, statedir.OCSP, 2)), path)
		},
		"a link to the same entry elsewhere": func(d *statedir.Dir, path string) error {
			mustPut(t, d, statedir.OCSP, key(1), "one")
			if err := os.Rename(path, outside); err != nil {
				return err
			}
			return os.Symlink(outside, path)
		},
		"a link to a device": func(_ *statedir.Dir, path string) error { return os.Symlink("/dev/zero", path) },
		"a link to nowhere":  func(_ *statedir.Dir, path string) error { return os.Symlink("absent", path) },
		"a link to itself":   func(_ *statedir.Dir, path string) error { return os.Symlink(path, path) },
		"a pipe":             func(_ *statedir.Dir, path string) error { return syscall.Mkfifo(path, 0o600) },
		"a device":           func(_ *statedir.Dir, path string) error { return syscall.Mknod(path, syscall.S_IFCHR|0o600, 1<<8|5) },
		"a directory":        func(_ *statedir.Dir, path string) error { return os.Mkdir(path, 0o700) },
		"a file of others": func(d *statedir.Dir, path string) error {
			mustPut(t, d, statedir.OCSP, key(1), "one")
			d.SetUID(os.Geteuid() + 1)
			return nil
		},
	}
	for name, odd := range kinds {
		t.Run(name, func(t *testing.T) {
			d := open(t, statedir.Options{MaxFiles: 1})
			path := pathOf(d, statedir.OCSP, 1)
			if err := odd(d, path); err != nil {
				t.Skip(err)
			}
			before, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			done := inBackground(func() {
				wantMiss(t, "read", d, statedir.OCSP, key(1))
				time.Sleep(20 * time.Millisecond) // what follows is younger
				for i := byte(3); i <= 5; i++ {
					put(d, statedir.OCSP, key(i), "more than there may be", statedir.Meta{})
				}
				look(d)
			})
			select {
			case <-done:
			case <-time.After(30 * time.Second):
				t.Fatal("it hangs")
			}
			if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
				t.Errorf("it was touched: %v", err)
			}
			d.SetUID(os.Geteuid())
			if err := put(d, statedir.OCSP, key(1), "new", statedir.Meta{}); (err != nil) != before.IsDir() {
				t.Errorf("writing over it: %v", err)
			}
			if !before.IsDir() {
				want(t, "written over", d, statedir.OCSP, key(1), "new")
			}
		})
	}
}

func inBackground(f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	return done
}

func TestForeignFiles(t *testing.T) {
	d := open(t, statedir.Options{MaxFiles: 1, MaxBytes: 4096})
	entry := statedir.FileName(statedir.CRL, key(1))
	foreign := []string{
		"README", ".tmp-x", ".tmp-" + strings.Repeat("A", 32), ".tmp-" + strings.Repeat("a", 34), "crl-", "crl-" + strings.Repeat("0", 62),
		strings.ToUpper(entry), "ocsp" + entry, entry + ".bak", "crl-" + strings.Repeat("G", 64), "crl-" + strings.Repeat("AB", 32),
	}
	for _, name := range foreign {
		path := filepath.Join(d.Path(), name)
		write(t, path, make([]byte, 8192))
		age(t, path, 1000*time.Hour)
	}
	mustPut(t, d, statedir.CRL, key(1), "one")
	mustPut(t, d, statedir.CRL, key(2), "two")
	look(d)
	for _, name := range foreign {
		if _, err := os.Stat(filepath.Join(d.Path(), name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	want(t, "beside foreign files", d, statedir.CRL, key(2), "two")
	if bytes, files := d.Counted(); bytes != statedir.Overhead+3 || files != 1 {
		t.Errorf("counted %d bytes in %d files", bytes, files)
	}
}
