package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"mtls-auth/mtlsauth/bench/kong"
	"mtls-auth/mtlsauth/bench/server"
	"mtls-auth/mtlsauth/internal/pkitest"
)

const (
	// busyRate is how many warm requests begin in a second: far from what the
	// server can do, so that what they wait for is not one another.
	busyRate = 500
	// newRate is how many certificates that were never seen arrive in a second
	// besides.
	newRate = 1000
	// reloadEvery is how often the CRL is replaced: as often as -crl-dir is
	// looked at.
	reloadEvery = 2 * time.Second
)

// busy measures warm requests while a large CRL is read again and again, and
// while new certificates arrive.
func (b *bench) busy() error {
	before := len(b.running)
	entries, lasts, rounds := 1_000_000, 6*time.Second, 3
	if b.quick {
		entries, lasts, rounds = 10_000, 500*time.Millisecond, 1
	}
	lists, err := b.newLists(entries)
	if err != nil {
		return err
	}
	_, socket, err := b.ours(server.Ours{CRLDir: lists.dir})
	if err != nil {
		return err
	}
	strict := config("revocation_check_mode", "STRICT")
	warm, err := b.kong(socket, strict)
	if err != nil {
		return err
	}
	if err := b.give(warm, "", presented(b.root.Client("client"), passes("client"))); err != nil {
		return err
	}
	cold, err := b.kong(socket, strict)
	if err != nil {
		return err
	}
	perRound := int(newRate * lasts.Seconds())
	if err := b.give(cold, "", b.fresh(perRound*rounds)...); err != nil {
		return err
	}

	measured := func() (kong.Result, error) {
		return warm.Run(kong.Job{Configs: []string{""}, Requests: int(busyRate * lasts.Seconds()), Connections: 4, Rate: busyRate})
	}
	var quiet, reloading, arriving latencies
	if _, err := measured(); err != nil { // the first reading of the CRL, and the first decision
		return err
	}
	for round := range rounds {
		r, err := measured()
		if err != nil {
			return err
		}
		quiet.add(r)
		if r, err = meanwhile(measured, lists.replace); err != nil {
			return fmt.Errorf("while a CRL is read: %w", err)
		}
		reloading.add(r)
		arrive := func(<-chan struct{}) error {
			_, err := cold.Run(kong.Job{Configs: []string{""}, From: round * perRound, Requests: perRound, Connections: 16, Rate: newRate})
			return err
		}
		if r, err = meanwhile(measured, arrive); err != nil {
			return fmt.Errorf("while certificates arrive: %w", err)
		}
		arriving.add(r)
	}
	t := newTable(b.out, "meanwhile", "p50 µs", "p99 µs", "p99.9 µs", "p99 of quiet")
	for _, row := range []struct {
		name string
		l    *latencies
	}{
		{"quiet", &quiet},
		{fmt.Sprintf("a CRL of %d entries is read every %v", entries, reloadEvery), &reloading},
		{fmt.Sprintf("%d new certificates a second", newRate), &arriving},
	} {
		p99 := median(row.l.p99)
		t.row(row.name, microseconds(median(row.l.p50)), microseconds(p99), microseconds(median(row.l.p999)), ratio(p99, median(quiet.p99)))
	}
	t.flush()
	b.printf("\n%d warm requests a second: medians of %d rounds of %v. The goal is for a processor\n"+
		"that is free; here %d are shared by the server, Kong's side and what goes on meanwhile.\n", busyRate, rounds, lasts, runtime.GOMAXPROCS(0))
	b.atMost(2, median(reloading.p99)/median(quiet.p99), "p99 while a large CRL is read, of the quiet one")
	b.atMost(2, median(arriving.p99)/median(quiet.p99), "p99 while new certificates arrive, of the quiet one")
	return b.stop(before)
}

// meanwhile does work beside what is measured, until that is over.
func meanwhile(measured func() (kong.Result, error), work func(stop <-chan struct{}) error) (kong.Result, error) {
	stop := make(chan struct{})
	failed := make(chan error, 1)
	go func() { failed <- work(stop) }()
	r, err := measured()
	close(stop)
	if workErr := <-failed; err == nil {
		err = workErr
	}
	return r, err
}

// fresh makes clients that were never seen. They share a key, so that thousands
// are made quickly.
func (b *bench) fresh(n int, change ...pkitest.Option) []kong.Evidence {
	return freshOf(b.root, n, change...)
}

func freshOf(ca *pkitest.Certificate, n int, change ...pkitest.Option) []kong.Evidence {
	out := make([]kong.Evidence, n)
	options := append([]pkitest.Option{pkitest.Key(newKey(p256))}, change...)
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				out[i] = kong.Evidence{Leaf: ca.Client("client", options...).PEM(), Want: passes("client")}
			}
		})
	}
	wg.Wait()
	return out
}

// lists is a folder for -crl-dir whose one file is replaced.
type lists struct {
	dir    string
	beside [2]string // what it is replaced by in turn
	turn   int
}

func (b *bench) newLists(entries int) (*lists, error) {
	dir, err := b.folder()
	if err != nil {
		return nil, err
	}
	l := &lists{dir: dir}
	const serialBytes = 16
	raw := pkitest.Serials(entries, serialBytes)
	for i := range l.beside {
		l.beside[i] = b.path(".crl")
		der := pkitest.CRL{Issuer: b.root, Number: int64(i + 1), RawEntries: raw}.DER()
		if err := os.WriteFile(l.beside[i], der, 0o600); err != nil {
			return nil, err
		}
	}
	return l, l.next()
}

// next puts the other list in the place of the one that is there.
func (l *lists) next() error {
	added := filepath.Join(l.dir, ".new")
	if err := os.Link(l.beside[l.turn], added); err != nil {
		return err
	}
	l.turn = 1 - l.turn
	return os.Rename(added, filepath.Join(l.dir, "ca.crl"))
}

// replace replaces the list until stop.
func (l *lists) replace(stop <-chan struct{}) error {
	for {
		if err := l.next(); err != nil {
			return err
		}
		select {
		case <-stop:
			return nil
		case <-time.After(reloadEvery):
		}
	}
}
