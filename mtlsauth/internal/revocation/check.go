package revocation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/cache"
)

// Check finds out about the certificates of paths, each leaf first and trust
// anchor last, as certpath validated them at now. It waits for exchanges, all
// of them together no longer than twice the HTTPTimeout and 45 s.
//
// A leaf that is revoked under any of its issuers is refused. Above it, one path
// without a revoked certificate is enough.
func (c *Checker) Check(ctx context.Context, paths [][]*certificate.Certificate, trust Trust, s Settings, now time.Time) Result {
	ctx, cancel := context.WithTimeout(ctx, s.budget())
	defer cancel()
	i := &inquiry{checker: c, ctx: ctx, settings: s, trust: trust, began: now, clock: time.Now()}
	i.own, i.ownID = ownResponders(trust)
	if err := i.folderRead(); err != nil {
		return Result{Err: err}
	}
	findings := i.all(paths)
	traced(ctx, paths, findings)
	return i.combine(paths, findings)
}

// inquiry is the work on one request.
type inquiry struct {
	checker  *Checker
	ctx      context.Context
	settings Settings
	trust    Trust
	began    time.Time // the request's instant
	clock    time.Time // what the clock said then
	// own are the operator's own OCSP responders. What they sign counts where they
	// are configured alone, so that their digest is part of the keys.
	own   []*certificate.Certificate
	ownID []byte

	mu      sync.Mutex
	waiting int    // certificates whose exchanges are waited for
	goesOn  func() // of WithWaits
}

// waits is that of WithWaits for the certificates of a path, which are asked about at
// the same time.
func (i *inquiry) waits() (goesOn func()) {
	waits, ok := i.ctx.Value(waitsKey{}).(func() (goesOn func()))
	if !ok {
		return func() {}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.waiting++; i.waiting == 1 {
		i.goesOn = waits()
	}
	return func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.waiting--; i.waiting == 0 {
			i.goesOn()
		}
	}
}

func ownResponders(trust Trust) (own []*certificate.Certificate, id []byte) {
	own = trust.OCSPResponders()
	for _, cert := range own {
		sum := digest(id, cert.Raw)
		id = sum[:]
	}
	return own, id
}

// now is the request's instant and what has passed since.
func (i *inquiry) now() time.Time { return i.began.Add(time.Since(i.clock)) }

// pair is a certificate whose status is asked of its issuer on a path.
type pair struct{ cert, issuer, anchor *certificate.Certificate }

func pairsOf(path []*certificate.Certificate) []pair {
	var pairs []pair
	for n := range len(path) - 1 {
		pairs = append(pairs, pair{path[n], path[n+1], path[len(path)-1]})
	}
	return pairs
}

// all asks about every pair of all paths, at the same time.
func (i *inquiry) all(paths [][]*certificate.Certificate) map[pair]finding {
	found := make(map[pair]finding)
	for _, path := range paths {
		for _, p := range pairsOf(path) {
			found[p] = finding{}
		}
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	// The keys are listed before: a map must not be written to while it is
	// ranged over.
	pairs := slices.Collect(maps.Keys(found))
	for _, p := range pairs {
		if len(pairs) == 1 {
			found[p] = i.guarded(p)
			break
		}
		wg.Go(func() {
			f := i.guarded(p)
			mu.Lock()
			defer mu.Unlock()
			found[p] = f
		})
	}
	wg.Wait()
	return found
}

// guarded is status, whose panic is a fault of this one request.
func (i *inquiry) guarded(p pair) (f finding) {
	defer func() {
		if r := recover(); r != nil {
			f = failed(cache.Panicked(r))
			i.checker.log.Error("checking certificate status", "panic", f.err)
		}
	}()
	return i.status(p, nil)
}

// standing is what a path's certificates come to.
type standing struct {
	verdict Verdict
	until   time.Time
	notes   []string
	err     error
}

// combine says what the findings mean for the request.
func (i *inquiry) combine(paths [][]*certificate.Certificate, found map[pair]finding) Result {
	r := Result{Err: errors.New("no path to check")}
	// Whatever other paths there are: the leaf is who asks to be let in.
	limit := false
	for _, path := range paths {
		if len(path) < 2 {
			continue
		}
		leaf := found[pairsOf(path)[0]]
		if leaf.state == revoked {
			return Result{Verdict: Revoked, Until: leaf.until, Err: leaf.err}
		}
		limit = limit || leaf.state == overloaded
	}
	worst := Passed
	for n, path := range paths {
		s := i.path(path, found)
		r.Until = earliest(r.Until, s.until)
		if s.verdict == Passed {
			r.Standing = append(r.Standing, n)
			r.Notes = append(r.Notes, s.notes...)
		} else if s.verdict < worst {
			worst, r.Err = s.verdict, s.err
		}
	}
	if len(r.Standing) > 0 && !limit {
		r.Verdict, r.Err = Passed, nil
		return r
	}
	if worst == Passed { // there is no path at all
		worst = Unjudged
	}
	r.Verdict, r.Standing, r.Notes = worst, nil, nil
	return r
}

// earliest is the earlier of two instants, of which zero is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// path is what the findings mean for one path (the table of modes).
func (i *inquiry) path(path []*certificate.Certificate, found map[pair]finding) standing {
	s := standing{verdict: Passed}
	if len(path) == 0 {
		return standing{err: errors.New("a path without certificates")}
	}
	for n, p := range pairsOf(path) {
		f := found[p]
		s.until = earliest(s.until, f.until)
		verdict := f.verdict(i.settings.Mode, n > 0 && i.trust.Configured(p.cert))
		switch {
		case verdict == Passed && f.state == unusable:
			s.notes = append(s.notes, fmt.Sprintf("status of %s not known: %v", describe(p.cert), f.err))
		case verdict == Passed:
		case verdict < s.verdict:
			s.verdict, s.err = verdict, fmt.Errorf("%s: %w", describe(p.cert), f.err)
		}
	}
	return s
}

// describe tells a certificate apart in the log.
func describe(cert *certificate.Certificate) string {
	return fmt.Sprintf("certificate %s of %s", cut(cert.SerialNumber().Text(16)), cut(certificate.DistinguishedName(cert.RawIssuer)))
}
