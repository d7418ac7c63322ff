package engine

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
)

func TestTheFirstReadingIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		waited := func(r *firstReading) time.Duration {
			from := time.Now()
			r.wait()
			return time.Since(from)
		}
		r := newFirstReading(begin)
		go func() {
			time.Sleep(2 * time.Second)
			close(r.done)
		}()
		if got := waited(r); got != 2*time.Second {
			t.Errorf("waited %v, want until it was read after 2 s", got)
		}
		if got := waited(r); got != 0 {
			t.Errorf("waited %v for what is read", got)
		}
		// All who wait do so for the same moment.
		hanging := newFirstReading(time.Now())
		time.Sleep(time.Second)
		if got := waited(hanging); got != firstReadingWait-time.Second {
			t.Errorf("waited %v for a reading that hangs, want %v", got, firstReadingWait-time.Second)
		}
		if got := waited(hanging); got != 0 {
			t.Errorf("waited %v once more", got)
		}
	})
}

func TestCredentialsAreReadAtFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials.yaml")
	if err := os.WriteFile(path, []byte("consumers:\n- username: a\n  mtls_auth_credentials:\n  - subject_name: a.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	files := []*consumer.File{consumer.NewFile(path)}
	first := newFirstReading(time.Now())
	go refreshCredentials(t.Context(), files, first, time.Hour, slog.New(slog.NewTextHandler(io.Discard, nil)))
	first.wait()
	if files[0].Current() == nil {
		t.Error("the first reading is over, and nothing was read")
	}
}
