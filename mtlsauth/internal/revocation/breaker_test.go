package revocation

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/address"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
)

// attempt is what a breaker is told or asked, at so many seconds.
type attempt struct {
	at   float64
	what string // try: wants to and may; held: wants to and may not; fails, works, over
	// began is when one that fails or works did, patience its http_timeout,
	// a second where 0.
	began    float64
	patience time.Duration
}

func TestBreaker(t *testing.T) {
	for _, test := range []struct {
		name      string
		threshold int
		attempts  []attempt
	}{
		{"one failure holds others back", 1, []attempt{
			{at: 0, what: "try"}, {at: 1, what: "fails"}, {at: 1.5, what: "held"}, {at: 2, what: "try"},
		}},
		{"then it is every five seconds", 1, []attempt{
			{at: 1, what: "fails"}, {at: 2, what: "try"}, {at: 3, what: "fails", began: 2}, {at: 4, what: "held"}, {at: 7.9, what: "held"},
			{at: 8, what: "try"}, {at: 9, what: "fails", began: 8}, {at: 13.9, what: "held"}, {at: 14, what: "try"},
		}},
		{"three failures", 3, []attempt{
			{at: 1, what: "fails"}, {at: 1, what: "try"}, {at: 2, what: "fails", began: 1}, {at: 2, what: "try"},
			{at: 3, what: "fails", began: 2}, {at: 3, what: "held"}, {at: 4, what: "try"},
		}},
		{"one that works ends it", 3, []attempt{
			{at: 1, what: "fails"}, {at: 2, what: "fails", began: 1}, {at: 3, what: "works", began: 2}, {at: 4, what: "fails", began: 3}, {at: 4, what: "try"},
		}},
		{"side by side they fail once", 1, []attempt{
			{at: 1, what: "fails"}, {at: 1.1, what: "fails"}, {at: 1.2, what: "fails"}, {at: 2, what: "try"},
		}},
		{"one trial at a time", 1, []attempt{
			{at: 1, what: "fails"}, {at: 2, what: "try"}, {at: 2, what: "held"}, {at: 4, what: "held"}, {at: 5, what: "works", began: 2}, {at: 5, what: "try"}, {at: 5, what: "try"},
		}},
		{"a trial that says nothing is another's turn", 1, []attempt{
			{at: 1, what: "fails"}, {at: 2, what: "try"}, {at: 3, what: "held"}, {at: 3, what: "over"}, {at: 3, what: "try"},
		}},
		{"who would wait longer is not held back", 1, []attempt{
			{at: 1, what: "fails"}, {at: 1.5, what: "held"}, {at: 1.5, what: "try", patience: 2 * time.Second},
			{at: 3.5, what: "fails", began: 1.5, patience: 2 * time.Second}, {at: 3.6, what: "held", patience: 2 * time.Second},
			{at: 3.6, what: "try", patience: 3 * time.Second},
		}},
	} {
		b := newBreaker()
		down := failing(fetch.Connect)
		if test.threshold > 1 {
			down = failing(fetch.Timeout)
		}
		key, another, refused := hostNamed("host"), hostNamed("another"), failing(fetch.Refused)
		key.issuer = [32]byte{1}
		start := time.Now()
		at := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
		for n, a := range test.attempts {
			if a.patience == 0 {
				a.patience = time.Second
			}
			switch a.what {
			case "try", "held":
				asked := b.check(key, a.patience, at(a.at), false)
				err := b.check(key, a.patience, at(a.at), true)
				if (err == nil) != (a.what == "try") || (asked == nil) != (err == nil) {
					t.Errorf("%s: step %d at %v s: want %s, got %v and %v", test.name, n, a.at, a.what, asked, err)
				}
				if broken, ok := errors.AsType[*brokenError](err); err != nil && (!ok || !errors.Is(err, down) || !broken.next.After(at(a.at))) {
					t.Errorf("%s: step %d: %v does not say why and until when", test.name, n, err)
				}
			case "fails":
				b.report(key, a.patience, down, at(a.began), at(a.at))
			case "works":
				b.report(key, a.patience, nil, at(a.began), at(a.at))
			case "over":
				b.report(key, a.patience, refused, at(a.began), at(a.at))
			}
			if err := b.check(another, time.Second, at(a.at), true); err != nil {
				t.Errorf("%s: another is held back: %v", test.name, err)
			}
		}
	}
}

func failing(kind fetch.Kind) error { return &fetch.Error{Kind: kind, Err: errors.New("down")} }

func hostNamed(name string) host {
	return host{address: address.Address{Scheme: "http", Host: name, Port: 80}}
}

// A host that cannot be connected to is so for all issuers, one that is silent for
// the one that was asked about.
func TestBreakerByIssuer(t *testing.T) {
	now := time.Now()
	for kind, want := range map[fetch.Kind]bool{fetch.Connect: true, fetch.Timeout: false} {
		b := newBreaker()
		one, two := hostNamed("host"), hostNamed("host")
		one.issuer, two.issuer = [32]byte{1}, [32]byte{2}
		for range maxSilent {
			b.report(one, time.Second, failing(kind), now, now)
		}
		if b.check(one, time.Second, now, false) == nil {
			t.Errorf("%v: the issuer is not held back", kind)
		}
		if held := b.check(two, time.Second, now, false) != nil; held != want {
			t.Errorf("%v: another issuer is held back: %v, want %v", kind, held, want)
		}
	}
}

func TestBreakerIsBounded(t *testing.T) {
	b := newBreaker()
	now := time.Now()
	fail := func(n int, at time.Time) {
		b.report(hostNamed(fmt.Sprint(n)), time.Second, failing(fetch.Connect), at, at)
	}
	for n := range maxBroken {
		fail(n, now)
	}
	// One of those that may be tried again goes first.
	later := now.Add(time.Minute)
	fail(0, later)
	fail(-1, later)
	if len(b.broken) != 2 || b.check(hostNamed("0"), time.Second, later, false) == nil || b.check(hostNamed("-1"), time.Second, later, false) == nil {
		t.Errorf("%d are remembered, want the two that failed lately", len(b.broken))
	}
	for n := range 2 * maxBroken {
		fail(n, later)
	}
	if len(b.broken) > maxBroken {
		t.Errorf("%d are remembered, want at most %d", len(b.broken), maxBroken)
	}
}

// A configuration that waits for long is not held back by one that does not,
// though it failed once.
func TestBreakerOfPatientAndImpatient(t *testing.T) {
	b := newBreaker()
	start := time.Now()
	long, short := 30*time.Second, 50*time.Millisecond
	h := hostNamed("host")
	if err := b.check(h, long, start, true); err != nil {
		t.Fatal(err)
	}
	b.report(h, long, failing(fetch.Connect), start, start)
	held := 0
	for second := range 600 {
		now := start.Add(time.Duration(second+1) * time.Second)
		if b.check(h, short, now, true) == nil {
			b.report(h, short, failing(fetch.Connect), now, now.Add(short))
		}
		if b.check(h, long, now.Add(500*time.Millisecond), false) != nil {
			held++
		}
	}
	if held > 10 {
		t.Errorf("held back in %d of 600 seconds", held)
	}
}
