package revocation

import (
	"crypto/rand"
	"crypto/rsa"
	"sync/atomic"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/crl"
	"mtls-auth/mtlsauth/internal/signature"
)

// A revocation is remembered until its end, or until a later answer takes it
// back.
func TestRevokedCertificates(t *testing.T) {
	now := time.Now()
	hour := func(n int) time.Time { return now.Add(time.Duration(n) * time.Hour) }
	type step struct {
		what       string // add, clear or get
		thisUpdate int    // hours
		until      int
		at         int
		want       bool // that it was taken back, or is remembered
	}
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"it is remembered", []step{{what: "get"}, {"add", 0, 10, 0, false}, {"get", 0, 0, 9, true}, {"get", 0, 0, 10, true}}},
		{"until its end, by a clock that may be set back", []step{{"add", 0, 10, 0, false}, {"get", 0, 0, 11, false}, {"get", 0, 0, 9, true}}},
		{"what is over is not", []step{{"add", 0, 10, 11, false}, {"get", 0, 0, 1, false}}},
		{"a later answer takes it back", []step{{"add", 0, 10, 0, false}, {"clear", 1, 0, 1, true}, {"get", 0, 0, 1, false}}},
		{"an earlier one does not", []step{{"add", 1, 10, 0, false}, {"clear", 0, 0, 1, false}, {"get", 0, 0, 1, true}}},
		{"nor one of the same time", []step{{"add", 1, 10, 0, false}, {"clear", 1, 0, 1, false}, {"get", 0, 0, 1, true}}},
		{"there is nothing to take back", []step{{"clear", 0, 0, 0, true}}},
		{"after a hold an earlier answer counts", []step{{"add", 1, 2, 1, false}, {"clear", 0, 0, 3, true}, {"get", 0, 0, 3, false}}},
		{"a later one goes further", []step{{"add", 0, 5, 0, false}, {"add", 1, 10, 1, false}, {"get", 0, 0, 6, true}}},
		{"an earlier one does not go back", []step{{"add", 1, 10, 1, false}, {"add", 0, 5, 1, false}, {"get", 0, 0, 6, true}, {"clear", 1, 0, 1, false}}},
		{"for good counts before a hold of the same time", []step{{"add", 1, 2, 1, false}, {"add", 1, 10, 1, false}, {"get", 0, 0, 6, true}}},
		{"and whichever comes first", []step{{"add", 1, 10, 1, false}, {"add", 1, 2, 1, false}, {"get", 0, 0, 6, true}}},
		{"for good is remembered after a hold that is over", []step{{"add", 1, 2, 1, false}, {"add", 0, 10, 3, false}, {"get", 0, 0, 6, true}}},
	} {
		r := newRevokedCertificates(new(atomic.Uint64))
		key := certKey{1}
		for n, s := range test.steps {
			got := s.want
			switch s.what {
			case "add":
				r.add(key, revocationSeen{thisUpdate: hour(s.thisUpdate), until: hour(s.until)}, hour(s.at))
			case "clear":
				got = r.clear(key, hour(s.thisUpdate), hour(s.at))
			case "get":
				_, got = r.get(key, hour(s.at))
			}
			if got != s.want {
				t.Errorf("%s: step %d, %s: got %v, want %v", test.name, n, s.what, got, s.want)
			}
			if _, other := r.get(certKey{2}, now); other {
				t.Errorf("%s: another certificate is revoked", test.name)
			}
		}
	}
}

// What others decided about the certificate ends with the news, not with its
// confirmation.
func TestRevokedCertificatesEndDecisions(t *testing.T) {
	now := time.Now()
	var replaced atomic.Uint64
	r := newRevokedCertificates(&replaced)
	key := certKey{1}
	decided := func() func() bool {
		was := replaced.Load()
		return func() bool { return replaced.Load() == was }
	}
	before := decided()
	r.add(key, revocationSeen{thisUpdate: now, until: now.Add(time.Hour)}, now)
	if before() {
		t.Error("a decision from before the revocation stands")
	}
	refused := decided()
	r.add(key, revocationSeen{thisUpdate: now.Add(time.Minute), until: now.Add(time.Hour)}, now)
	if !refused() {
		t.Error("a refusal ended though the revocation was confirmed")
	}
	r.clear(key, now.Add(time.Hour), now)
	if refused() {
		t.Error("a refusal stands though the revocation was taken back")
	}
	passed := decided()
	r.clear(key, now.Add(time.Hour), now)
	if !passed() {
		t.Error("a decision ended though nothing happened")
	}
}

func TestRevokedCertificatesAreBounded(t *testing.T) {
	now := time.Now()
	r := newRevokedCertificates(new(atomic.Uint64))
	key := func(n int) certKey { return certKey{byte(n), byte(n >> 8), byte(n >> 16)} }
	for n := range maxRevoked {
		r.add(key(n), revocationSeen{thisUpdate: now, until: now.Add(time.Hour + time.Duration(n)*time.Second)}, now)
	}
	r.add(key(maxRevoked), revocationSeen{thisUpdate: now, until: now.Add(100 * time.Hour)}, now)
	if len(r.byCert) != maxRevoked {
		t.Errorf("%d are remembered, want %d", len(r.byCert), maxRevoked)
	}
	for n, want := range map[int]bool{0: false, 1: true, maxRevoked: true} {
		if _, got := r.get(key(n), now); got != want {
			t.Errorf("the one that ends as number %d: remembered is %v", n, got)
		}
	}
	// What has ended makes room for many.
	r.add(key(0), revocationSeen{thisUpdate: now.Add(2 * time.Hour), until: now.Add(100 * time.Hour)}, now.Add(2*time.Hour))
	if want := maxRevoked - 3600 + 1; len(r.byCert) > want+1 || len(r.byCert) < want-1 {
		t.Errorf("%d are remembered after an hour, want about %d", len(r.byCert), want)
	}
}

// A key is the same however it is encoded: with and without parameters, for any
// signature or RSASSA-PSS alone.
func TestRevokedUnderEveryEncodingOfTheKey(t *testing.T) {
	one, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	two, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	cert := &certificate.Certificate{Serial: []byte{1}}
	key := func(key any, encoding string) certKey {
		return certKeyOf(cert, &certificate.Certificate{PublicKey: key, RawSubjectPublicKeyInfo: []byte(encoding)}, nil)
	}
	known := key(&one.PublicKey, "with NULL")
	for _, test := range []struct {
		name string
		got  certKey
		same bool
	}{
		{"without NULL", key(&one.PublicKey, "without"), true},
		{"RSASSA-PSS", key(&signature.PSSKey{PublicKey: &one.PublicKey}, "PSS"), true},
		{"another", key(&two.PublicKey, "with NULL"), false},
		{"one that cannot be used", key(signature.UnsupportedKey("odd"), "with NULL"), false},
	} {
		if same := test.got == known; same != test.same {
			t.Errorf("%s: the same is %v, want %v", test.name, same, test.same)
		}
	}
	if key(signature.UnsupportedKey("odd"), "one") == key(signature.UnsupportedKey("odd"), "two") {
		t.Error("two keys that cannot be used are one")
	}
}

// Of a list that overlaps with others, no part is kept whose memory was given back.
func TestALaterListBringsNothingBack(t *testing.T) {
	now := time.Now()
	list := func(minutes int) *crl.List {
		return &crl.List{Header: crl.Header{ThisUpdate: now.Add(time.Duration(minutes) * time.Minute)}}
	}
	old, new, next, candidate, other := list(0), list(1), list(2), list(9), list(9)
	before := crlValue{verified: old, candidate: candidate}
	for _, test := range []struct {
		name         string
		value, known crlValue
		want         bool
	}{
		{"later", crlValue{verified: next}, crlValue{verified: new}, true},
		{"later, with a candidate of its own", crlValue{verified: next, candidate: other}, crlValue{verified: new}, true},
		{"later, with a candidate that is kept", crlValue{verified: next, candidate: candidate}, crlValue{verified: new, candidate: candidate}, true},
		{"later, with one that was let go", crlValue{verified: next, candidate: candidate}, crlValue{verified: new}, false},
		{"one that was let go, with another candidate", crlValue{verified: old, candidate: other}, crlValue{verified: list(-1)}, false},
		{"earlier", crlValue{verified: new}, crlValue{verified: next}, false},
		{"the same, with another candidate", crlValue{verified: old, candidate: other}, crlValue{verified: old}, true},
		{"the candidate is the verified one now", crlValue{verified: old, candidate: candidate}, crlValue{verified: candidate}, false},
	} {
		if got := laterList(test.value, test.known, before); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}
