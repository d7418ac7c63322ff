package crldir_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/crldir"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func TestHangingLook(t *testing.T) {
	b := new(budget)
	bubble(t, crldir.Options{Reserve: b.reserve}, func(t *testing.T, r *rig) {
		ca := pki.NewCA("one")
		write(t, r.path("a"), newList(t, ca, 1, time.Hour))
		r.run()
		before := r.Generation()
		release := make(chan struct{})
		b.set(0, func() { <-release })
		write(t, r.path("a"), newList(t, ca, 2, time.Hour))
		r.next()
		r.want("hanging", ca, "1", "")
		if err := r.Err(); err != nil {
			t.Errorf("at first: %v", err)
		}
		time.Sleep(crldir.HangAfter)
		r.want("still hanging", ca, "1", "")
		r.wantChange("still hanging", before, false)
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), "not answered") {
			t.Errorf("still hanging: got error %v", err)
		}
		r.Reload()
		close(release)
		synctest.Wait()
		r.want("over", ca, "2", "")
		if err := r.Err(); err != nil {
			t.Errorf("over: %v", err)
		}
	})
}

func TestEndDuringHangingLook(t *testing.T) {
	release := make(chan struct{})
	b := &budget{hook: func() { <-release }}
	synctest.Test(t, func(t *testing.T) {
		release = make(chan struct{})
		dir := t.TempDir()
		write(t, dir+"/a", newList(t, pki.NewCA("one"), 1, time.Hour))
		f := crldir.Open(dir, crldir.Options{Reserve: b.reserve})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); f.Run(ctx) }()
		synctest.Wait()
		select {
		case <-f.Ready():
			t.Error("ready during the first look")
		default:
		}
		cancel()
		<-done
		close(release)
		synctest.Wait()
		if got := b.usedNow(); got != 0 {
			t.Errorf("%d bytes are held after the end", got)
		}
		select {
		case <-f.Ready():
			t.Error("ready after a reading that was broken off")
		default:
		}
	})
}

func TestPanicWhileReading(t *testing.T) {
	b := &budget{hook: func() { panic("ouch") }}
	bubble(t, crldir.Options{Reserve: b.reserve}, func(t *testing.T, r *rig) {
		ca := pki.NewCA("one")
		write(t, r.path("a"), newList(t, ca, 1, time.Hour))
		r.run()
		r.want("a panic", ca, "", "")
		r.log.want(t, "a panic", 1, "level=ERROR")
		b.set(0, nil)
		time.Sleep(crldir.RetryEvery)
		synctest.Wait()
		r.want("after the panic", ca, "1", "")
	})
}
