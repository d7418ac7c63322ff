package main

import (
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"mtls-auth/mtlsauth/bench/kong"
	"mtls-auth/mtlsauth/bench/server"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// strict is a server with a folder of one large CRL, and clients of it that were
// never seen.
type strict struct {
	socket string
	lists  *lists
	cold   *kong.Driver

	perRound int // clients
}

func (b *bench) newStrict(entries []byte, perRound, rounds int) (*strict, error) {
	s := &strict{perRound: perRound}
	var err error
	if s.lists, err = b.newLists(entries); err != nil {
		return nil, err
	}
	if _, s.socket, err = b.ours(server.Ours{CRLDir: s.lists.dir}); err != nil {
		return nil, err
	}
	if s.cold, err = b.kong(s.socket, strictConfig); err != nil {
		return nil, err
	}
	return s, b.give(s.cold, "", b.fresh(perRound*rounds)...)
}

func (s *strict) replaceLists(_ int, stop <-chan struct{}) error { return s.lists.replace(stop) }

// arrive presents one client after the other, a round's share of them.
func (s *strict) arrive(round int, _ <-chan struct{}) error {
	_, err := s.cold.Run(kong.Job{Configs: []string{""}, From: round * s.perRound, Requests: s.perRound, Connections: 16, Rate: newRate})
	return err
}

// fresh makes clients that were never seen. They share a key, so that thousands
// are made quickly.
func (b *bench) fresh(n int, change ...pki.Option) []kong.Evidence {
	return freshOf(b.root, n, change...)
}

func freshOf(ca *pki.Certificate, n int, change ...pki.Option) []kong.Evidence {
	out := make([]kong.Evidence, n)
	options := append([]pki.Option{pki.Key(newKey(p256))}, change...)
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

func (b *bench) newLists(entries []byte) (*lists, error) {
	dir, err := b.folder()
	if err != nil {
		return nil, err
	}
	l := &lists{dir: dir}
	for i := range l.beside {
		l.beside[i] = b.path(".crl")
		der := pki.CRL{Issuer: b.root, Number: int64(i + 1), RawEntries: entries}.DER()
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
