package kongdata_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func TestRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := newFake("hang")
		hang.delay = time.Hour
		log, logger := newLog()
		s := kongdata.NewStore(kongdata.Options{Sources: sourcesOf(hang), Log: logger})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); s.Run(ctx) }()
		for i := range 30 {
			s.Want([]string{uuid(i)})
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		select {
		case <-ended:
		default:
			t.Fatal("Run goes on after its context")
		}
		if got := log.String(); got != "" {
			t.Errorf("the end of the program is logged as a fault: %s", got)
		}
		// That no goroutine is left is what the end of the bubble checks.
	})
}

// An end in the middle of a reading says nothing about a certificate.
func TestRunEndsInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newFake("a"), newFake("b")
		a.set(uuid(1), pemOf("one"))
		b.delay = time.Hour
		log, logger := newLog()
		s := kongdata.NewStore(kongdata.Options{Sources: sourcesOf(a, b), Log: logger})
		ctx, cancel := context.WithCancel(t.Context())
		go s.Run(ctx)
		s.Want([]string{uuid(1)}).Wait(ctx)
		a.set(uuid(1), "")
		s.Reload()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if n := log.count("level=WARN"); n != 0 {
			t.Errorf("%d warnings:\n%s", n, log)
		}
	})
}

func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFake("src")
		log, logger := newLog()
		a.set(uuid(1), pemOf("one"))
		a.set(uuid(2), pki.NewCA("old", pki.Expired()).PEM())
		s := start(t, kongdata.Options{Sources: sourcesOf(a), Log: logger})
		set := s.Want([]string{uuid(1), uuid(2), uuid(3)})
		set.Wait(t.Context())
		wantNames(t, "the expired one is kept", set.Snapshot(), "one old/3")
		time.Sleep(10 * time.Minute)
		for part, want := range map[string]int{"has expired": 1, "is in no source": 1, "loaded": 2, "level=ERROR": 0} {
			if got := log.count(part); got != want {
				t.Errorf("%q: %d lines, want %d", part, got, want)
			}
		}
		a.fail(errDown)
		time.Sleep(5*time.Minute + 30*time.Second)
		if got := log.count("source cannot be read"); got < 5 || got > 7 {
			t.Errorf("%d lines in 5.5 minutes of a source that is down, want one a minute", got)
		}
		a.fail(nil)
		time.Sleep(time.Minute)
		if got := log.count("can be read again"); got != 1 {
			t.Errorf("%d lines of a source that is up again, want 1", got)
		}
		a.set(uuid(1), pki.NewSelfSigned("no CA").PEM())
		time.Sleep(10 * time.Minute)
		if got := log.count("refused"); got != 1 {
			t.Errorf("%d lines of a refused entity, want 1", got)
		}
		if t.Failed() {
			t.Log(log.String())
		}
	})
}
