package authn_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
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
		_, bytes := cache.Held()
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
