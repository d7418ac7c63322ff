package luaserver

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/consumer"
)

// TestOneRoundTrip: consumers are looked up once for a request; what was not asked for is a
// failure, not absence, and so is all after a failure.
func TestOneRoundTrip(t *testing.T) {
	alice, bob := consumer.Query{By: consumer.ByUsername, Value: "alice"}, consumer.Query{By: consumer.ByUsername, Value: "bob"}
	asks := func(queries ...consumer.Query) consumer.Questions { return consumer.Questions{Consumers: queries} }
	directoryOf := func(answer string) (*directory, *exchange) {
		e := &exchange{in: make(chan []byte, 1), out: make(chan []byte, 8)}
		e.in <- []byte(answer)
		return &directory{exchange: &deciding{Exchange: e}}, e
	}
	find := func(d *directory, q consumer.Query) string {
		switch r := d.Find(context.Background(), []consumer.Query{q})[0]; {
		case r.Err != nil:
			return r.Err.Error()
		case r.Consumer != nil:
			return r.Consumer.ID
		}
		return "none"
	}
	found := `{"op":"found","consumers":[{"n":1,"id":"` + aliceID + `","username":"alice"}]}`

	d, e := directoryOf(found)
	if _, err := d.Prefetch(context.Background(), asks()); err != nil || len(e.out) != 0 {
		t.Errorf("nothing to ask: %v, asked %d", err, len(e.out))
	}
	if got := find(d, alice); got != "the consumer was not looked up" {
		t.Errorf("before it is asked for: %s", got)
	}
	if _, err := d.Prefetch(context.Background(), asks(alice, alice)); err != nil {
		t.Fatal(err)
	}
	var asked lookupAsked
	if err := json.Unmarshal(<-e.out, &asked); err != nil || len(asked.Lookup.Consumers) != 1 || asked.Lookup.Credentials == nil {
		t.Errorf("asked %+v, %v, want alice once", asked, err)
	}
	if got := find(d, alice); got != aliceID {
		t.Errorf("alice: %s", got)
	}
	if got := find(d, bob); got != "the consumer was not looked up" {
		t.Errorf("bob: %s", got)
	}
	if _, err := d.Prefetch(context.Background(), asks(alice)); err != nil || len(e.out) != 0 {
		t.Errorf("what is known: %v, asked %d", err, len(e.out))
	}
	for range 2 {
		if _, err := d.Prefetch(context.Background(), asks(bob)); err == nil || err.Error() != "consumers were already looked up for this request" || len(e.out) != 0 {
			t.Errorf("a second time: %v, asked %d", err, len(e.out))
		}
	}
	if got := find(d, alice); got != "consumers were already looked up for this request" {
		t.Errorf("alice after a failure: %s", got)
	}

	d, _ = directoryOf(`{"op":"found","errors":["away","and gone"]}`)
	if _, err := d.Prefetch(context.Background(), asks(alice)); err == nil || err.Error() != "looking up consumers in Kong's database: away; and gone" {
		t.Errorf("errors: %v", err)
	}
	if got := find(d, alice); !strings.HasSuffix(got, "away; and gone") {
		t.Errorf("alice after errors: %s", got)
	}
	credential := `"id":"k","subject_name":"alice","ca_certificate":"` + strings.ToUpper(caID) + `","consumer":{"id":"` + aliceID + `"}}]}`
	key := consumer.Questions{Credentials: []consumer.CredentialKey{{SubjectName: "alice", CACertificateID: caID}}}
	for place, want := range map[string]string{"0": "credential 0 of 1", "2": "credential 2 of 1", "-1": "credential -1 of 1", "1": ""} {
		d, _ := directoryOf(`{"op":"found","credentials":[{"n":` + place + `,` + credential)
		_, err := d.Prefetch(context.Background(), key)
		if got := ""; err != nil {
			got = strings.TrimPrefix(err.Error(), "looking up credentials in Kong's database: ")
			if got != want {
				t.Errorf("place %s: got %s, want %q", place, got, want)
			}
		} else if want != "" {
			t.Errorf("place %s is accepted", place)
		}
	}
	for place, want := range map[string]string{"0": "consumer 0 of 1", "2": "consumer 2 of 1"} {
		d, _ := directoryOf(`{"op":"found","consumers":[{"n":` + place + `,"id":"` + aliceID + `"}]}`)
		if _, err := d.Prefetch(context.Background(), asks(alice)); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("place %s: got %v, want %q", place, err, want)
		}
	}
}
