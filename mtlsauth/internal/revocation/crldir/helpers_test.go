package crldir_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/crl"
	"mtls-auth/mtlsauth/internal/revocation/crldir"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// lifetime is that of the lists here, from the clock's now.
const lifetime = 12 * time.Hour

// newList makes a CRL with that number, and so many hours older than now.
func newList(t testing.TB, ca *pki.Certificate, number int64, age time.Duration, change ...func(*x509.RevocationList)) []byte {
	t.Helper()
	template := &x509.RevocationList{
		Number:     big.NewInt(number),
		ThisUpdate: time.Now().Add(-age),
		NextUpdate: time.Now().Add(lifetime - age),
	}
	for _, c := range change {
		c(template)
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, ca.Certificate, ca.Key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// deltaOn makes the list one that builds on another (RFC 5280, section 5.2.4).
func deltaOn(base int64) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) {
		value, err := asn1.Marshal(base)
		if err != nil {
			panic(err)
		}
		l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: value}}
	}
}

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func replace(t testing.TB, path string, data []byte) {
	t.Helper()
	write(t, filepath.Join(filepath.Dir(path), ".new"), data)
	if err := os.Rename(filepath.Join(filepath.Dir(path), ".new"), path); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

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

func (b *logBuffer) want(t *testing.T, what string, times int, part string) {
	t.Helper()
	if got := strings.Count(b.String(), part); got != times {
		t.Errorf("%s: the log says %q %d times, want %d:\n%s", what, part, got, times, b.String())
	}
}

// rig is a folder that is looked at in a bubble of its own time.
type rig struct {
	*crldir.Folder
	t   *testing.T
	dir string
	log *logBuffer
}

// bubble runs a test with the folder at dir, before which nothing was read.
func bubble(t *testing.T, o crldir.Options, f func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, dir: t.TempDir(), log: new(logBuffer)}
		o.Log = slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		r.Folder = crldir.Open(r.dir, o)
		f(t, r)
	})
}

// run starts to look, and returns when the first look is over.
func (r *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	r.t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
}

// next returns after the next look.
func (r *rig) next() {
	time.Sleep(2 * time.Second)
	synctest.Wait()
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func numbers(lists []*crl.List) string {
	var out []string
	for _, l := range lists {
		out = append(out, l.Number.String())
	}
	return strings.Join(out, " ")
}

// want compares the numbers of an issuer's lists, complete ones first.
func (r *rig) want(what string, ca *pki.Certificate, complete, deltas string) {
	r.t.Helper()
	if got := numbers(r.Complete(ca.RawSubject)); got != complete {
		r.t.Errorf("%s: complete lists: got %q, want %q", what, got, complete)
	}
	if got := numbers(r.Deltas(ca.RawSubject)); got != deltas {
		r.t.Errorf("%s: delta lists: got %q, want %q", what, got, deltas)
	}
}

// wantChange compares the generation with the one before.
func (r *rig) wantChange(what string, before uint64, changed bool) {
	r.t.Helper()
	if after := r.Generation(); (after != before) != changed {
		r.t.Errorf("%s: the generation was %d and is %d, want changed %t", what, before, after, changed)
	}
}

// budget is memory that can be told to be short.
type budget struct {
	mu    sync.Mutex
	used  int
	most  int
	limit int // 0 for none
	hook  func()
}

func (b *budget) reserve(n int) error {
	b.mu.Lock()
	hook := b.hook
	b.mu.Unlock()
	if hook != nil {
		hook()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.limit != 0 && b.used+n > b.limit {
		return fmt.Errorf("%d bytes are too much", n)
	}
	b.used += n
	b.most = max(b.most, b.used)
	return nil
}

func (b *budget) release(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= n
}

// set has every reservation begin with hook, and limits their sum.
func (b *budget) set(limit int, hook func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit, b.hook = limit, hook
}

func (b *budget) usedNow() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}
