package consumer_test

import (
	"fmt"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
)

var (
	start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	both  = consumer.ConsumerBy{Username: true, CustomID: true}
	none  = consumer.ConsumerBy{}
)

func named(names ...string) consumer.Names { return consumer.Names{Values: names} }

func cred(id int, name, ca, who string) consumer.Credential {
	c := consumer.Credential{SubjectName: name, CACertificateID: ca, Consumer: consumer.ParseRef(who)}
	if id > 0 {
		c.ID = uuid(id)
	}
	return c
}

// town is who lives in the directory of most tests.
func town() *people {
	return &people{list: []*consumer.Consumer{
		{ID: uuid(101), Username: "alice", CustomID: "c-alice"},
		{ID: uuid(102), Username: "bob", CustomID: "alice"},
		{ID: uuid(103), Username: "carol", CustomID: "c-carol"},
		{ID: uuid(104), Username: uuid(102)}, // called like bob's id
		{ID: uuid(105), Username: uuid(999)}, // called like an id that no consumer has
	}, fail: map[consumer.Query]error{}}
}

func TestMatch(t *testing.T) {
	near, far := consumer.CA{ID: uuid(1), SHA256: [32]byte{1}}, consumer.CA{ID: uuid(2), SHA256: [32]byte{2}}
	path := []consumer.CA{near, far}
	index := func(list ...consumer.Credential) []*consumer.Credentials {
		return []*consumer.Credentials{mustIndex(t, list...)}
	}
	pem := func(digest byte, name, who string) consumer.Credential {
		return consumer.Credential{ID: uuid(50), SubjectName: name, CACertificateSHA256: [32]byte{digest}, Consumer: consumer.ParseRef(who)}
	}
	for _, test := range []struct {
		what  string
		names consumer.Names
		cas   []consumer.CA
		creds []*consumer.Credentials
		by    consumer.ConsumerBy
		want  string // username, credential id; "" where no consumer matches
		asked string
	}{
		{"bound before unbound, whatever the names' order", named("a", "b"), path,
			index(cred(1, "a", "", "alice"), cred(2, "b", near.ID, "bob")), both, "bob " + uuid(2), "username=bob"},
		{"the nearest CA before the first name", named("a", "b"), path,
			index(cred(1, "a", far.ID, "alice"), cred(2, "b", near.ID, "bob")), both, "bob " + uuid(2), "username=bob"},
		{"under one CA the first name", named("a", "b"), path,
			index(cred(1, "b", near.ID, "alice"), cred(2, "a", near.ID, "bob")), both, "bob " + uuid(2), "username=bob"},
		{"one name, two CAs: this one", named("a"), []consumer.CA{near},
			index(cred(1, "a", far.ID, "alice"), cred(2, "a", near.ID, "bob")), both, "bob " + uuid(2), "username=bob"},
		{"one name, two CAs: the other one", named("a"), []consumer.CA{far},
			index(cred(1, "a", far.ID, "alice"), cred(2, "a", near.ID, "bob")), both, "alice " + uuid(1), "username=alice"},
		{"bound to a CA that is not on the path", named("a"), []consumer.CA{near},
			index(cred(1, "a", far.ID, "alice")), none, "", ""},
		{"bound, and the path has no configured CA", named("a"), nil,
			index(cred(1, "a", far.ID, "alice"), cred(2, "a", "", "bob")), none, "bob " + uuid(2), "username=bob"},
		{"a CA without an id binds nothing", named("a"), []consumer.CA{{}},
			index(cred(1, "a", "", "alice"), cred(2, "b", far.ID, "bob")), none, "alice " + uuid(1), "username=alice"},
		{"CA ids in upper case", named("a"), []consumer.CA{{ID: "ABCDEF00-0000-4000-8000-000000000001"}},
			index(cred(1, "a", "abcdEF00-0000-4000-8000-000000000001", "alice")), none, "alice " + uuid(1), "username=alice"},
		{"bound by the CA certificate itself", named("a"), path,
			index(pem(2, "a", "bob"), cred(1, "a", "", "alice")), none, "bob " + uuid(50), "username=bob"},
		{"bound by another CA certificate", named("a"), path,
			index(pem(3, "a", "bob")), none, "", ""},
		{"bound by id and by certificate to the same", named("a"), path,
			index(pem(1, "a", "bob"), cred(1, "a", near.ID, "bob")), none, "bob " + uuid(1), "username=bob"},
		{"unbound in the order of the names", named("b", "a"), path,
			index(cred(1, "a", "", "alice"), cred(2, "b", "", "bob")), both, "bob " + uuid(2), "username=bob"},
		{"a credential before consumer_by of an earlier name", named("carol", "a"), path,
			index(cred(1, "a", "", "alice")), both, "alice " + uuid(1), "username=alice"},
		{"a credential without an id", named("a"), path,
			index(cred(0, "a", "", "alice")), both, "alice a", "username=alice"},
		{"the first set of credentials before the second", named("a"), path,
			append(index(cred(1, "a", "", "alice")), index(cred(2, "a", "", "bob"))...), both, "alice " + uuid(1), "username=alice"},
		{"a step before a set", named("a"), path,
			append(index(cred(1, "a", "", "alice")), index(cred(2, "a", far.ID, "bob"))...), both, "bob " + uuid(2), "username=bob"},
		{"subject names are compared byte for byte", named("A"), path, index(cred(1, "a", "", "alice")), none, "", ""},
		{"a consumer by UUID", named("a"), path, index(cred(1, "a", "", uuid(101))), none, "alice " + uuid(1), "id=" + uuid(101)},
		{"a UUID is an id before a username", named("a"), path, index(cred(1, "a", "", uuid(102))), none, "bob " + uuid(1), "id=" + uuid(102)},
		{"a UUID that is only a username", named("a"), path, index(cred(1, "a", "", uuid(999))), none, uuid(999) + " " + uuid(1), "id=" + uuid(999) + " | username=" + uuid(999)},

		{"by username", named("alice"), path, nil, both, "alice alice", "username=alice"},
		{"by custom_id", named("c-carol"), path, nil, both, "carol c-carol", "username=c-carol | custom_id=c-carol"},
		{"username before custom_id of one name", named("alice"), path, nil, both, "alice alice", "username=alice"},
		{"custom_id of the first name before username of the second", named("c-carol", "bob"), path, nil, both, "carol c-carol", "username=c-carol | custom_id=c-carol username=bob custom_id=bob"},
		{"only username", named("c-carol", "bob"), path, nil, consumer.ConsumerBy{Username: true}, "bob bob", "username=c-carol | username=bob"},
		{"only custom_id", named("alice"), path, nil, consumer.ConsumerBy{CustomID: true}, "bob alice", "custom_id=alice"},
		{"consumer_by []", named("alice"), path, nil, none, "", ""},
		{"absent", named("dave"), path, index(cred(1, "a", "", "alice")), both, "", "username=dave | custom_id=dave"},
		{"no names", named(), path, index(cred(1, "a", "", "alice")), both, "", ""},
		{"a name is never an id", named(uuid(101)), path, nil, both, "", "username=" + uuid(101) + " | custom_id=" + uuid(101)},
		{"a name that looks like an id is a username", named(uuid(102)), path, nil, both, uuid(102) + " " + uuid(102), "username=" + uuid(102)},
	} {
		t.Run(test.what, func(t *testing.T) {
			directory := town()
			m := &consumer.Matcher{ConsumerBy: test.by, Lookups: newLookups()}
			got, err := m.Match(t.Context(), consumer.Subject{Names: test.names, CAs: test.cas, Credentials: test.creds}, consumer.Ask{Directory: directory, Now: start})
			if err != nil {
				t.Fatal(err)
			}
			if s := describe(got); s != test.want {
				t.Errorf("got %q, want %q", s, test.want)
			}
			if asked := directory.asked(); asked != test.asked {
				t.Errorf("asked %q, want %q", asked, test.asked)
			}
			if got.Incomplete {
				t.Error("incomplete")
			}
			if got.Fetched.IsZero() != (test.asked == "") {
				t.Errorf("fetched %v", got.Fetched)
			}
		})
	}
}

func describe(m consumer.Match) string {
	if m.Consumer == nil {
		return m.CredentialID
	}
	return m.Consumer.Username + " " + m.CredentialID
}

// A thousand names cost at most 128 queries in 17 batches, and that no consumer
// matches is then not known.
func TestMatchIsBounded(t *testing.T) {
	var names [][]byte
	for i := range 1000 {
		names = append(names, generalName(2, fmt.Sprintf("n%d.example", i)))
	}
	subject, err := consumer.SubjectNames(withSAN(san(names...)), consumer.NameOptions{})
	if err != nil {
		t.Fatal(err)
	}
	directory := town()
	m := &consumer.Matcher{ConsumerBy: both, Lookups: newLookups()}
	ask := consumer.Ask{Directory: directory, Now: start, MaxAge: time.Minute}
	for _, want := range []int{17, 0} {
		got, err := m.Match(t.Context(), consumer.Subject{Names: subject}, ask)
		if err != nil || got.Consumer != nil || !got.Incomplete {
			t.Fatalf("got %+v, %v", got, err)
		}
		questions := 0
		for _, batch := range directory.batches {
			if len(batch) > 8 {
				t.Errorf("a batch of %d", len(batch))
			}
			questions += len(batch)
		}
		if len(directory.batches) != want || want > 0 && questions != 2*consumer.MaxNames {
			t.Errorf("%d questions in %d batches", questions, len(directory.batches))
		}
		directory.forget()
	}
	// The 65th name is not looked at, for credentials neither.
	late := consumer.Subject{Names: subject, Credentials: []*consumer.Credentials{mustIndex(t, cred(1, "n64.example", "", "alice"))}}
	if got, err := m.Match(t.Context(), late, ask); err != nil || got.Consumer != nil || !got.Incomplete {
		t.Errorf("got %+v, %v", got, err)
	}
	in := consumer.Subject{Names: subject, Credentials: []*consumer.Credentials{mustIndex(t, cred(1, "n63.example", "", "alice"))}}
	if got, err := m.Match(t.Context(), in, ask); err != nil || got.Consumer == nil || got.Incomplete {
		t.Errorf("got %+v, %v", got, err)
	}
}
