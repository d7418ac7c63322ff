package authn_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// confinedTo is an intermediate whose names are confined to DNS names or subjects.
func confinedTo(root *pki.Certificate, kind certificate.Kind) *pki.Certificate {
	if kind == certificate.DNS {
		return root.Intermediate("confined", pki.With(func(c *x509.Certificate) {
			c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"example"}
		}))
	}
	// nameConstraints with a permitted directoryName O=example (RFC 5280, section 4.2.1.10).
	name, err := asn1.Marshal(pkix.Name{Organization: []string{"example"}}.ToRDNSequence())
	if err != nil {
		panic(err)
	}
	tagged := func(tag int, constructed bool, content []byte) []byte {
		text, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: constructed, Bytes: content})
		if err != nil {
			panic(err)
		}
		return text
	}
	subtree, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: tagged(4, true, name)})
	if err != nil {
		panic(err)
	}
	value, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: tagged(0, true, subtree)})
	if err != nil {
		panic(err)
	}
	return root.Intermediate("confined", pki.Extension(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 30}, Critical: true, Value: value}),
		pki.Subject(pkix.Name{Organization: []string{"example"}, CommonName: "confined"}))
}

// What a CA's name constraints do not confine is neither told nor a group, and the log says
// what was left out.
func TestWhatNameConstraintsLeaveOut(t *testing.T) {
	root := pki.NewCA("root")
	dns, subjects := confinedTo(root, certificate.DNS), confinedTo(root, certificate.DirectoryName)
	subject := pki.Subject(pkix.Name{Organization: []string{"example"}, CommonName: "a"})
	for _, test := range []struct {
		name     string
		leaf     *pki.Certificate
		dn, san  string
		groups   []string
		leftOut  []string
		cnGroups bool
	}{
		{"no constraints", root.Client("a", pki.DNS("a.example")), "CN=a", "a.example", []string{"a"}, nil, true},
		{"DNS names alone", dns.Client("a", pki.DNS("a.example"), pki.Email("a@b.example")), "", "a.example", nil,
			[]string{"X-Client-Cert-Dn left out", "1 names left out of X-Client-Cert-San"}, true},
		{"DNS names alone, no subject", dns.Client("", pki.Subject(pkix.Name{}), pki.DNS("a.example")), "", "a.example", nil, nil, true},
		{"subjects alone", subjects.Client("a", subject, pki.DNS("a.example")), "CN=a,O=example", "", []string{"a"},
			[]string{"1 names left out of X-Client-Cert-San"}, true},
		{"subjects alone, no other name", subjects.Client("a", subject), "CN=a,O=example", "", []string{"a"}, nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := authenticate(policyOf(trusting(root), func(o *authn.Options) { o.Upstream = authn.UpstreamDetails }), sent(test.leaf))
			headers := upstreamOf(d.Answer())
			if !d.Passed() || headers["X-Client-Cert-Dn"] != test.dn || headers["X-Client-Cert-San"] != test.san || !slices.Equal(d.Answer().Groups, test.groups) {
				t.Errorf("%v (%s): subject %q, names %q, groups %q", d.Reason, d.Detail, headers["X-Client-Cert-Dn"], headers["X-Client-Cert-San"], d.Answer().Groups)
			}
			if headers["X-Client-Cert-Subject-Dn"] != test.dn {
				t.Errorf("X-Client-Cert-Subject-Dn is %q, want %q", headers["X-Client-Cert-Subject-Dn"], test.dn)
			}
			if test.groups == nil && d.Answer().Groups != nil {
				t.Errorf("groups %q, want none", d.Answer().Groups)
			}
			if len(d.Notes) != len(test.leftOut) {
				t.Fatalf("notes %q, want %q", d.Notes, test.leftOut)
			}
			for i, want := range test.leftOut {
				if !strings.HasPrefix(d.Notes[i], want) {
					t.Errorf("note %q, want %q", d.Notes[i], want)
				}
			}
		})
	}
}

// A credential that is bound to a CA certificate counts only where no way up is confined.
func TestCredentialsWhereWaysUpDiffer(t *testing.T) {
	root := pki.NewCA("root")
	confined := confinedTo(root, certificate.DNS)
	free := root.Intermediate("confined", pki.Key(confined.Key))
	below := confined.Intermediate("below")
	const a, b = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
	for _, test := range []struct {
		name  string
		cas   []*pki.Certificate
		leaf  *pki.Certificate
		chain []*pki.Certificate
	}{
		{"the first is confined", []*pki.Certificate{root, confined}, confined.Client("x", pki.DNS("x.example")), []*pki.Certificate{free}},
		{"the second is confined", []*pki.Certificate{root, below}, below.Client("x", pki.DNS("x.example")), []*pki.Certificate{confined}},
	} {
		t.Run(test.name, func(t *testing.T) {
			set := trusting(test.cas...)
			set.set.CAs[0].ID, set.set.CAs[1].ID = a, b
			c := named("x.example", "alice")
			c.CACertificateID = a
			p := policyOf(set, looking(func(o *authn.Options) { o.AllowPartialChain, o.Consumers.Credentials = true, mapping(t, c) })...)
			presented := authn.Presented{Leaf: []byte(test.leaf.PEM())}
			for _, c := range test.chain {
				presented.Chain = append(presented.Chain, c.PEM()...)
			}
			if d := identify(p, presented, knowing("alice"), time.Now()); d.Reason != authn.NoConsumer {
				t.Errorf("got %v (%s), want no_consumer", d.Reason, d.Detail)
			}
		})
	}
}

// A trace is told as much as it asks for.
func TestATraceAsksForWhatItWants(t *testing.T) {
	root := pki.NewCA("root")
	var read, cas int
	var trust *certpath.Trust
	for _, trace := range []*authn.Trace{
		{}, {Read: func(*certificate.Certificate, []*certificate.Certificate, int) { read++ }},
		{CAs: func(_ *kongdata.Snapshot, t *certpath.Trust) { cas, trust = cas+1, t }},
	} {
		if d := policyOf(trusting(root)).Authenticate(authn.WithTrace(t.Context(), trace), sent(root.Client("a")), nil, time.Now()); !d.Passed() {
			t.Error(d.Reason)
		}
	}
	if read != 1 || cas != 1 || trust == nil {
		t.Errorf("told of what was read %d times, of CA certificates %d times", read, cas)
	}
	trace := &authn.Trace{CAs: func(_ *kongdata.Snapshot, t *certpath.Trust) { cas, trust = cas+1, t }}
	if d := policyOf(trusting()).Authenticate(authn.WithTrace(t.Context(), trace), sent(root.Client("a")), nil, time.Now()); d.Reason != authn.CANotLoaded || cas != 2 || trust != nil {
		t.Errorf("without CA certificates: %v, told %d times", d.Reason, cas)
	}
	var names, matched, byDefault int
	all := &authn.Trace{Names: func(consumer.Names) { names++ }, Matched: func(consumer.Match) { matched++ }, Default: func(*consumer.Consumer) { byDefault++ }}
	p := policyOf(trusting(root), looking(func(o *authn.Options) { o.Consumers.Default = consumer.ParseRef("all") })...)
	p.Authenticate(authn.WithTrace(t.Context(), all), sent(root.Client("x")), knowing("all"), time.Now())
	if names != 1 || matched != 1 || byDefault != 1 {
		t.Errorf("told of names %d times, of the match %d, of the default %d", names, matched, byDefault)
	}
}

// What a cached decision takes counts by the length of all that it has.
func TestTheMemoryOfADecisionIsCounted(t *testing.T) {
	root := pki.NewCA("root")
	long := strings.Repeat("l", 400)
	held := func(dir *people, leaf *pki.Certificate, change ...func(*authn.Options)) int64 {
		cache := authn.NewCache()
		d := identify(policyOf(trusting(root), append(change, func(o *authn.Options) { o.Cache = cache })...), sent(leaf), dir, time.Now())
		if !d.Passed() {
			t.Fatal(d.Reason, d.Detail)
		}
		_, bytes := cache.Size()
		return bytes
	}
	person := func(c consumer.Consumer) *people {
		c.Username = "alice"
		return &people{known: map[string]*consumer.Consumer{"alice": &c}}
	}
	alice := root.Client("alice")
	short := held(person(consumer.Consumer{ID: "1"}), alice, looking()...)
	plain := held(nil, alice)
	for name, more := range map[string]int64{
		"id":         held(person(consumer.Consumer{ID: long}), alice, looking()...) - short,
		"custom id":  held(person(consumer.Consumer{ID: "1", CustomID: long}), alice, looking()...) - short,
		"tags":       held(person(consumer.Consumer{ID: "1", Tags: []string{long}}), alice, looking()...) - short,
		"names":      held(nil, root.Client("alice", pki.DNS(strings.Repeat("a.", 200)+"example"))) - plain,
		"a consumer": short - plain + 100, // its fingerprint and subject are in both
	} {
		if more < 399 && name != "a consumer" || name == "a consumer" && more < 112 {
			t.Errorf("%s: counts for %d bytes", name, more)
		}
	}
	if group := held(nil, root.Client(long)) - plain; group < 3*395 { // subject, header and group
		t.Errorf("a long subject counts for %d bytes", group)
	}
}

// How often a limit refused a request is counted, and the places are free again.
func TestReachedLimitsAreCounted(t *testing.T) {
	full := true
	limiter := authn.NewLimiter(func() bool { return full })
	p := policyOf(trusting(pki.NewCA("root")), func(o *authn.Options) { o.Limiter = limiter })
	authenticate(p, authn.Presented{Leaf: []byte("x")})
	if got := limiter.Reached(); got["memory"] != 1 || got["verification"] != 0 || got["revocation"] != 0 {
		t.Errorf("counted %v", got)
	}
}

func extensionSAN(value ...byte) pki.Option {
	return pki.Extension(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: value})
}

// That a name cannot be read explains why no consumer matches.
func TestNamesThatCannotBeRead(t *testing.T) {
	root := pki.NewCA("root")
	one := extensionSAN(0x30, 0x03, 0x88, 0x01, 0x80) // a registeredID that is no OID
	for option, leftOut := range map[string]bool{"bad": true, "good": false} {
		leaf := root.Client("x", pki.DNS("x.example"))
		if leftOut {
			leaf = root.Client("x", one)
		}
		d := identify(policyOf(trusting(root), looking()...), sent(leaf), knowing(), time.Now())
		if d.Reason != authn.NoConsumer || strings.Contains(d.Detail, "left out: ") != leftOut {
			t.Errorf("%s: %v (%s)", option, d.Reason, d.Detail)
		}
	}
}

// A long group or header is left out whole, and the log says so.
func TestWhatIsTooLongIsNoted(t *testing.T) {
	root := pki.NewCA("root")
	long := strings.Repeat("l", longest+1)
	d := authenticate(policyOf(trusting(root)), sent(root.Client(long)))
	if !d.Passed() || d.Answer().Groups != nil || len(d.Notes) != 2 || !slices.Contains(d.Notes, "authenticated group left out: 8193 bytes, at most 8192 are sent") {
		t.Errorf("%v, groups %d, notes %q", d.Reason, len(d.Answer().Groups), d.Notes)
	}
	name := "al\nice"
	dir := &people{known: map[string]*consumer.Consumer{"alice": {ID: "1", Username: name}}}
	ref := consumer.RefTo(consumer.Query{By: consumer.ByUsername, Value: "alice"})
	p := policyOf(trusting(root), looking(func(o *authn.Options) { o.Consumers.Default = ref })...)
	if d := identify(p, sent(root.Client("x")), dir, time.Now()); d.Passed() {
		t.Errorf("a consumer of another name was taken: %v", d.Notes)
	}
}

// Subjects in the log are cut over 512 bytes.
func TestTextsAreCut(t *testing.T) {
	root := pki.NewCA("root")
	for length, cut := range map[int]bool{512: false, 513: true} {
		leaf := root.Client(strings.Repeat("l", length-len("CN=")))
		got := authenticate(policyOf(trusting(root)), sent(leaf)).Subject.Name
		if strings.HasSuffix(got, "…") != cut || len(got) > 512+len("…") || !cut && len(got) != length {
			t.Errorf("%d bytes: %d are kept", length, len(got))
		}
	}
}

// A CA certificate that a CA issued to its own name is no root: it is told.
func TestASelfIssuedIntermediateIsTold(t *testing.T) {
	root := pki.NewCA("root")
	renewed := root.Intermediate("root")
	leaf := renewed.Client("a")
	presented := authn.Presented{Leaf: []byte(leaf.PEM()), Chain: []byte(renewed.PEM())}
	headers := upstreamOf(authenticate(telling(trusting(root), authn.UpstreamRFC9440), presented).Answer())
	if list, err := parseList(headers["Client-Cert-Chain"]); err != nil || len(list) != 1 || string(list[0]) != string(renewed.Raw) {
		t.Errorf("%d certificates above the client's (%v), want the intermediate", len(list), err)
	}
	for set, want := range map[authn.UpstreamHeaders]bool{0: false, authn.UpstreamRFC9440: true, authn.UpstreamDetails: true} {
		if got := telling(trusting(root), set).TellsUpstream(); got != want {
			t.Errorf("headers %d: tells the upstream %v", set, got)
		}
	}
}

// A SPIFFE ID is no group where URIs are not confined.
func TestASPIFFEIDThatIsNotConfined(t *testing.T) {
	root := pki.NewCA("root")
	confined := confinedTo(root, certificate.DNS)
	id := svid(confined, "spiffe://example.org/a")
	p := policyOf(trusting(root), domains(t, map[string][]string{"example.org": {"a"}}))
	if d := authenticate(p, sent(id)); d.Answer().Groups != nil || len(d.Notes) > 0 {
		t.Errorf("%v (%s): groups %q, notes %q; want neither", d.Reason, d.Detail, d.Answer().Groups, d.Notes)
	}
}

// unread is a certificate whose subject alternative name is no list of names, which Go's
// reader refuses and ours takes for one without a name that counts.
func unread(t *testing.T, root *pki.Certificate) authn.Presented {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: []byte{0x04, 0x00}}},
	}, root.Certificate, key.Public(), root.Key)
	if err != nil {
		t.Fatal(err)
	}
	return authn.Presented{Leaf: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// Where names cannot be read, any consumer's may be among them: default_consumer is not for
// such a certificate.
func TestNamesThatCannotBeReadAtAll(t *testing.T) {
	root := pki.NewCA("root")
	presented := unread(t, root)
	fallback := func(o *authn.Options) { o.Consumers.Default = consumer.ParseRef("all") }
	if d := identify(policyOf(trusting(root), looking(fallback)...), presented, knowing("all", "x"), time.Now()); d.Reason != authn.NoConsumer {
		t.Errorf("got %v (%s) as %+v, want no_consumer", d.Reason, d.Detail, d.Answer().Consumer)
	}
	d := authenticate(policyOf(trusting(root)), presented)
	if !d.Passed() || len(d.Notes) != 1 || !strings.HasPrefix(d.Notes[0], "subject alternative name left out: ") {
		t.Errorf("without a lookup: %v (%s), notes %q", d.Reason, d.Detail, d.Notes)
	}
}

// byID is a directory of one consumer.
type byID struct{ consumer.Consumer }

func (b byID) Find(_ context.Context, queries []consumer.Query) []consumer.Result {
	results := make([]consumer.Result, len(queries))
	for i, q := range queries {
		if q.By == consumer.ByID && q.Value == b.ID {
			results[i].Consumer = &b.Consumer
		}
	}
	return results
}

// What no header can hold is left out, and noted by the header's name.
func TestConsumersThatNoHeaderCanHold(t *testing.T) {
	root := pki.NewCA("root")
	const id = "cccccccc-0000-4000-8000-000000000001"
	c := consumer.Credential{ID: "a\nb", SubjectName: "x", Consumer: consumer.RefTo(consumer.Query{By: consumer.ByID, Value: id})}
	p := policyOf(trusting(root), looking(func(o *authn.Options) { o.Consumers.Credentials = mapping(t, c) })...)
	d := identify(p, sent(root.Client("x")), byID{consumer.Consumer{ID: id, Username: "al\nice"}}, time.Now())
	headers := upstreamOf(d.Answer())
	want := []string{"X-Consumer-Username left out: it has a control character", "X-Credential-Identifier left out: it has a control character"}
	if !d.Passed() || !slices.Equal(d.Notes, want) || headers["X-Consumer-Username"] != "" || headers["X-Credential-Identifier"] != "" || headers["X-Consumer-ID"] != id {
		t.Errorf("%v (%s), headers %q, notes %q", d.Reason, d.Detail, headers, d.Notes)
	}
}

// Where SPIFFE IDs are asked for the ID alone is told, by design: no note says so.
func TestNothingIsNotedOfASPIFFEID(t *testing.T) {
	root := pki.NewCA("root")
	id := svid(root, "spiffe://example.org/a", pki.DNS("a.example"))
	d := authenticate(policyOf(trusting(root), domains(t, map[string][]string{"example.org": {"a"}})), sent(id))
	headers := upstreamOf(d.Answer())
	if !d.Passed() || len(d.Notes) > 0 || headers["X-Client-Cert-Dn"] != "" || headers["X-Client-Cert-San"] != "spiffe://example.org/a" {
		t.Errorf("%v (%s): headers %q, notes %q", d.Reason, d.Detail, headers, d.Notes)
	}
}

// The client is told that the anonymous consumer does not exist only where that is known.
func TestAnAnonymousConsumerThatCannotBeLookedUp(t *testing.T) {
	dir := knowing()
	dir.known["guest"] = nil
	d := identify(policyOf(trusting(pki.NewCA("root")), looking(anonymous("guest"))...), authn.Presented{}, dir, time.Now())
	if body := string(d.Answer().Body()); d.Reason != authn.LookupFailed || body != `{"message":"An unexpected error occurred"}` {
		t.Errorf("%v: %s", d.Reason, body)
	}
}
