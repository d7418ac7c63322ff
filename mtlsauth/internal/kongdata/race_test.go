package kongdata_test

import (
	"context"
	"math/rand/v2"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/kongdata"
)

// Everything at once: configurations come and go, requests read, sources
// change, go down and come back.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	admin := newAdmin()
	server := httptest.NewServer(admin)
	defer server.Close()
	dir := t.TempDir()
	log, logger := newLog()
	sources, err := kongdata.Open(kongdata.Config{CADir: dir, AdminURL: server.URL}, logger)
	if err != nil {
		t.Fatal(err)
	}
	fake := newFake("fake")
	s := kongdata.NewStore(kongdata.Options{Sources: append(sourcesOf(fake), sources...), Refresh: 10 * time.Millisecond, Log: logger})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx) }()

	pems := []string{pemOf("one"), pemOf("two"), pemOf("three")}
	end := time.Now().Add(time.Second)
	var users sync.WaitGroup
	for range 32 {
		users.Go(func() {
			for time.Now().Before(end) {
				ids := make([]string, 1+rand.IntN(4))
				for i := range ids {
					ids[i] = uuid(rand.IntN(8))
				}
				set := s.Want(ids)
				for range rand.IntN(10) {
					got := set.Wait(t.Context())
					for _, ca := range got.CAs {
						if ca.Certificate == nil || ca.ID == "" {
							t.Error("a CA without certificate or id")
						}
					}
					set.Snapshot()
				}
				set.Release()
			}
		})
	}
	users.Go(func() {
		for time.Now().Before(end) {
			id, pem := uuid(rand.IntN(8)), pems[rand.IntN(len(pems))]
			switch rand.IntN(6) {
			case 0:
				fake.set(id, pem)
			case 1:
				fake.set(id, "")
			case 2:
				fake.fail(errDown)
				time.Sleep(time.Millisecond)
				fake.fail(nil)
			case 3:
				admin.set(id, pem)
			case 4:
				replace(t, filepath.Join(dir, id+".pem"), pem)
			case 5:
				s.Reload()
			}
			time.Sleep(100 * time.Microsecond)
		}
	})
	users.Wait()
	cancel()
	<-ended
	if n := s.EntryCount(); n != 0 {
		t.Errorf("%d things kept that no set needs", n)
	}
	if t.Failed() {
		t.Log(log)
	}
}

func TestNoGoroutineIsLeft(t *testing.T) {
	admin := newAdmin()
	admin.set(uuid(1), pemOf("one"))
	server := httptest.NewServer(admin)
	defer server.Close() // after the count: it would end the client's connections
	before := runtime.NumGoroutine()
	func() {
		_, logger := newLog()
		sources, err := kongdata.Open(kongdata.Config{AdminURL: server.URL, CADir: t.TempDir()}, logger)
		if err != nil {
			t.Fatal(err)
		}
		s := kongdata.NewStore(kongdata.Options{Sources: sources, Log: logger})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); s.Run(ctx) }()
		wantNames(t, "", s.Want([]string{uuid(1)}).Wait(ctx), "one/")
		cancel()
		<-ended
	}()
	for range 200 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}
