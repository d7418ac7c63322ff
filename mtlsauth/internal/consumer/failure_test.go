package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
)

func TestMatchFailures(t *testing.T) {
	down := errors.New("down")
	ca := consumer.CA{ID: uuid(1), SHA256: [32]byte{1}}
	var many []string
	for i := range 20 {
		many = append(many, fmt.Sprintf("n%d", i))
	}
	for _, test := range []struct {
		what  string
		names consumer.Names
		creds []*consumer.Credentials
		fail  []consumer.Query
		want  string // of the error, "" for a match
	}{
		{"before the hit", named("x", "alice"), nil, []consumer.Query{{By: consumer.ByUsername, Value: "x"}}, "down"},
		{"before the hit, in one batch", named("x", "y", "alice"), nil, []consumer.Query{{By: consumer.ByCustomID, Value: "y"}}, "down"},
		{"behind the hit, in one batch", named("x", "alice", "y"), nil, []consumer.Query{{By: consumer.ByCustomID, Value: "alice"}, {By: consumer.ByUsername, Value: "y"}}, ""},
		{"custom_id of a name whose username is found", named("alice"), nil, []consumer.Query{{By: consumer.ByCustomID, Value: "alice"}}, ""},
		{"no match and a failure at the end", named(many...), nil, []consumer.Query{{By: consumer.ByCustomID, Value: "n19"}}, "down"},
		{"the mapped consumer, though consumer_by would find one", named("alice"), []*consumer.Credentials{mustIndex(t, cred(1, "alice", "", "bob"))}, []consumer.Query{{By: consumer.ByUsername, Value: "bob"}}, "down"},
		{"the mapped consumer's id, though the username would be found", named("a"), []*consumer.Credentials{mustIndex(t, cred(1, "a", "", uuid(999)))}, []consumer.Query{{By: consumer.ByID, Value: uuid(999)}}, "down"},
		{"credentials that have not been read", named("alice"), []*consumer.Credentials{mustIndex(t, cred(1, "alice", "", "alice")), nil}, nil, "not been read"},
		{"one CA by id and by certificate to two", named("a"), []*consumer.Credentials{mustIndex(t, cred(1, "a", ca.ID, "alice"),
			consumer.Credential{SubjectName: "a", CACertificateSHA256: ca.SHA256, Consumer: consumer.ParseRef("bob")})}, nil, "two consumers"},
	} {
		t.Run(test.what, func(t *testing.T) {
			directory := town()
			for _, q := range test.fail {
				directory.fail[q] = down
			}
			m := &consumer.Matcher{ConsumerBy: both, Lookups: newLookups()}
			subject := consumer.Subject{Names: test.names, CAs: []consumer.CA{ca}, Credentials: test.creds}
			ask := consumer.Ask{Directory: directory, Now: start, MaxAge: time.Minute}
			for range 2 { // the second time partly from the cache
				got, err := m.Match(t.Context(), subject, ask)
				if test.want == "" {
					if err != nil || got.Consumer == nil || got.Consumer.Username != "alice" {
						t.Fatalf("got %+v, %v", got, err)
					}
					continue
				}
				var missing *consumer.MissingError
				if err == nil || !strings.Contains(err.Error(), test.want) || errors.As(err, &missing) || got.Consumer != nil {
					t.Fatalf("got %+v, %v", got, err)
				}
				if test.want == "down" && !errors.Is(err, down) {
					t.Errorf("%v does not wrap its cause", err)
				}
			}
		})
	}
}

func TestMissingConsumers(t *testing.T) {
	m := &consumer.Matcher{ConsumerBy: both, Lookups: newLookups()}
	ask := consumer.Ask{Directory: town(), Now: start}
	subject := consumer.Subject{Names: named("alice"), Credentials: []*consumer.Credentials{mustIndex(t, cred(7, "alice", "", "ghost"))}}
	got, err := m.Match(t.Context(), subject, ask)
	var missing *consumer.MissingError
	if !errors.As(err, &missing) || missing.Consumer.String() != "ghost" || got.Consumer != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	if err != nil && !strings.Contains(err.Error(), uuid(7)) {
		t.Errorf("%v does not name the credential", err)
	}
	for _, text := range []string{"ghost", "c-alice", uuid(777)} {
		if c, _, err := m.Resolve(t.Context(), consumer.ParseRef(text), ask); !errors.As(err, &missing) || missing.Consumer.String() != text || c != nil {
			t.Errorf("%s: got %v, %v", text, c, err)
		}
	}
	for text, want := range map[string]string{"alice": uuid(101), uuid(102): uuid(102), uuid(999): uuid(105)} {
		c, fetched, err := m.Resolve(t.Context(), consumer.ParseRef(text), ask)
		if err != nil || c.ID != want || !fetched.Equal(start) {
			t.Errorf("%s: got %+v, %v, %v", text, c, fetched, err)
		}
	}
}

// What is not a hit is not waited for: a directory that never answers costs
// MaxWait and ends in an error.
func TestMatchFromADirectoryThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		directory := &people{before: func(ctx context.Context, _ []consumer.Query) { <-ctx.Done() }}
		m := &consumer.Matcher{ConsumerBy: both, Lookups: newLookups()}
		for _, d := range []consumer.Directory{directory, consumer.NewShared(directory)} {
			begun := time.Now()
			got, err := m.Match(t.Context(), consumer.Subject{Names: named("a")}, consumer.Ask{Directory: d, Now: begun})
			if !errors.Is(err, context.DeadlineExceeded) || got.Consumer != nil {
				t.Errorf("got %+v, %v", got, err)
			}
			if took := time.Since(begun); took != consumer.MaxWait {
				t.Errorf("took %v", took)
			}
		}
	})
}
