package consumer_test

import (
	"strings"
	"testing"
	"time"
	"unsafe"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/consumer"
)

// Attributes that are not the CN's, or no text, are nobody's username.
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
