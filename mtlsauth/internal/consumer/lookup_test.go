package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
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

func TestFailuresAreNotKept(t *testing.T) {
	directory := town()
	l := newLookups()
	q := consumer.Query{By: consumer.ByUsername, Value: "alice"}
	directory.fail[q] = errors.New("down")
	ask := consumer.Ask{Directory: directory, Now: start, MaxAge: time.Minute}
	if id, _, err := who(t, l, "alice", ask); err == nil || id != "" {
		t.Errorf("got %q, %v", id, err)
	}
	delete(directory.fail, q)
	if id, _, err := who(t, l, "alice", ask); err != nil || id != uuid(101) {
		t.Errorf("the next request: got %q, %v", id, err)
	}
}

func TestForget(t *testing.T) {
	directory := town()
	l := newLookups()
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

// What does not answer the query is a failure: neither a consumer nor absence.
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
		{"absent", consumer.ByUsername, "alice", static{{}}, true},
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
		directories := []consumer.Directory{test.directory}
		if test.directory != nil {
			directories = append(directories, consumer.NewShared(test.directory))
		}
		for i, d := range directories {
			t.Run(fmt.Sprint(test.what, i), func(t *testing.T) {
				l := newLookups()
				m := &consumer.Matcher{Lookups: l}
				c, _, err := m.Resolve(t.Context(), consumer.RefTo(consumer.Query{By: test.by, Value: test.value}), consumer.Ask{Directory: d, Now: start, MaxAge: time.Minute})
				var missing *consumer.MissingError
				if test.ok != (err == nil && c != nil || errors.As(err, &missing)) || !test.ok && c != nil {
					t.Errorf("got %v, %v", c, err)
				}
				if found, absent := l.CacheLen(); !test.ok && found+absent > 0 {
					t.Error("kept")
				}
			})
		}
	}
	_, _, err := who(t, newLookups(), "alice", consumer.Ask{Directory: consumer.NewShared(panics{}), Now: start})
	if err == nil || !strings.Contains(err.Error(), "oh") {
		t.Errorf("a panic: got %v", err)
	}
}

func BenchmarkMatchFromCache(b *testing.B) {
	directory := town()
	for what, subject := range map[string]consumer.Subject{
		"username":   {Names: named("alice")},
		"custom_id":  {Names: named("c-carol")},
		"credential": {Names: named("a"), CAs: []consumer.CA{{ID: uuid(1)}}, Credentials: []*consumer.Credentials{mustIndex(b, cred(1, "a", uuid(1), "alice"))}},
	} {
		b.Run(what, func(b *testing.B) {
			m := &consumer.Matcher{ConsumerBy: both, Lookups: newLookups()}
			ask := consumer.Ask{Directory: directory, Now: start, MaxAge: time.Minute}
			b.ReportAllocs()
			for b.Loop() {
				if got, err := m.Match(b.Context(), subject, ask); err != nil || got.Consumer == nil {
					b.Fatal(got, err)
				}
			}
		})
	}
}
