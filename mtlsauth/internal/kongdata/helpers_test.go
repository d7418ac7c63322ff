package kongdata_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// Those tests that run beside others mostly wait: more at once than there are processors.
func TestMain(m *testing.M) {
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		parallel.Value.Set("8")
	}
	os.Exit(m.Run())
}

// uuid returns the n-th id of a test.
func uuid(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", n) }

// logBuffer is a log that a test can read.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// await returns when the log holds a part, or after two seconds: lines are written a
// moment after what they tell of is known.
func (b *logBuffer) await(part string) {
	for end := time.Now().Add(2 * time.Second); !strings.Contains(b.String(), part) && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

func (b *logBuffer) count(part string) int { return strings.Count(b.String(), part) }

func newLog() (*logBuffer, *slog.Logger) {
	b := new(logBuffer)
	return b, slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// fakeSource has what it was told, is down when it was told so, and records what it
// was asked for. A reading takes a delay for each id.
type fakeSource struct {
	name  string
	delay time.Duration

	mu    sync.Mutex
	certs map[string]string
	err   error
	asked map[string][]time.Time
	force []bool // of each reading
}

func newFake(name string) *fakeSource {
	return &fakeSource{name: name, certs: map[string]string{}, asked: map[string][]time.Time{}}
}

func (f *fakeSource) source() kongdata.Source { return kongdata.Source{Name: f.name, Read: f.read} }

func (f *fakeSource) read(ctx context.Context, r kongdata.Request) kongdata.Contents {
	f.mu.Lock()
	f.force = append(f.force, r.Force)
	f.mu.Unlock()
	c := kongdata.Contents{CACertificates: map[string]kongdata.Answer{}, Asked: true}
	for _, id := range r.IDs {
		text, err := f.certificate(ctx, id)
		c.CACertificates[id] = kongdata.Answer{Err: err}
		if err == nil {
			c.CACertificates[id] = kongdata.JudgeCA(text)
		}
	}
	return c
}

// certificate returns the text of one.
func (f *fakeSource) certificate(ctx context.Context, id string) (string, error) {
	f.mu.Lock()
	f.asked[id] = append(f.asked[id], time.Now())
	delay := f.delay
	f.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return "", f.err
	}
	if text, ok := f.certs[id]; ok {
		return text, nil
	}
	return "", kongdata.ErrNotFound
}

// sourcesOf returns the sources of fakes.
func sourcesOf(fakes ...interface{ source() kongdata.Source }) []kongdata.Source {
	var out []kongdata.Source
	for _, f := range fakes {
		out = append(out, f.source())
	}
	return out
}

// answerOf reads a source for one id and returns what it says of it.
func answerOf(t *testing.T, s kongdata.Source, id string) kongdata.Answer {
	t.Helper()
	c := s.Read(t.Context(), kongdata.Request{IDs: []string{id}, All: true})
	answer, ok := c.CACertificates[id]
	if !ok {
		answer.Err = c.Err
		if c.Err == nil {
			answer.Err = kongdata.ErrNotFound
		}
	}
	return answer
}

// find asks the store for one consumer.
func find(ctx context.Context, s *kongdata.Store, by consumer.By, value string) (consumer.Consumer, error) {
	result := s.Find(ctx, []consumer.Query{{By: by, Value: value}})[0]
	switch {
	case result.Consumer != nil:
		return *result.Consumer, result.Err
	case result.Err == nil:
		return consumer.Consumer{}, kongdata.ErrNotFound
	}
	return consumer.Consumer{}, result.Err
}

func (f *fakeSource) set(id, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.certs[id] = text; text == "" {
		delete(f.certs, id)
	}
}

func (f *fakeSource) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// forced returns Request.Force of each reading.
func (f *fakeSource) forced() []bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]bool(nil), f.force...)
}

func (f *fakeSource) times(id string) []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]time.Time(nil), f.asked[id]...)
}

// start runs a store until the test ends.
func start(t *testing.T, o kongdata.Options) *kongdata.Store {
	t.Helper()
	if o.Log == nil {
		_, o.Log = newLog()
	}
	s := kongdata.NewStore(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return s
}

// names writes a snapshot as "CN CN / missing".
func names(s *kongdata.Snapshot) string {
	var known, missing []string
	for _, ca := range s.CAs {
		known = append(known, strings.TrimPrefix(certificate.DistinguishedName(ca.Certificate.RawSubject), "CN="))
	}
	for _, id := range s.Missing {
		missing = append(missing, strings.TrimLeft(id[max(0, len(id)-12):], "0"))
	}
	return strings.Join(known, " ") + "/" + strings.Join(missing, " ")
}

func wantNames(t *testing.T, when string, s *kongdata.Snapshot, want string) {
	t.Helper()
	if got := names(s); got != want {
		t.Errorf("%s: got %q, want %q", when, got, want)
	}
}

// eventually waits for real I/O to show.
func eventually(t *testing.T, set *kongdata.Set, want string) {
	t.Helper()
	for range 500 {
		if names(set.Snapshot()) == want {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("got %q, want %q", names(set.Snapshot()), want)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// replace puts a new file in another's place in one step.
func replace(t *testing.T, path, text string) {
	t.Helper()
	write(t, path+".new", text)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func pemOf(name string) string { return pki.NewCA(name).PEM() }

func writeFile(path, text string) error { return os.WriteFile(path, []byte(text), 0o644) }
