package consumer_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
)

func TestCache(t *testing.T) {
	const ttl = time.Minute
	for _, name := range []string{"alice", "dave"} {
		directory := town()
		l := newLookups()
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
			{30 * time.Second, time.Second, 2, 0}, // a shorter cache_ttl asks again,
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
	l := newLookups()
	for range 2 {
		if id, _, err := who(t, l, "alice", consumer.Ask{Directory: directory, Now: start}); id != uuid(101) || err != nil {
			t.Fatalf("got %q, %v", id, err)
		}
	}
	if found, absent := l.CacheLen(); len(directory.batches) != 2 || found+absent > 0 {
		t.Errorf("asked %q, kept %d and %d", directory.asked(), found, absent)
	}
}

// What a match rests on is as old as its oldest answer, absence included.
func TestFetchedIsTheOldestAnswer(t *testing.T) {
	directory := town()
	l := newLookups()
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

// What comes behind a consumer that is in the cache is not asked for.
func TestACachedHitEndsTheQuestions(t *testing.T) {
	directory := town()
	l := newLookups()
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
		l := newLookups()
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
		l := newLookups()
		l.SetCacheLimits(limits[0], limits[1], limits[2], limits[3])
		for i := range 50 {
			for _, name := range []string{"u0", fmt.Sprintf("u%d", i), fmt.Sprintf("absent%d", i)} {
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
		// Absent names push out no consumer.
		for _, name := range []string{"u0", "u49", "absent49"} {
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

// A consumer that appears or goes takes the place of the old answer.
func TestCacheHoldsOneAnswerAName(t *testing.T) {
	directory := &people{}
	l := newLookups()
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
