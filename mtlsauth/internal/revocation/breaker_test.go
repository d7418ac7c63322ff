package revocation

import (
	"errors"
	"testing"
	"time"
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
		b := newBreaker[string](test.threshold)
		start := time.Now()
		at := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
		for n, a := range test.attempts {
			if a.patience == 0 {
				a.patience = time.Second
			}
			switch a.what {
			case "try", "held":
				asked := b.check("key", a.patience, at(a.at))
				err := b.allow("key", a.patience, at(a.at))
				if (err == nil) != (a.what == "try") || (asked == nil) != (err == nil) {
					t.Errorf("%s: step %d at %v s: want %s, got %v and %v", test.name, n, a.at, a.what, asked, err)
				}
				if broken, ok := errors.AsType[*brokenError](err); err != nil && (!ok || !errors.Is(err, errDown) || !broken.next.After(at(a.at))) {
					t.Errorf("%s: step %d: %v does not say why and until when", test.name, n, err)
				}
			case "fails":
				b.report("key", a.patience, errDown, at(a.began), at(a.at))
			case "works":
				b.report("key", a.patience, nil, at(a.began), at(a.at))
			case "over":
				b.over("key")
			}
			if err := b.allow("another", time.Second, at(a.at)); err != nil {
				t.Errorf("%s: another is held back: %v", test.name, err)
			}
		}
	}
}

func TestBreakerIsBounded(t *testing.T) {
	b := newBreaker[int](1)
	now := time.Now()
	for n := range maxBroken {
		b.report(n, time.Second, errDown, now, now)
	}
	// One of those that may be tried again goes first.
	later := now.Add(time.Minute)
	b.report(0, time.Second, errDown, later, later)
	b.report(-1, time.Second, errDown, later, later)
	if len(b.broken) != 2 || b.check(0, time.Second, later) == nil || b.check(-1, time.Second, later) == nil {
		t.Errorf("%d are remembered, want the two that failed lately", len(b.broken))
	}
	for n := range 2 * maxBroken {
		b.report(n, time.Second, errDown, later, later)
	}
	if len(b.broken) > maxBroken {
		t.Errorf("%d are remembered, want at most %d", len(b.broken), maxBroken)
	}
}

// Who waits for long is not held back by who does not, though he failed once.
func TestBreakerOfPatientAndImpatient(t *testing.T) {
	b := newBreaker[string](1)
	start := time.Now()
	long, short := 30*time.Second, 50*time.Millisecond
	if err := b.allow("host", long, start); err != nil {
		t.Fatal(err)
	}
	b.report("host", long, errors.New("refused"), start, start)
	held := 0
	for second := range 600 {
		now := start.Add(time.Duration(second+1) * time.Second)
		if b.allow("host", short, now) == nil {
			b.report("host", short, errors.New("too late"), now, now.Add(short))
		}
		if b.check("host", long, now.Add(500*time.Millisecond)) != nil {
			held++
		}
	}
	if held > 10 {
		t.Errorf("held back in %d of 600 seconds", held)
	}
}
