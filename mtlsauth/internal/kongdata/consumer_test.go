package kongdata_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
)

// consumerFake is a fakeSource that knows consumers, too.
type consumerFake struct {
	*fakeSource
	consumerDelay time.Duration
	firstRead     time.Duration // how long Read takes besides

	cmu       sync.Mutex
	consumers map[string]consumer.Consumer
	cerr      error
	questions []string
	cnow      int
	cmost     int
}

func newConsumerFake(name string) *consumerFake {
	return &consumerFake{fakeSource: newFake(name), consumers: map[string]consumer.Consumer{}}
}

func (f *consumerFake) source() kongdata.Source {
	return kongdata.Source{Name: f.name, Consumer: f.consumer, Read: func(ctx context.Context, r kongdata.Request) kongdata.Contents {
		select {
		case <-time.After(f.firstRead):
		case <-ctx.Done():
		}
		return f.read(ctx, r)
	}}
}

func (f *consumerFake) consumer(ctx context.Context, q consumer.Query) (*consumer.Consumer, error) {
	question := q.By.String() + "=" + q.Value
	f.cmu.Lock()
	f.questions = append(f.questions, question)
	f.cnow++
	f.cmost = max(f.cmost, f.cnow)
	f.cmu.Unlock()
	defer func() { f.cmu.Lock(); f.cnow--; f.cmu.Unlock() }()
	if f.consumerDelay > 0 {
		select {
		case <-time.After(f.consumerDelay):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	f.cmu.Lock()
	defer f.cmu.Unlock()
	if f.cerr != nil {
		// A source that hands out something with its error is not believed.
		c := f.consumers[question]
		return &c, f.cerr
	}
	if c, ok := f.consumers[question]; ok {
		return &c, nil
	}
	return nil, kongdata.ErrNotFound
}

func (f *consumerFake) failConsumers(err error) {
	f.cmu.Lock()
	defer f.cmu.Unlock()
	f.cerr = err
}

// lookup writes a lookup's outcome as the username, "absent", "no consumers" or
// the error.
func lookup(ctx context.Context, s *kongdata.Store, by consumer.By, value string) string {
	c, err := find(ctx, s, by, value)
	if err != nil && !reflect.DeepEqual(c, consumer.Consumer{}) {
		return fmt.Sprintf("an error and %+v", c)
	}
	switch {
	case err == nil && (c.ID == "" || c.ID != strings.ToLower(c.ID)):
		return fmt.Sprintf("id %q", c.ID)
	case err == nil && c.Username == "":
		return "custom_id " + c.CustomID
	case err == nil:
		return c.Username
	case errors.Is(err, kongdata.ErrNotFound) && errors.Is(err, kongdata.ErrNoConsumers):
		return "both: " + err.Error()
	case errors.Is(err, kongdata.ErrNotFound):
		return "absent"
	case errors.Is(err, kongdata.ErrNoConsumers):
		return "no consumers"
	case errors.Is(err, kongdata.ErrUnanswerable):
		return "unanswerable: " + err.Error()
	}
	return "error: " + err.Error()
}

// wantLookup compares a lookup's outcome; a want that ends in "…" is its
// beginning.
func wantLookup(t *testing.T, s *kongdata.Store, by consumer.By, value, want string) {
	t.Helper()
	got := lookup(t.Context(), s, by, value)
	if begin, ok := strings.CutSuffix(want, "…"); ok && strings.HasPrefix(got, begin) || got == want {
		return
	}
	t.Errorf("%s %q: got %q, want %q", by, value, got, want)
}

func eventuallyLookup(t *testing.T, s *kongdata.Store, by consumer.By, value, want string) {
	t.Helper()
	for range 500 {
		if lookup(t.Context(), s, by, value) == want {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	wantLookup(t, s, by, value, want)
}

func TestConsumerSources(t *testing.T) {
	upper, lower := consumer.Consumer{ID: uuid(1), Username: "x"}, consumer.Consumer{ID: uuid(2), Username: "x"}
	has := func(c consumer.Consumer) func(*consumerFake) {
		return func(f *consumerFake) { f.consumers["username=x"] = c }
	}
	none := func(*consumerFake) {}
	fails := func(err error) func(*consumerFake) {
		return func(f *consumerFake) { f.consumers["username=x"], f.cerr = lower, err }
	}
	tests := []struct {
		name        string
		upper, next func(*consumerFake)
		want, id    string
		asked       int // of the lower source
	}{
		{"both have it", has(upper), has(lower), "x", uuid(1), 0},
		{"the lower has it", none, has(lower), "x", uuid(2), 1},
		{"neither", none, none, "absent", "", 1},
		{"the upper is down", fails(errDown), has(lower), "error: upper: down", "", 0},
		{"the lower is down", none, fails(errDown), "error: lower: down", "", 1},
		{"the upper has it, the lower is down", has(upper), fails(errDown), "x", uuid(1), 0},
		{"the upper cannot be asked this", fails(kongdata.ErrUnanswerable), has(lower), "unanswerable: upper: " + kongdata.ErrUnanswerable.Error(), "", 0},
		{"the upper knows no consumers", fails(kongdata.ErrNoConsumers), has(lower), "x", uuid(2), 1},
		{"the upper knows no consumers, the lower has none", fails(kongdata.ErrNoConsumers), none, "absent", "", 1},
		{"the upper has none, the lower knows no consumers", none, fails(kongdata.ErrNoConsumers), "absent", "", 1},
		{"neither knows consumers", fails(kongdata.ErrNoConsumers), fails(kongdata.ErrNoConsumers), "no consumers", "", 1},
		{"an absence in other words", fails(fmt.Errorf("it: %w", kongdata.ErrNotFound)), has(lower), "x", uuid(2), 1},
		{"a refused entity", fails(&kongdata.RefusedError{Reason: "twice"}), has(lower), "error: upper: refused: twice", "", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, b := newConsumerFake("upper"), newConsumerFake("lower")
			test.upper(a)
			test.next(b)
			// A source of CA certificates stands between and is never asked.
			s := start(t, kongdata.Options{Sources: sourcesOf(a, newFake("folder"), b)})
			wantLookup(t, s, consumer.ByUsername, "x", test.want)
			if c, _ := find(t.Context(), s, consumer.ByUsername, "x"); c.ID != test.id {
				t.Errorf("id %q, want %q", c.ID, test.id)
			}
			if len(b.questions) != 2*test.asked {
				t.Errorf("the lower source was asked %q", b.questions)
			}
		})
	}
}

func TestNoConsumers(t *testing.T) {
	s := start(t, kongdata.Options{})
	wantLookup(t, s, consumer.ByUsername, "x", "no consumers")
	s = start(t, kongdata.Options{Sources: sourcesOf(newFake("a"), newFake("b"))})
	wantLookup(t, s, consumer.ByUsername, "x", "no consumers")
	_, logger := newLog()
	sources, err := kongdata.Open(kongdata.Config{CADir: t.TempDir(), Prefix: t.TempDir()}, logger)
	if err != nil {
		t.Fatal(err)
	}
	s = start(t, kongdata.Options{Sources: sources})
	for _, by := range []consumer.By{consumer.ByID, consumer.ByUsername, consumer.ByCustomID} {
		wantLookup(t, s, by, uuid(1), "no consumers")
	}
}

// What a source answers is judged once more, whichever it is.
func TestConsumerAnswers(t *testing.T) {
	whole := consumer.Consumer{ID: uuid(1), Username: "x", CustomID: "c", Tags: []string{"t"}, CreatedAt: 3}
	tests := []struct {
		name   string
		by     consumer.By
		value  string
		answer consumer.Consumer
		want   string
	}{
		{"username", consumer.ByUsername, "x", whole, "x"},
		{"custom_id", consumer.ByCustomID, "c", whole, "x"},
		{"id", consumer.ByID, uuid(1), whole, "x"},
		{"no username", consumer.ByCustomID, "c", consumer.Consumer{ID: uuid(1), CustomID: "c"}, "custom_id c"},
		{"id in upper case", consumer.ByID, uuid(10), consumer.Consumer{ID: strings.ToUpper(uuid(10)), Username: "x"}, "x"},
		{"another username", consumer.ByUsername, "x", consumer.Consumer{ID: uuid(1), Username: "y", CustomID: "x"}, "error: a: the answer is the consumer with username \"y\""},
		{"the username in upper case", consumer.ByUsername, "x", consumer.Consumer{ID: uuid(1), Username: "X"}, "error: …"},
		{"the username with a space", consumer.ByUsername, "x", consumer.Consumer{ID: uuid(1), Username: "x "}, "error: …"},
		{"decomposed", consumer.ByUsername, "\u00e4", consumer.Consumer{ID: uuid(1), Username: "a\u0308"}, "error: …"},
		{"the custom_id is the name", consumer.ByUsername, "x", consumer.Consumer{ID: uuid(1), CustomID: "x"}, "error: …"},
		{"another custom_id", consumer.ByCustomID, "c", consumer.Consumer{ID: uuid(1), Username: "c", CustomID: "C"}, "error: a: the answer is the consumer with custom_id …"},
		{"another id", consumer.ByID, uuid(1), consumer.Consumer{ID: uuid(2), Username: uuid(1)}, "error: a: the answer is the consumer with id …"},
		{"the id of a name", consumer.ByUsername, uuid(1), whole, "error: …"},
		{"no id", consumer.ByUsername, "x", consumer.Consumer{Username: "x"}, "error: a: the answer is a consumer without an id"},
		{"not a UUID", consumer.ByUsername, "x", consumer.Consumer{ID: "1", Username: "x"}, "error: …"},
		{"nothing", consumer.ByCustomID, "c", consumer.Consumer{}, "error: …"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := newConsumerFake("a")
			a.consumers[test.by.String()+"="+test.value] = test.answer
			s := start(t, kongdata.Options{Sources: sourcesOf(a)})
			wantLookup(t, s, test.by, test.value, test.want)
		})
	}
	a := newConsumerFake("a")
	a.consumers["username=x"] = whole
	s := start(t, kongdata.Options{Sources: sourcesOf(a)})
	if got, err := find(t.Context(), s, consumer.ByUsername, "x"); err != nil || !reflect.DeepEqual(got, whole) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// What no consumer can have, or all, is not asked for.
func TestConsumerQuestions(t *testing.T) {
	a := newConsumerFake("a")
	a.consumers["id="+uuid(10)] = consumer.Consumer{ID: uuid(10), Username: "x"}
	a.consumers["username="] = consumer.Consumer{ID: uuid(1)}
	a.consumers["custom_id="] = consumer.Consumer{ID: uuid(1)}
	s := start(t, kongdata.Options{Sources: sourcesOf(a)})
	wantLookup(t, s, consumer.ByID, strings.ToUpper(uuid(10)), "x")
	wantLookup(t, s, consumer.ByID, "x", "absent")
	wantLookup(t, s, consumer.ByID, uuid(10)+"/", "absent")
	wantLookup(t, s, consumer.ByID, "", "unanswerable: …")
	wantLookup(t, s, consumer.ByUsername, "", "unanswerable: …")
	wantLookup(t, s, consumer.ByCustomID, "", "unanswerable: …")
	wantLookup(t, s, consumer.By(3), "x", "error: …")
	if want := []string{"id=" + uuid(10)}; !slices.Equal(a.questions, want) {
		t.Errorf("asked %q, want %q", a.questions, want)
	}
}

func TestConsumerLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newConsumerFake("src")
		log, logger := newLog()
		s := start(t, kongdata.Options{Sources: sourcesOf(a), Log: logger})
		expect := func(when string, failed, again int) {
			t.Helper()
			if got := log.count("source of consumers does not answer"); got != failed {
				t.Errorf("%s: %d lines of failures, want %d", when, got, failed)
			}
			if got := log.count("source of consumers answers again"); got != again {
				t.Errorf("%s: %d lines of the end of failures, want %d", when, got, again)
			}
		}
		ask := func() { lookup(t.Context(), s, consumer.ByUsername, "x") }
		ask()
		expect("absent", 0, 0)
		a.failConsumers(kongdata.ErrUnanswerable)
		ask()
		expect("unanswerable", 0, 0)
		a.failConsumers(kongdata.ErrNoConsumers)
		ask()
		expect("no consumers", 0, 0)

		a.failConsumers(errDown)
		for range 100 {
			ask()
		}
		expect("down", 1, 0)
		if !strings.Contains(log.String(), "error=down") || !strings.Contains(log.String(), "source=src") {
			t.Errorf("log:\n%s", log)
		}
		for range 150 {
			time.Sleep(time.Second)
			ask()
		}
		expect("down for 2.5 minutes", 3, 0)
		a.failConsumers(nil)
		ask()
		ask()
		expect("up", 3, 1)

		// Up and down within a minute is one line of each.
		time.Sleep(time.Minute)
		for range 100 {
			a.failConsumers(errDown)
			ask()
			a.failConsumers(nil)
			ask()
		}
		expect("flapping", 4, 2)
		time.Sleep(time.Minute)
		a.failConsumers(errDown)
		ask()
		expect("down again", 5, 2)
		if !strings.Contains(log.String(), "failures=100") {
			t.Errorf("the failures between are not counted:\n%s", log)
		}
		a.failConsumers(nil)
		ask()

		// That a request went away is not a fault of the source, that it took too long is.
		time.Sleep(time.Minute)
		a.consumerDelay = time.Hour
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		lookup(ctx, s, consumer.ByUsername, "x")
		expect("request went away", 5, 3)
		ctx, cancel = context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		lookup(ctx, s, consumer.ByUsername, "x")
		expect("took too long", 6, 3)
	})
}

// A file that no CA certificate is asked of is followed all the same.
func TestConsumerFileBelowFolder(t *testing.T) {
	dir, path := t.TempDir(), filepath.Join(t.TempDir(), "kong.yml")
	write(t, filepath.Join(dir, uuid(1)+".pem"), pemOf("one"))
	write(t, path, "consumers:\n- {id: "+uuid(1)+", username: x}\n")
	s, _ := openAdmin(t, kongdata.Config{CADir: dir, DeclarativeConfig: path})
	wantLookup(t, s, consumer.ByUsername, "x", "x")
	s.Want([]string{uuid(1)}).Wait(t.Context())
	write(t, path, "consumers:\n- {id: "+uuid(1)+", username: y}\n")
	eventuallyLookup(t, s, consumer.ByUsername, "y", "y")
	wantLookup(t, s, consumer.ByUsername, "x", "absent")
}
