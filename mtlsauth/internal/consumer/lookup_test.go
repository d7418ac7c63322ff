package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
)

// who matches one name through lookups and says who it is.
func who(t *testing.T, l *consumer.Lookups, name string, ask consumer.Ask) (string, consumer.Match, error) {
	t.Helper()
	m := &consumer.Matcher{ConsumerBy: consumer.ConsumerBy{Username: true}, Lookups: l}
	got, err := m.Match(t.Context(), consumer.Subject{Names: named(name)}, ask)
	if got.Consumer == nil {
		return "", got, err
	}
	return got.Consumer.ID, got, err
}

func TestCache(t *testing.T) {
	const ttl = time.Minute
	for _, name := range []string{"alice", "dave"} {
		directory := town()
		l := consumer.NewLookups()
		want := map[string]string{"alice": uuid(101)}[name]
		for _, step := range []struct {
			after  time.Duration
			maxAge time.Duration
			asked  int // so far
			age    time.Duration
		}{
			{0, ttl, 1, 0},
			{time.Second, ttl, 1, time.Second},
			{ttl - 1, ttl, 1, ttl - 1},
			{30 * time.Second, time.Second, 2, 0}, // a shorter cache_ttl asks anew,
			{31 * time.Second, ttl, 2, time.Second},
			{ttl, ttl, 2, 30 * time.Second}, // and what it got serves the longer one
			{30*time.Second + ttl, ttl, 3, 0},
			{30*time.Second + ttl, 0, 4, 0}, // 0: not used, not kept
			{30*time.Second + ttl + 2, ttl, 4, 2},
			{30*time.Second + ttl + 2, -1, 5, 0},
			{30 * time.Second, 0, 6, 0}, // a request that began before the answer
		} {
			id, match, err := who(t, l, name, consumer.Ask{Directory: directory, Now: start.Add(step.after), MaxAge: step.maxAge})
			if err != nil || id != want {
				t.Fatalf("%s after %v: got %q, %v", name, step.after, id, err)
			}
			if len(directory.batches) != step.asked {
				t.Errorf("%s after %v with %v: asked %d times, want %d", name, step.after, step.maxAge, len(directory.batches), step.asked)
			}
			if age := start.Add(step.after).Sub(match.Fetched); age != step.age {
				t.Errorf("%s after %v with %v: fetched %v ago, want %v", name, step.after, step.maxAge, age, step.age)
			}
		}
	}
}

func TestNothingIsKeptWithoutMaxAge(t *testing.T) {
	directory := town()
	l := consumer.NewLookups()
	for range 2 {
		for _, shared := range []bool{true, false} {
			if id, _, err := who(t, l, "alice", consumer.Ask{Directory: directory, Shared: shared, Now: start}); id != uuid(101) || err != nil {
				t.Fatalf("got %q, %v", id, err)
			}
		}
	}
	if found, absent := l.CacheLen(); len(directory.batches) != 4 || found+absent > 0 {
		t.Errorf("asked %q, kept %d and %d", directory.asked(), found, absent)
	}
}

// What a match rests on is as old as its oldest answer, absence included.
func TestFetchedIsTheOldestAnswer(t *testing.T) {
	directory := town()
	l := consumer.NewLookups()
	ask := consumer.Ask{Directory: directory, Now: start, MaxAge: time.Minute}
	if _, _, err := who(t, l, "x", ask); err != nil {
		t.Fatal(err)
	}
	ask.Now = start.Add(20 * time.Second)
	m := &consumer.Matcher{ConsumerBy: consumer.ConsumerBy{Username: true}, Lookups: l}
	got, err := m.Match(t.Context(), consumer.Subject{Names: named("x", "alice")}, ask)
	if err != nil || got.Consumer == nil || !got.Fetched.Equal(start) {
		t.Errorf("got %+v, %v", got, err)
	}
	// Alice's answer is the older one this time.
	ask.Now = start.Add(70 * time.Second)
	got, err = m.Match(t.Context(), consumer.Subject{Names: named("x", "alice")}, ask)
	if err != nil || got.Consumer == nil || !got.Fetched.Equal(start.Add(20*time.Second)) {
		t.Errorf("got %+v, %v", got, err)
	}
	if asked := directory.asked(); asked != "username=x | username=alice | username=x" {
		t.Errorf("asked %q", asked)
	}
}

// Nobody is asked for what comes behind a consumer that is in the cache.
func TestACachedHitEndsTheQuestions(t *testing.T) {
	directory := town()
	l := consumer.NewLookups()
	ask := consumer.Ask{Directory: directory, Now: start, MaxAge: time.Minute}
	m := &consumer.Matcher{ConsumerBy: consumer.ConsumerBy{Username: true}, Lookups: l}
	for _, names := range [][]string{{"w"}, {"bob"}, {"v", "w", "x", "w", "y", "bob", "z"}} {
		if _, err := m.Match(t.Context(), consumer.Subject{Names: named(names...)}, ask); err != nil {
			t.Fatal(err)
		}
	}
	if asked := directory.asked(); asked != "username=w | username=bob | username=v | username=x username=y" {
		t.Errorf("asked %q", asked)
	}
}

// A slow answer does not replace one that was asked for later.
func TestALateAnswerIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := consumer.NewLookups()
		slow := town()
		slow.before = func(ctx context.Context, _ []consumer.Query) { sleep(ctx, time.Second) }
		quick := &people{}
		var group sync.WaitGroup
		group.Go(func() {
			if id, _, err := who(t, l, "alice", consumer.Ask{Directory: slow, Now: time.Now(), MaxAge: time.Minute}); id != uuid(101) || err != nil {
				t.Errorf("got %q, %v", id, err)
			}
		})
		time.Sleep(time.Millisecond)
		for range 2 { // while the slow one runs, and after it
			if id, _, err := who(t, l, "alice", consumer.Ask{Directory: quick, Now: time.Now(), MaxAge: time.Minute}); id != "" || err != nil {
				t.Errorf("got %q, %v", id, err)
			}
			group.Wait()
		}
		if len(quick.batches) != 1 {
			t.Errorf("asked %q", quick.asked())
		}
	})
}

func TestFailuresAreNotKept(t *testing.T) {
	for _, shared := range []bool{false, true} {
		directory := town()
		l := consumer.NewLookups()
		q := consumer.Query{By: consumer.ByUsername, Value: "alice"}
		directory.fail[q] = errors.New("down")
		ask := consumer.Ask{Directory: directory, Shared: shared, Now: start, MaxAge: time.Minute}
		if id, _, err := who(t, l, "alice", ask); err == nil || id != "" {
			t.Errorf("got %q, %v", id, err)
		}
		delete(directory.fail, q)
		if id, _, err := who(t, l, "alice", ask); err != nil || id != uuid(101) {
			t.Errorf("the next request: got %q, %v", id, err)
		}
	}
}

func TestForget(t *testing.T) {
	directory := town()
	l := consumer.NewLookups()
	ask := consumer.Ask{Directory: directory, Now: start, MaxAge: time.Minute}
	for _, name := range []string{"alice", "dave"} {
		for range 2 {
			if _, _, err := who(t, l, name, ask); err != nil {
				t.Fatal(err)
			}
		}
		l.Forget()
		if _, _, err := who(t, l, name, ask); err != nil {
			t.Fatal(err)
		}
	}
	if asked := directory.asked(); asked != "username=alice | username=alice | username=dave | username=dave" {
		t.Errorf("asked %q", asked)
	}
}

// static answers everything with one result.
type static []consumer.Result

func (s static) Find(context.Context, []consumer.Query) []consumer.Result { return s }

type panics struct{}

func (panics) Find(context.Context, []consumer.Query) []consumer.Result { panic("oh") }

// What is no answer to the question is a failure: neither a consumer nor
// absence.
func TestAnswersAreJudged(t *testing.T) {
	is := func(c consumer.Consumer) static { return static{{Consumer: &c}} }
	for _, test := range []struct {
		what      string
		by        consumer.By
		value     string
		directory consumer.Directory
		ok        bool
	}{
		{"username", consumer.ByUsername, "alice", is(consumer.Consumer{ID: "1", Username: "alice"}), true},
		{"custom_id", consumer.ByCustomID, "alice", is(consumer.Consumer{ID: "1", CustomID: "alice"}), true},
		{"id", consumer.ByID, uuid(0xabc), is(consumer.Consumer{ID: strings.ToUpper(uuid(0xabc))}), true},
		{"nobody", consumer.ByUsername, "alice", static{{}}, true},
		{"another case", consumer.ByUsername, "alice", is(consumer.Consumer{ID: "1", Username: "Alice"}), false},
		{"a blank more", consumer.ByCustomID, "alice", is(consumer.Consumer{ID: "1", CustomID: "alice "}), false},
		{"custom_id for username", consumer.ByUsername, "alice", is(consumer.Consumer{ID: "1", CustomID: "alice"}), false},
		{"username for custom_id", consumer.ByCustomID, "alice", is(consumer.Consumer{ID: "1", Username: "alice"}), false},
		{"a name taken for an id", consumer.ByUsername, uuid(1), is(consumer.Consumer{ID: uuid(1), Username: "admin"}), false},
		{"another id", consumer.ByID, uuid(1), is(consumer.Consumer{ID: uuid(2)}), false},
		{"no id", consumer.ByUsername, "alice", is(consumer.Consumer{Username: "alice"}), false},
		{"an error with a consumer", consumer.ByUsername, "alice", static{{Consumer: &consumer.Consumer{ID: "1", Username: "alice"}, Err: errors.New("x")}}, false},
		{"too few answers", consumer.ByUsername, "alice", static{}, false},
		{"too many answers", consumer.ByUsername, "alice", static{{}, {}}, false},
		{"no directory", consumer.ByUsername, "alice", nil, false},
	} {
		for _, shared := range []bool{false, true} {
			l := consumer.NewLookups()
			m := &consumer.Matcher{Lookups: l}
			c, _, err := m.Resolve(t.Context(), consumer.RefTo(consumer.Query{By: test.by, Value: test.value}), consumer.Ask{Directory: test.directory, Shared: shared, Now: start, MaxAge: time.Minute})
			var missing *consumer.MissingError
			if test.ok != (err == nil && c != nil || errors.As(err, &missing)) || !test.ok && c != nil {
				t.Errorf("%s: got %v, %v", test.what, c, err)
			}
			if found, absent := l.CacheLen(); !test.ok && found+absent > 0 {
				t.Errorf("%s: kept", test.what)
			}
		}
	}
	_, _, err := who(t, consumer.NewLookups(), "alice", consumer.Ask{Directory: panics{}, Shared: true, Now: start})
	if err == nil || !strings.Contains(err.Error(), "oh") {
		t.Errorf("a panic: got %v", err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	directory := &people{}
	for i := range 50 {
		directory.list = append(directory.list, &consumer.Consumer{ID: uuid(i), Username: fmt.Sprintf("u%d", i)})
	}
	ask := consumer.Ask{Directory: directory, Now: start, MaxAge: time.Minute}
	for what, limits := range map[string][4]int{
		"number": {10, 1 << 20, 5, 1 << 20},
		"bytes":  {1000, 10 * 500, 1000, 5 * 330},
	} {
		l := consumer.NewLookups()
		l.SetCacheLimits(limits[0], limits[1], limits[2], limits[3])
		for i := range 50 {
			for _, name := range []string{"u0", fmt.Sprintf("u%d", i), fmt.Sprintf("nobody%d", i)} {
				if _, _, err := who(t, l, name, ask); err != nil {
					t.Fatal(err)
				}
			}
			found, absent := l.CacheLen()
			if found > 10 || absent > 5 || i > 20 && (found < 8 || absent < 4) {
				t.Fatalf("%s: %d found, %d absent", what, found, absent)
			}
		}
		if n := strings.Count(directory.asked()+" ", "username=u0 "); n != 1 {
			t.Errorf("%s: u0, always in use, was asked for %d times", what, n)
		}
		directory.forget()
		// Names that are nobody's push out no consumer.
		for _, name := range []string{"u0", "u49", "nobody49"} {
			if _, _, err := who(t, l, name, ask); err != nil {
				t.Fatal(err)
			}
		}
		if asked := directory.asked(); asked != "" {
			t.Errorf("%s: asked %q", what, asked)
		}
		if _, _, err := who(t, l, "u30", ask); err != nil || directory.asked() != "username=u30" {
			t.Errorf("%s: asked %q, %v", what, directory.asked(), err)
		}
		directory.forget()
	}
}

// Somebody who appears or goes takes the place of the old answer.
func TestCacheHoldsOneAnswerAName(t *testing.T) {
	directory := &people{}
	l := consumer.NewLookups()
	for i, want := range []string{"", uuid(1), ""} {
		directory.list = nil
		if want != "" {
			directory.list = []*consumer.Consumer{{ID: want, Username: "eve"}}
		}
		now := start.Add(time.Duration(i) * time.Minute)
		for range 2 {
			if id, _, err := who(t, l, "eve", consumer.Ask{Directory: directory, Now: now, MaxAge: time.Minute}); err != nil || id != want {
				t.Errorf("%d: got %q, %v", i, id, err)
			}
		}
		if found, absent := l.CacheLen(); found+absent != 1 {
			t.Errorf("%d: %d and %d entries", i, found, absent)
		}
	}
}

func TestEqualLookupsAreShared(t *testing.T) {
	for _, maxAge := range []time.Duration{0, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			directory := town()
			directory.before = func(ctx context.Context, _ []consumer.Query) { sleep(ctx, time.Second) }
			l := consumer.NewLookups()
			var group sync.WaitGroup
			for i := range 100 {
				group.Go(func() {
					name := []string{"alice", "bob"}[i%2]
					id, _, err := who(t, l, name, consumer.Ask{Directory: directory, Shared: true, Now: time.Now(), MaxAge: maxAge})
					if want := []string{uuid(101), uuid(102)}[i%2]; err != nil || id != want {
						t.Errorf("%s: got %q, %v", name, id, err)
					}
				})
			}
			group.Wait()
			if len(directory.batches) != 2 {
				t.Errorf("asked %q", directory.asked())
			}
		})
	}
}

// A directory that lives with one request serves no other.
func TestLookupsOfARequestsOwnDirectoryAreNotShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := consumer.NewLookups()
		var asked, closed atomic.Int32
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				own := town()
				done := false
				own.before = func(ctx context.Context, _ []consumer.Query) {
					asked.Add(1)
					sleep(ctx, time.Second)
					if done {
						closed.Add(1)
					}
				}
				id, _, err := who(t, l, "alice", consumer.Ask{Directory: own, Now: time.Now(), MaxAge: time.Minute})
				done = true
				if err != nil || id != uuid(101) {
					t.Errorf("got %q, %v", id, err)
				}
			})
		}
		group.Wait()
		synctest.Wait()
		if asked.Load() != 10 || closed.Load() > 0 {
			t.Errorf("asked %d times, %d of them after the request's end", asked.Load(), closed.Load())
		}
	})
}

// A request that goes away fails no other one that waits for the same.
func TestALookupOutlivesWhoBeganIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		directory := town()
		directory.before = func(ctx context.Context, _ []consumer.Query) { sleep(ctx, time.Second) }
		l := consumer.NewLookups()
		m := &consumer.Matcher{Lookups: l}
		ask := consumer.Ask{Directory: directory, Shared: true, Now: time.Now(), MaxAge: time.Minute}
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			if c, _, err := m.Resolve(ctx, consumer.ParseRef("alice"), ask); !errors.Is(err, context.Canceled) || c != nil {
				t.Errorf("the first: got %v, %v", c, err)
			}
		})
		synctest.Wait()
		group.Go(func() {
			if c, _, err := m.Resolve(t.Context(), consumer.ParseRef("alice"), ask); err != nil || c.ID != uuid(101) {
				t.Errorf("the second: got %v, %v", c, err)
			}
		})
		synctest.Wait()
		cancel()
		group.Wait()
		if len(directory.batches) != 1 {
			t.Errorf("asked %q", directory.asked())
		}
	})
}

// What was asked before Forget reaches who waits for it, and nobody later.
func TestForgetDuringALookup(t *testing.T) {
	for _, shared := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			directory := town()
			var begun atomic.Int32
			directory.before = func(ctx context.Context, _ []consumer.Query) {
				begun.Add(1)
				sleep(ctx, time.Second)
			}
			l := consumer.NewLookups()
			ask := consumer.Ask{Directory: directory, Shared: shared, Now: time.Now(), MaxAge: time.Minute}
			var group sync.WaitGroup
			lookUp := func() {
				if id, _, err := who(t, l, "alice", ask); err != nil || id != uuid(101) {
					t.Errorf("got %q, %v", id, err)
				}
			}
			group.Go(lookUp)
			synctest.Wait()
			l.Forget()
			time.Sleep(time.Millisecond)
			group.Go(lookUp) // while the first is running
			synctest.Wait()
			if begun.Load() != 2 {
				t.Errorf("%d lookups were begun, want one before Forget and one after", begun.Load())
			}
			time.Sleep(time.Second - time.Microsecond)
			synctest.Wait() // the first has ended
			if found, absent := l.CacheLen(); found+absent > 0 {
				t.Errorf("kept what was asked before Forget")
			}
			if shared {
				group.Go(lookUp) // with the second, which is still running
			}
			group.Wait()
			for range 2 {
				if len(directory.batches) != 2 {
					t.Errorf("asked %q", directory.asked())
				}
				lookUp()
			}
		})
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// Many requests at once, through both kinds of directory, with Forget between
// them: for the race detector, and every answer must be right.
func TestManyRequestsAtOnce(t *testing.T) {
	directory := town()
	down := consumer.Query{By: consumer.ByUsername, Value: "down"}
	directory.fail[down] = errors.New("down")
	l := consumer.NewLookups()
	l.SetCacheLimits(2, 1<<20, 2, 1<<20)
	m := &consumer.Matcher{ConsumerBy: both, Lookups: l}
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			for j := range 200 {
				ask := consumer.Ask{Directory: directory, Shared: (i+j)%3 > 0, Now: start.Add(time.Duration(j) * time.Second), MaxAge: time.Duration(i%4) * 10 * time.Second}
				names := [][]string{{"x", "y", "alice"}, {"bob"}, {"down", "bob"}, {"y", "z", "c-carol", "down"}, {"nobody"}}[(i+j)%5]
				got, err := m.Match(t.Context(), consumer.Subject{Names: named(names...)}, ask)
				want := []string{uuid(101), uuid(102), "", uuid(103), ""}[(i+j)%5]
				if (err != nil) != (names[0] == "down") || want != "" && (got.Consumer == nil || got.Consumer.ID != want) || want == "" && got.Consumer != nil {
					t.Errorf("%v: got %+v, %v", names, got, err)
				}
				if j%50 == 0 {
					l.Forget()
				}
			}
		})
	}
	group.Wait()
}

func BenchmarkMatchFromCache(b *testing.B) {
	directory := town()
	for what, subject := range map[string]consumer.Subject{
		"username":   {Names: named("alice")},
		"custom_id":  {Names: named("c-carol")},
		"credential": {Names: named("a"), CAs: []consumer.CA{{ID: uuid(1)}}, Credentials: []*consumer.Credentials{mustIndex(b, cred(1, "a", uuid(1), "alice"))}},
	} {
		b.Run(what, func(b *testing.B) {
			m := &consumer.Matcher{ConsumerBy: both, Lookups: consumer.NewLookups()}
			ask := consumer.Ask{Directory: directory, Shared: true, Now: start, MaxAge: time.Minute}
			b.ReportAllocs()
			for b.Loop() {
				if got, err := m.Match(b.Context(), subject, ask); err != nil || got.Consumer == nil {
					b.Fatal(got, err)
				}
			}
		})
	}
}
