package kongdata_test

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
)

// A pipe where a file or a folder is expected means down, and holds up nothing.
func TestPipes(t *testing.T) {
	for _, name := range []string{"id", "secret/id", "secret/cert", "secret/ca.crt", ".", "kong.yml", ".kong_env", "token"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "dir")
			write(t, filepath.Join(dir, uuid(1)+".pem"), pemOf("one"))
			write(t, filepath.Join(dir, "secret", "key"), "")
			if name == "secret/cert" || name == "secret/ca.crt" {
				write(t, filepath.Join(dir, "secret", "id"), uuid(2))
			}
			pipe := filepath.Join(dir, name)
			c := kongdata.Config{CADir: dir}
			switch name {
			case ".":
				pipe = filepath.Join(dir, "pipe")
				c = kongdata.Config{CADir: pipe}
			case "kong.yml":
				c = kongdata.Config{DeclarativeConfig: pipe}
			case ".kong_env":
				c = kongdata.Config{Prefix: dir}
			case "token":
				c = kongdata.Config{AdminURL: "https://127.0.0.1:1", AdminTokenFile: pipe}
			}
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			_, logger := newLog()
			done := make(chan struct{})
			var sources []kongdata.Source
			var answer kongdata.Answer
			go func() {
				defer close(done)
				var err error
				if sources, err = kongdata.Open(c, logger); err != nil {
					t.Error(err)
					return
				}
				answer = answerOf(t, sources[0], uuid(2))
			}()
			select {
			case <-done:
			case <-time.After(2 * time.Second):
				t.Fatal("reading waits for a writer")
			}
			if len(sources) != 1 {
				return
			}
			if err := answer.Err; err == nil || errors.Is(err, kongdata.ErrNotFound) {
				t.Errorf("got %v, want no answer", err)
			}
			if name == "secret/id" || name == "secret/cert" {
				if err := answerOf(t, sources[0], uuid(1)).Err; err != nil {
					t.Errorf("the other file: %v", err)
				}
			}
		})
	}
}

// hangingSource is one whose readings last until they are let go.
type hangingSource struct {
	*consumerFake
	gate  chan struct{} // nil: readings end at once
	begun chan struct{}
}

func newHanging(name string) *hangingSource {
	return &hangingSource{consumerFake: newConsumerFake(name), begun: make(chan struct{}, 1000)}
}

// hang has the readings that begin from now on last until the result is called.
func (h *hangingSource) hang() func() {
	h.mu.Lock()
	defer h.mu.Unlock()
	gate := make(chan struct{})
	h.gate = gate
	return func() {
		h.mu.Lock()
		h.gate = nil
		h.mu.Unlock()
		close(gate)
	}
}

func (h *hangingSource) source() kongdata.Source {
	s := h.consumerFake.source()
	s.Read = func(ctx context.Context, r kongdata.Request) kongdata.Contents {
		h.mu.Lock()
		gate := h.gate
		h.mu.Unlock()
		h.begun <- struct{}{}
		if gate != nil {
			<-gate // as a file system does, it does not hear of ctx
		}
		return h.read(ctx, r)
	}
	return s
}

// A reading that does not end is a source that is down, and is not started twice.
func TestReadingHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		above, hang := newFake("above"), newHanging("hang")
		above.set(uuid(1), pemOf("one"))
		hang.set(uuid(2), pemOf("two"))
		hang.consumers["username=x"] = consumer.Consumer{ID: uuid(9), Username: "x"}
		log, logger := newLog()
		s := start(t, kongdata.Options{Sources: sourcesOf(above, hang), Log: logger})
		set := s.Want([]string{uuid(1), uuid(2)})
		wantNames(t, "before", set.Wait(t.Context()), "one two/")

		release := hang.hang()
		before := len(hang.begun)
		above.set(uuid(1), pemOf("new"))
		time.Sleep(time.Minute)
		wantNames(t, "what was known stays, what is above is followed", set.Snapshot(), "new two/")
		if n := len(hang.begun) - before; n != 1 {
			t.Errorf("%d readings beside each other", n)
		}
		if log.count("source cannot be read") == 0 {
			t.Errorf("log:\n%s", log)
		}
		began := time.Now()
		s.Want([]string{uuid(1), uuid(3)}).Wait(t.Context())
		if took := time.Since(began); took != 0 {
			t.Errorf("an id that is new waits %v", took)
		}
		wantLookup(t, s, consumer.ByUsername, "x", "x")
		if _, err := find(t.Context(), s, consumer.ByUsername, "y"); err == nil || errors.Is(err, kongdata.ErrNotFound) {
			t.Errorf("a consumer that was not known: got %v", err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("lookups wait %v", took)
		}

		hang.set(uuid(2), pemOf("changed"))
		release()
		time.Sleep(time.Minute)
		wantNames(t, "over", set.Snapshot(), "new changed/")
		if log.count("source can be read again") != 1 {
			t.Errorf("log:\n%s", log)
		}
		if _, err := find(t.Context(), s, consumer.ByUsername, "y"); !errors.Is(err, kongdata.ErrNotFound) {
			t.Errorf("after it: got %v", err)
		}
	})
}

// The first reading hangs: requests do not wait for it longer than once.
func TestFirstReadingHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := newHanging("hang")
		release := hang.hang()
		defer release()
		_, logger := newLog()
		s := kongdata.NewStore(kongdata.Options{Sources: sourcesOf(hang), Log: logger})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); s.Run(ctx) }()
		time.Sleep(10 * time.Second)
		began := time.Now()
		wantNames(t, "", s.Want([]string{uuid(1)}).Wait(ctx), "/1")
		if _, err := find(t.Context(), s, consumer.ByUsername, "y"); err == nil || errors.Is(err, kongdata.ErrNotFound) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("waited %v", took)
		}
		s.Reload()
		synctest.Wait()
		cancel()
		synctest.Wait()
		select {
		case <-ended:
		default:
			t.Error("Run waits for a reading that hangs")
		}
	})
}

// The end of the program does not wait for the reading either.
func TestRunEndsDuringAReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := newHanging("hang")
		release := hang.hang()
		defer release()
		log, logger := newLog()
		s := kongdata.NewStore(kongdata.Options{Sources: sourcesOf(hang), Log: logger})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); s.Run(ctx) }()
		s.Want([]string{uuid(1)})
		time.Sleep(time.Second)
		cancel()
		synctest.Wait()
		select {
		case <-ended:
		default:
			t.Error("Run waits for a reading")
		}
		if log.String() != "" {
			t.Errorf("log:\n%s", log)
		}
	})
}
