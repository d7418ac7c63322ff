package authn_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/spiffe"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// domains are the trust domains of a policy: ids of CA certificates by name.
func domains(t *testing.T, ids map[string][]string) func(*authn.Options) {
	t.Helper()
	all := map[spiffe.TrustDomain][]string{}
	for name, of := range ids {
		domain, err := spiffe.ParseTrustDomain(name)
		if err != nil {
			t.Fatal(err)
		}
		all[domain] = of
	}
	return func(o *authn.Options) { o.TrustDomains = all }
}

// svid is a client with a SPIFFE ID and no subject.
func svid(ca *pki.Certificate, id string, more ...pki.Option) *pki.Certificate {
	return ca.Client("", append([]pki.Option{pki.Subject(pkix.Name{}), pki.URI(id)}, more...)...)
}

// TestTrustDomains: a CA speaks for its own trust domain and no other. trusting gives the
// CAs the ids a, aa, aaa and aaaa.
func TestTrustDomains(t *testing.T) {
	one, two, other := pki.NewCA("one"), pki.NewCA("two"), pki.NewCA("other")
	bridge := two.Intermediate("one", pki.Key(one.Key), pki.With(func(c *x509.Certificate) { c.Subject = one.Subject })) // two has signed one
	p := policyOf(trusting(one, two, other, pki.NewCA("of two domains")), domains(t, map[string][]string{
		"one.example": {"a"}, "two.example": {"aa"}, "sub.one.example": {"aa"}, "old.example": {"a"},
	}))
	for name, test := range map[string]struct {
		leaf   *pki.Certificate
		reason authn.Reason
		detail string
	}{
		"an ID of one by its CA":               {svid(one, "spiffe://one.example/web"), authn.Passed, ""},
		"an ID of two by its CA":               {svid(two, "spiffe://two.example/web"), authn.Passed, ""},
		"by an intermediate of its CA":         {svid(one.Intermediate("inter"), "spiffe://one.example/web"), authn.Passed, ""},
		"a second domain of one CA":            {svid(one, "spiffe://old.example/web"), authn.Passed, ""},
		"a nested domain by its own CA":        {svid(two, "spiffe://sub.one.example/web"), authn.Passed, ""},
		"with a DNS name":                      {svid(one, "spiffe://one.example/web", pki.DNS("web.two.example")), authn.Passed, ""},
		"one claims an ID of two":              {svid(one, "spiffe://two.example/web"), authn.SPIFFEID, `no CA certificate of its trust domain "two.example"`},
		"two claims an ID of one":              {svid(two, "spiffe://one.example/web"), authn.SPIFFEID, `no CA certificate of its trust domain "one.example"`},
		"an intermediate of two claims it":     {svid(two.Intermediate("inter"), "spiffe://one.example/web"), authn.SPIFFEID, "no CA certificate of its trust domain"},
		"one claims the domain nested in it":   {svid(one, "spiffe://sub.one.example/web"), authn.SPIFFEID, "no CA certificate of its trust domain"},
		"two claims the domain around its":     {svid(two, "spiffe://one.example/sub"), authn.SPIFFEID, "no CA certificate of its trust domain"},
		"a CA of no trust domain":              {svid(other, "spiffe://one.example/web"), authn.SPIFFEID, "no CA certificate of its trust domain"},
		"an unknown trust domain":              {svid(one, "spiffe://three.example/web"), authn.SPIFFEID, `"three.example" is not among`},
		"a prefix of the trust domain":         {svid(one, "spiffe://one.exampl/web"), authn.SPIFFEID, "is not among"},
		"no SPIFFE ID":                         {one.Client("web", pki.DNS("web.one.example")), authn.SPIFFEID, "0 URIs"},
		"two URIs":                             {svid(one, "spiffe://one.example/web", pki.URI("spiffe://two.example/web")), authn.SPIFFEID, "2 URIs"},
		"the CA itself":                        {one, authn.SPIFFEID, "a CA certificate"},
		"untrusted: the path's reason stays":   {svid(pki.NewCA("unknown"), "spiffe://one.example/web"), authn.IssuerNotFound, ""},
		"expired: the path's reason stays":     {svid(one, "spiffe://one.example/web", pki.Expired()), authn.Expired, ""},
		"for servers: the path's reason stays": {svid(one, "spiffe://one.example/web", pki.ExtKeyUsage(x509.ExtKeyUsageServerAuth)), authn.WrongUsage, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := authenticate(p, sent(test.leaf))
			if d.Reason != test.reason || !strings.Contains(d.Detail, test.detail) {
				t.Errorf("got %v (%s), want %v (%s)", d.Reason, d.Detail, test.reason, test.detail)
			}
			if d.Reason == authn.SPIFFEID && (d.About != "leaf" || d.Subject.Fingerprint != test.leaf.Read().Fingerprint() || d.Answer().Status != 401) {
				t.Errorf("about %q, subject %+v, status %d", d.About, d.Subject, d.Answer().Status)
			}
			if test.reason == authn.Passed && len(d.Notes) > 0 {
				t.Errorf("notes %q", d.Notes)
			}
		})
	}
	// A path to each CA: only the one that ends at the domain's own counts.
	web := svid(one, "spiffe://two.example/web")
	d := authenticate(p, authn.Presented{Leaf: []byte(web.PEM()), Chain: []byte(bridge.PEM())})
	if !d.Passed() {
		t.Errorf("signed by two's own intermediate, which has one's name and key: %v (%s)", d.Reason, d.Detail)
	}
}

// TestAMissingCAOfATrustDomain: what a CA that could not be loaded would say is unknown.
func TestAMissingCAOfATrustDomain(t *testing.T) {
	one, two := pki.NewCA("one"), pki.NewCA("two")
	c := trusting(one)
	c.set.Snapshot.Missing = []string{"aa"}
	p := policyOf(c, domains(t, map[string][]string{"one.example": {"a"}, "two.example": {"aa"}}))
	for leaf, want := range map[*pki.Certificate]authn.Reason{
		svid(one, "spiffe://one.example/web"): authn.Passed,
		svid(one, "spiffe://two.example/web"): authn.CANotLoaded,
		svid(two, "spiffe://two.example/web"): authn.CANotLoaded,
	} {
		if d := authenticate(p, sent(leaf)); d.Reason != want {
			t.Errorf("%v: got %v (%s), want %v", leaf.URIs, d.Reason, d.Detail, want)
		}
	}
}

// TestOnlyTheSPIFFEIDCounts: a trust domain's CA cannot have another name of its
// certificates taken for a consumer, a group or another domain's ID.
func TestOnlyTheSPIFFEIDCounts(t *testing.T) {
	one, two := pki.NewCA("one"), pki.NewCA("two")
	trusted := trusting(one, two)
	both := domains(t, map[string][]string{"one.example": {"a"}, "two.example": {"aa"}})
	const own, forged = "spiffe://two.example/web", "spiffe://one.example/admin"
	leaf := two.Client("admin", pki.DNS(forged, "admin"), pki.Email(forged), pki.URI(own))

	t.Run("headers and groups", func(t *testing.T) {
		for by, group := range map[authn.GroupBy]string{authn.GroupByCN: own, authn.GroupByDN: own, authn.GroupByNone: ""} {
			a := authenticate(policyOf(trusted, both, func(o *authn.Options) { o.GroupBy = by }), sent(leaf)).Answer()
			if got := strings.Join(a.Groups, "|"); got != group {
				t.Errorf("group by %v: got %q, want %q", by, got, group)
			}
			for _, h := range a.Headers {
				if want := map[string]string{"X-Client-Cert-San": own}[h.Name]; h.Value != want {
					t.Errorf("%s: got %q, want %q", h.Name, h.Value, want)
				}
			}
		}
	})
	t.Run("consumers", func(t *testing.T) {
		dir := directory{forged: "c1", "admin": "c2", own: "c3"}
		credentials, err := consumer.NewCredentials(nil)
		if err != nil {
			t.Fatal(err)
		}
		p := policyOf(trusted, both, func(o *authn.Options) {
			o.Consumers, o.CacheTTL = &authn.Consumers{By: consumer.ConsumerBy{Username: true, CustomID: true}, Credentials: credentials}, time.Minute
			o.Lookups = consumer.NewLookups(1 << 20)
		})
		d := p.Authenticate(context.Background(), sent(leaf), dir, time.Now())
		if !d.Passed() || d.Consumer.ID != "c3" {
			t.Errorf("got %v (%s) as %+v, want the consumer of %s", d.Reason, d.Detail, d.Consumer, own)
		}
	})
}

// directory has the ids of consumers by their custom_id.
type directory map[string]string

func (d directory) Find(_ context.Context, queries []consumer.Query) []consumer.Result {
	results := make([]consumer.Result, len(queries))
	for i, q := range queries {
		if id := d[q.Value]; id != "" && q.By == consumer.ByCustomID {
			results[i].Consumer = &consumer.Consumer{ID: id, CustomID: q.Value}
		}
	}
	return results
}

func TestRequiredUsages(t *testing.T) {
	root := pki.NewCA("root")
	requires := func(purposes ...certificate.OID) *authn.Policy {
		return policyOf(trusting(root), func(o *authn.Options) { o.Usages = purposes })
	}
	const smartcard certificate.OID = "\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x02"
	card := root.Client("a", pki.With(func(c *x509.Certificate) {
		c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}}
	}))
	for name, test := range map[string]struct {
		p      *authn.Policy
		leaf   *pki.Certificate
		detail string // "" for a pass
	}{
		"the one":                  {requires(certificate.ExtKeyUsageClientAuth), root.Client("a"), ""},
		"both of two":              {requires(smartcard, certificate.ExtKeyUsageClientAuth), card, ""},
		"one of two":               {requires(smartcard, certificate.ExtKeyUsageClientAuth), root.Client("a"), "not among its extended key usages: 1.3.6.1.4.1.311.20.2.2"},
		"none of two":              {requires(smartcard, certificate.ExtKeyUsageServerAuth), root.Client("a"), "1.3.6.1.4.1.311.20.2.2, 1.3.6.1.5.5.7.3.1"},
		"no extension":             {requires(certificate.ExtKeyUsageClientAuth), root.Client("a", pki.ExtKeyUsage()), "1.3.6.1.5.5.7.3.2"},
		"anyExtendedKeyUsage":      {requires(certificate.ExtKeyUsageClientAuth), root.Client("a", pki.ExtKeyUsage(x509.ExtKeyUsageAny)), "1.3.6.1.5.5.7.3.2"},
		"it, where it is required": {requires(certificate.ExtKeyUsageAny), root.Client("a", pki.ExtKeyUsage(x509.ExtKeyUsageAny)), ""},
		"the CA itself":            {requires(certificate.ExtKeyUsageClientAuth), root, "1.3.6.1.5.5.7.3.2"},
	} {
		d := authenticate(test.p, sent(test.leaf))
		switch {
		case test.detail == "" && !d.Passed(),
			test.detail != "" && (d.Reason != authn.WrongUsage || !strings.Contains(d.Detail, test.detail) || d.About != "leaf"):
			t.Errorf("%s: got %v (%s) about %q, want %q", name, d.Reason, d.Detail, d.About, test.detail)
		}
	}
}

func TestRequiredPolicies(t *testing.T) {
	says := func(dotted ...asn1.ObjectIdentifier) pki.Option {
		return pki.With(func(c *x509.Certificate) {
			c.PolicyIdentifiers = dotted
			c.Policies = nil
			for _, id := range dotted {
				oid, err := x509.ParseOID(id.String())
				if err != nil {
					t.Fatal(err)
				}
				c.Policies = append(c.Policies, oid)
			}
		})
	}
	qualified, other, anyPolicy := asn1.ObjectIdentifier{0, 4, 0, 194112, 1, 0}, asn1.ObjectIdentifier{1, 2, 3, 4}, asn1.ObjectIdentifier{2, 5, 29, 32, 0}
	root := pki.NewCA("root")
	asserting := pki.NewCA("asserting", says(qualified))
	issuing, silent, open := root.Intermediate("issuing", says(qualified, other)), root.Intermediate("silent"), root.Intermediate("open", says(anyPolicy))
	requires := func(dotted ...string) *authn.Policy {
		return policyOf(trusting(root, asserting), func(o *authn.Options) {
			for _, d := range dotted {
				id, ok := certificate.ParseOID(d)
				if !ok {
					t.Fatal(d)
				}
				o.Policies = append(o.Policies, id)
			}
		})
	}
	want := requires("0.4.0.194112.1.0")
	for name, test := range map[string]struct {
		p      *authn.Policy
		leaf   *pki.Certificate
		passes bool
	}{
		"leaf and intermediate assert it":       {want, issuing.Client("a", says(qualified)), true},
		"directly below the root":               {want, root.Client("a", says(qualified)), true},
		"the intermediate asserts any":          {want, open.Client("a", says(qualified)), true},
		"the leaf asserts any":                  {want, issuing.Client("a", says(anyPolicy)), true},
		"one of two that are required":          {requires("1.2.3", "0.4.0.194112.1.0"), issuing.Client("a", says(qualified)), true},
		"any is required":                       {requires("2.5.29.32.0"), issuing.Client("a", says(other)), true},
		"the CA itself asserts it":              {want, asserting, true},
		"the leaf asserts none":                 {want, issuing.Client("a"), false},
		"the leaf asserts another":              {want, issuing.Client("a", says(other)), false},
		"the intermediate asserts none":         {want, silent.Client("a", says(qualified)), false},
		"any is required, and none is asserted": {requires("2.5.29.32.0"), silent.Client("a"), false},
		"the CA itself asserts none":            {want, root, false},
		"nothing is required":                   {requires(), silent.Client("a"), true},
	} {
		d := authenticate(test.p, sent(test.leaf))
		if d.Passed() != test.passes || !test.passes && d.Reason != authn.Constraint {
			t.Errorf("%s: got %v (%s)", name, d.Reason, d.Detail)
		}
	}
}

// TestUsagesOfTheCAsAbove: a CA that is confined to other usages issues no certificate with
// a required one. crypto/x509 is the oracle.
func TestUsagesOfTheCAsAbove(t *testing.T) {
	root := pki.NewCA("root")
	below := func(usages ...x509.ExtKeyUsage) *pki.Certificate {
		return root.Intermediate("issuing", pki.ExtKeyUsage(usages...))
	}
	signing, client, any, mail := x509.ExtKeyUsageCodeSigning, x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageAny, x509.ExtKeyUsageEmailProtection
	for _, test := range []struct {
		name string
		ca   *pki.Certificate
	}{
		{"not confined", below()},
		{"confined to both", below(client, signing)},
		{"confined to any", below(any)},
		{"confined to another", below(client)},
		{"a CA below one that is confined", below(client).Intermediate("lower")},
		{"confined by two", below(client, signing).Intermediate("lower", pki.ExtKeyUsage(client, signing, mail))},
		{"confined by the lower one", below(client, signing).Intermediate("lower", pki.ExtKeyUsage(client, mail))},
		{"the root", root},
	} {
		t.Run(test.name, func(t *testing.T) {
			leaf := test.ca.Client("a", pki.ExtKeyUsage(client, signing))
			roots, between := x509.NewCertPool(), x509.NewCertPool()
			roots.AppendCertsFromPEM([]byte(root.PEM()))
			between.AppendCertsFromPEM([]byte(leaf.ChainPEM()))
			parsed, err := x509.ParseCertificate(leaf.Raw)
			if err != nil {
				t.Fatal(err)
			}
			_, err = parsed.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{signing}})
			p := policyOf(trusting(root), func(o *authn.Options) { o.Usages = []certificate.OID{codeSigning(t)} })
			d := authenticate(p, sent(leaf))
			if d.Passed() != (err == nil) || !d.Passed() && (d.Reason != authn.WrongUsage || !strings.Contains(d.Detail, "which is above it")) {
				t.Errorf("got %v (%s), crypto/x509 says %v", d.Reason, d.Detail, err)
			}
		})
	}
}

func codeSigning(t *testing.T) certificate.OID {
	t.Helper()
	id, ok := certificate.ParseOID("1.3.6.1.5.5.7.3.3")
	if !ok {
		t.Fatal("an OID that is one")
	}
	return id
}

// TestAnIntermediateOfAnotherTrustDomain: a CA speaks for its own trust domain alone, also
// where its path goes on to the root of another.
func TestAnIntermediateOfAnotherTrustDomain(t *testing.T) {
	one := pki.NewCA("one")
	two := one.Intermediate("two")
	for _, partial := range []bool{false, true} {
		p := policyOf(trusting(one, two), domains(t, map[string][]string{"one.example": {"a"}, "two.example": {"aa"}}), func(o *authn.Options) {
			o.AllowPartialChain = partial
		})
		for _, test := range []struct {
			name string
			leaf *pki.Certificate
			want bool
		}{
			{"one's own", svid(one, "spiffe://one.example/x"), true},
			{"one of another CA below it", svid(one.Intermediate("three"), "spiffe://one.example/x"), true},
			{"two's own", svid(two, "spiffe://two.example/x"), partial},
			{"two claims one's", svid(two, "spiffe://one.example/x"), false},
			{"a CA below two claims one's", svid(two.Intermediate("four"), "spiffe://one.example/x"), false},
			{"one claims two's", svid(one, "spiffe://two.example/x"), false},
		} {
			if d := authenticate(p, sent(test.leaf)); d.Passed() != test.want || !test.want && d.Reason != authn.SPIFFEID {
				t.Errorf("partial chains %v, %s: %v (%s)", partial, test.name, d.Reason, d.Detail)
			}
		}
	}
}
