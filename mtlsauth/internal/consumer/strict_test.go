package consumer_test

import (
	"strings"
	"testing"
	"time"
	"unsafe"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/consumer"
)

// Attributes that are not the CN's, or no text, are no consumer's username.
func TestAttributesThatAreNoNames(t *testing.T) {
	for _, test := range []struct {
		what string
		cert *certificate.Certificate
	}{
		{"an organization alone", &certificate.Certificate{RawSubject: san(tlv(0x31, attribute(oidO, tagUTF8, "alice")))}},
		{"a BIT STRING as the CN", &certificate.Certificate{RawSubject: san(tlv(0x31, attribute(oidCN, 3, "\x00alice")))}},
		{"a BIT STRING in a directoryName", withSAN(san(dirName(attribute(oidCN, 3, "\x00alice"))))},
		{"an INTEGER in a directoryName", withSAN(san(dirName(attribute(oidCN, 2, "\x07"))))},
	} {
		if names, err := consumer.SubjectNames(test.cert, consumer.NameOptions{}); err != nil || len(names.Values) > 0 {
			t.Errorf("%s: names %q, %v", test.what, names.Values, err)
		}
	}
}

func TestHowManyNamesCannotBeRead(t *testing.T) {
	bad := generalName(2, "\xc3\xa4")
	for want, cert := range map[string]*certificate.Certificate{
		"": withSAN(san(generalName(2, "a"))),
		"subject alternative names that cannot be read: 1": withSAN(san(bad, generalName(2, "a"))),
		"subject alternative names that cannot be read: 2": withSAN(san(bad, bad)),
	} {
		if names, err := consumer.SubjectNames(cert, consumer.NameOptions{}); err != nil || names.LeftOut != want {
			t.Errorf("left out %q, want %q (%v)", names.LeftOut, want, err)
		}
	}
}

// A source's consumer answers a query by the very value that was asked for.
func TestCheck(t *testing.T) {
	full := &consumer.Consumer{ID: uuid(1), Username: "alice", CustomID: "c"}
	for _, test := range []struct {
		what     string
		query    consumer.Query
		consumer *consumer.Consumer
		good     bool
	}{
		{"by id", consumer.Query{By: consumer.ByID, Value: strings.ToUpper(uuid(1))}, full, true},
		{"by username", consumer.Query{By: consumer.ByUsername, Value: "alice"}, full, true},
		{"by custom_id", consumer.Query{By: consumer.ByCustomID, Value: "c"}, full, true},
		{"in other capitals", consumer.Query{By: consumer.ByUsername, Value: "Alice"}, full, false},
		{"another attribute", consumer.Query{By: consumer.ByCustomID, Value: "alice"}, full, false},
		{"an empty value", consumer.Query{By: consumer.ByUsername}, &consumer.Consumer{ID: uuid(1)}, false},
		{"without an id", consumer.Query{By: consumer.ByUsername, Value: "alice"}, &consumer.Consumer{Username: "alice"}, false},
		{"by nothing", consumer.Query{By: 77, Value: "alice"}, full, false},
	} {
		if err := test.query.Check(test.consumer); (err == nil) != test.good {
			t.Errorf("%s: %v", test.what, err)
		}
	}
}

func TestQueriesOfARef(t *testing.T) {
	for _, test := range []struct {
		ref  consumer.Ref
		want int
	}{
		{consumer.RefTo(consumer.Query{By: consumer.ByID, Value: uuid(1)}), 1}, {consumer.RefTo(consumer.Query{By: consumer.ByCustomID, Value: "c"}), 1},
		{consumer.ParseRef("alice"), 1}, {consumer.ParseRef(uuid(1)), 2},
	} {
		if got := test.ref.Queries(); len(got) != test.want {
			t.Errorf("%s: %v, want %d", test.ref, got, test.want)
		}
	}
}

// A cached lookup ends by the wall clock or by the monotonic one, whichever is faster.
func TestALookupEndsByEitherClock(t *testing.T) {
	const ttl = time.Minute
	fetched := time.Now() // with a monotonic reading
	for _, test := range []struct {
		what  string
		now   time.Time
		asked int
	}{
		{"at once", fetched.Add(time.Second), 1},
		{"when both have passed", fetched.Add(ttl), 2},
		{"when the wall clock was set back", monotonic(fetched, ttl), 2},
		{"when the machine has slept", monotonic(fetched.Add(ttl), -ttl+time.Second), 2},
	} {
		directory, l := town(), newLookups()
		for _, now := range []time.Time{fetched, test.now} {
			if id, _, err := who(t, l, "alice", consumer.Ask{Directory: directory, Now: now, MaxAge: ttl}); id != uuid(101) || err != nil {
				t.Fatalf("%s: %q, %v", test.what, id, err)
			}
		}
		if len(directory.batches) != test.asked {
			t.Errorf("%s: asked %d times, want %d", test.what, len(directory.batches), test.asked)
		}
	}
}

// monotonic returns t with its monotonic reading changed and its wall clock as it is. The
// reading is the second word of a time.Time.
func monotonic(t time.Time, by time.Duration) time.Time {
	*(*int64)(unsafe.Add(unsafe.Pointer(&t), 8)) += int64(by)
	return t
}

// A CA certificate without an id is known by its bytes alone: credentials for any CA are not
// its own.
func TestCredentialsOfACAWithoutAnID(t *testing.T) {
	digest := [32]byte{1}
	ref := func(name string) consumer.Ref { return consumer.ParseRef(name) }
	credentials, err := consumer.NewCredentials([]consumer.Credential{
		{SubjectName: "n", Consumer: ref("alice")}, {SubjectName: "n", Consumer: ref("dave"), CACertificateSHA256: digest},
		{SubjectName: "m", Consumer: ref("alice")}, {SubjectName: "n", Consumer: ref("alice"), CACertificateID: uuid(7)},
	})
	if err != nil {
		t.Fatal(err)
	}
	directory := town()
	directory.list = append(directory.list, &consumer.Consumer{ID: uuid(104), Username: "dave"})
	for _, test := range []struct {
		what  string
		cas   []consumer.CA
		names []string
		want  string
	}{
		{"by its bytes", []consumer.CA{{SHA256: digest}}, []string{"n"}, "dave"},
		{"of another CA", []consumer.CA{{SHA256: [32]byte{2}}}, []string{"n"}, "alice"},
		{"a later name's own before an earlier one of any CA", []consumer.CA{{SHA256: digest}}, []string{"m", "n"}, "dave"},
		{"by its id", []consumer.CA{{ID: uuid(7)}}, []string{"n"}, "alice"},
	} {
		m := &consumer.Matcher{Lookups: newLookups()}
		got, err := m.Match(t.Context(), consumer.Subject{Names: consumer.Names{Values: test.names}, CAs: test.cas, Credentials: []*consumer.Credentials{credentials}},
			consumer.Ask{Directory: directory, Now: time.Now(), MaxAge: time.Minute})
		if err != nil || got.Consumer == nil || got.Consumer.Username != test.want {
			t.Errorf("%s: %+v (%v), want %s", test.what, got.Consumer, err, test.want)
		}
	}
	both := &consumer.Matcher{Lookups: newLookups()}
	if got, err := both.Match(t.Context(), consumer.Subject{Names: named("n"), CAs: []consumer.CA{{ID: uuid(7), SHA256: digest}}, Credentials: []*consumer.Credentials{credentials}},
		consumer.Ask{Directory: directory, Now: time.Now(), MaxAge: time.Minute}); err == nil {
		t.Errorf("two consumers for one CA certificate: %+v", got.Consumer)
	}
}

// A message quotes 128 bytes of a name at most, and names both credentials that differ.
func TestMessagesOfCredentials(t *testing.T) {
	for length, cut := range map[int]bool{128: false, 129: true} {
		name := strings.Repeat("n", length)
		_, err := consumer.NewCredentials([]consumer.Credential{
			{SubjectName: name, Consumer: consumer.ParseRef("alice")}, {SubjectName: name, Consumer: consumer.ParseRef("bob"), ID: "second"},
		})
		if err == nil || strings.Contains(err.Error(), name) == cut || strings.Contains(err.Error(), "…") != cut {
			t.Errorf("%d bytes: %v", length, err)
		}
		if err != nil && strings.Count(err.Error(), "(credential ") != 1 {
			t.Errorf("one of two credentials has an id: %v", err)
		}
	}
}
