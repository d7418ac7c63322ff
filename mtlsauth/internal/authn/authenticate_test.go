package authn_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"runtime"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/cacert"
	"mtls-auth/mtlsauth/internal/pkitest"
)

// caSet is a set of CA certificates that is known from the beginning.
type caSet struct {
	*cacert.Snapshot
	waits int
}

func (s *caSet) Wait(context.Context) *cacert.Snapshot { s.waits++; return s.Snapshot }

// The interface's method has the name of the field.
type cas struct{ set *caSet }

func (c cas) Snapshot() *cacert.Snapshot                { return c.set.Snapshot }
func (c cas) Wait(ctx context.Context) *cacert.Snapshot { return c.set.Wait(ctx) }

func trusting(authorities ...*pkitest.Certificate) cas {
	s := new(cacert.Snapshot)
	for i, ca := range authorities {
		s.CAs = append(s.CAs, cacert.CA{ID: strings.Repeat("a", i+1), Certificate: ca.Certificate})
	}
	return cas{&caSet{Snapshot: s}}
}

func policyOf(c cas, change ...func(*authn.Options)) *authn.Policy {
	o := authn.Options{CAIDs: []string{"a"}, CAs: c, GroupBy: authn.GroupByCN, Cache: authn.NewCache()}
	for _, f := range change {
		f(&o)
	}
	return authn.NewPolicy(o)
}

func sent(leaf *pkitest.Certificate) authn.Presented {
	return authn.Presented{Leaf: []byte(leaf.PEM()), Chain: []byte(leaf.ChainPEM())}
}

func authenticate(p *authn.Policy, presented authn.Presented) *authn.Decision {
	return p.Authenticate(context.Background(), presented, nil, time.Now())
}

func TestTheZeroDecisionIsADenial(t *testing.T) {
	if d := new(authn.Decision); d.Passed() || d.Reason != authn.Internal {
		t.Errorf("the zero decision has reason %v and passed %v", d.Reason, d.Passed())
	}
	if d := authn.Deny(authn.Passed, nil); d.Passed() || d.Answer.Status != 500 {
		t.Errorf("a denial for having passed: passed %v, status %d", d.Passed(), d.Answer.Status)
	}
}

func TestReasons(t *testing.T) {
	root, stranger := pkitest.NewCA("root"), pkitest.NewCA("stranger")
	namesake := pkitest.NewCA("root")
	inter := root.Intermediate("inter")
	garbage := authn.Presented{Leaf: []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")}
	tests := map[string]struct {
		presented authn.Presented
		want      authn.Reason
	}{
		"a client of the CA":             {sent(root.Client("a")), authn.Passed},
		"a client of its intermediate":   {sent(inter.Client("a")), authn.Passed},
		"the CA itself":                  {sent(root), authn.Passed},
		"none":                           {authn.Presented{}, authn.NoneSent},
		"none, but a chain":              {authn.Presented{Chain: []byte(root.PEM())}, authn.NoneSent},
		"rubbish":                        {garbage, authn.Unreadable},
		"a client of another CA":         {sent(stranger.Client("a")), authn.IssuerNotFound},
		"without its intermediate":       {authn.Presented{Leaf: []byte(inter.Client("a").PEM())}, authn.IssuerNotFound},
		"a client of a namesake":         {sent(namesake.Client("a")), authn.BadSignature},
		"expired":                        {sent(root.Client("a", pkitest.Expired())), authn.Expired},
		"not yet valid":                  {sent(root.Client("a", pkitest.NotYetValid())), authn.NotYetValid},
		"a server's":                     {sent(root.Client("a", pkitest.ExtKeyUsage(x509.ExtKeyUsageServerAuth))), authn.WrongUsage},
		"a CA certificate as a client's": {sent(inter), authn.WrongUsage},
		"more names than are read": {sent(stranger.Client("a", pkitest.With(func(c *x509.Certificate) {
			for range 5000 {
				c.DNSNames = append(c.DNSNames, "x")
			}
		}))), authn.TooCostly},
		"a weak key": {sent(root.Client("a", pkitest.RSA(1024))), authn.WeakAlgorithm},
		"a critical extension that nobody knows": {sent(root.Client("a", pkitest.Extension(pkix.Extension{
			Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}))), authn.Constraint},
	}
	for name, test := range tests {
		d := authenticate(policyOf(trusting(root)), test.presented)
		if d.Reason != test.want {
			t.Errorf("%s: got %v (%v), want %v", name, d.Reason, d.Detail, test.want)
		}
		status, message := 401, `{"message":"TLS certificate failed verification"}`
		verify := "FAILED:" + test.want.String()
		switch test.want {
		case authn.Passed:
			status, message, verify = 0, "", "SUCCESS"
		case authn.NoneSent:
			message, verify = `{"message":"No required TLS certificate was sent"}`, "NONE"
		}
		if d.Answer.Status != status || string(d.Answer.Body) != message || d.Answer.ClientVerify != verify {
			t.Errorf("%s: answered %d %s and %s, want %d %s and %s", name,
				d.Answer.Status, d.Answer.Body, d.Answer.ClientVerify, status, message, verify)
		}
	}
}

func TestWhatCouldNotBeHad(t *testing.T) {
	root, stranger := pkitest.NewCA("root"), pkitest.NewCA("stranger")
	none := trusting()
	none.set.Missing = []string{"a"}
	p := policyOf(none)
	if d := authenticate(p, sent(root.Client("a"))); d.Reason != authn.CANotLoaded || d.Answer.Status != 500 {
		t.Errorf("with no CA certificate: got %v with %d, want ca_not_loaded with 500", d.Reason, d.Answer.Status)
	}
	if d := authenticate(p, authn.Presented{}); d.Answer.Status != 401 {
		t.Errorf("with no CA certificate and none sent: got %d, want 401", d.Answer.Status)
	}
	some := trusting(root)
	some.set.Missing = []string{"b"}
	p = policyOf(some)
	if d := authenticate(p, sent(root.Client("a"))); !d.Passed() {
		t.Errorf("a client of the CA that is known: %v", d.Reason)
	}
	if d := authenticate(p, sent(stranger.Client("a"))); d.Reason != authn.CANotLoaded || d.Answer.Status != 401 {
		t.Errorf("a client of another: got %v with %d, want ca_not_loaded with 401", d.Reason, d.Answer.Status)
	}
}

func TestHeaders(t *testing.T) {
	root := pkitest.NewCA("root")
	leaf := root.Client("a,b", pkitest.DNS("one.example", "two.example"), pkitest.Email("a@example"), pkitest.URI("spiffe://x/y,z"))
	a := authenticate(policyOf(trusting(root)), sent(leaf)).Answer
	got := map[string]string{}
	for _, h := range a.Headers {
		got[h.Name] = h.Value
	}
	want := map[string]string{
		"X-Client-Cert-Dn":        `CN=a\,b`,
		"X-Client-Cert-San":       `one.example, two.example, a@example, spiffe://x/y\,z`,
		"X-Consumer-ID":           "",
		"X-Consumer-Custom-ID":    "",
		"X-Consumer-Username":     "",
		"X-Credential-Identifier": "",
		"X-Anonymous-Consumer":    "",
	}
	if len(got) != len(want) {
		t.Errorf("got headers %v, want %v", got, want)
	}
	for name, value := range want {
		if g, ok := got[name]; !ok || g != value {
			t.Errorf("%s: got %q (%v), want %q", name, g, ok, value)
		}
	}
	if a.CredentialID != leaf.Fingerprint() {
		t.Errorf("credential: got %q, want the certificate's SHA-256", a.CredentialID)
	}
}

func TestAHeaderThatIsTooLongIsLeftOutWhole(t *testing.T) {
	root := pkitest.NewCA("root")
	var names []string
	for range 600 {
		names = append(names, "0123456789.example")
	}
	d := authenticate(policyOf(trusting(root)), sent(root.Client("a", pkitest.DNS(names...))))
	for _, h := range d.Answer.Headers {
		if h.Name == "X-Client-Cert-San" && h.Value != "" {
			t.Errorf("a header of %d bytes is sent", len(h.Value))
		}
	}
	if !d.Passed() || len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "X-Client-Cert-San left out") {
		t.Errorf("passed %v with notes %q, want a note that the header was left out", d.Passed(), d.Notes)
	}
}

func TestGroups(t *testing.T) {
	root := pkitest.NewCA("root")
	twice := pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
		{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "admin"},
		{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "user"},
	}}
	// A CA confined to DNS names says nothing about subjects.
	confined := root.Intermediate("confined", pkitest.With(func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"example"}
	}))
	tests := map[string]struct {
		leaf *pkitest.Certificate
		by   authn.GroupBy
		want string
	}{
		"CN":                         {root.Client("admin"), authn.GroupByCN, "admin"},
		"CN beside a SAN":            {root.Client("admin", pkitest.DNS("x.example")), authn.GroupByCN, "admin"},
		"DN":                         {root.Client("", pkitest.Subject(pkix.Name{CommonName: "admin", Organization: []string{"Rig, Inc."}})), authn.GroupByDN, `CN=admin,O=Rig\, Inc.`},
		"none":                       {root.Client("admin"), authn.GroupByNone, ""},
		"two CNs":                    {root.Client("", pkitest.Subject(twice)), authn.GroupByCN, ""},
		"no subject":                 {root.Client("", pkitest.Subject(pkix.Name{}), pkitest.DNS("x.example")), authn.GroupByCN, ""},
		"no subject, DN":             {root.Client("", pkitest.Subject(pkix.Name{}), pkitest.DNS("x.example")), authn.GroupByDN, ""},
		"a control character":        {root.Client("admin\n"), authn.GroupByCN, ""},
		"a control character, DN":    {root.Client("admin\x7f"), authn.GroupByDN, ""},
		"an unvouched for CN":        {confined.Client("admin", pkitest.DNS("x.example")), authn.GroupByCN, ""},
		"an unvouched for DN":        {confined.Client("admin", pkitest.DNS("x.example")), authn.GroupByDN, ""},
		"a CA that is its own admin": {root, authn.GroupByCN, "root"},
	}
	for name, test := range tests {
		p := policyOf(trusting(root), func(o *authn.Options) { o.GroupBy = test.by })
		d := authenticate(p, sent(test.leaf))
		if !d.Passed() {
			t.Errorf("%s: %v (%v)", name, d.Reason, d.Detail)
		}
		if got := strings.Join(d.Answer.Groups, "|"); got != test.want {
			t.Errorf("%s: got group %q, want %q", name, got, test.want)
		}
	}
}

func TestADecisionIsMadeOnce(t *testing.T) {
	root := pkitest.NewCA("root")
	c := trusting(root)
	p := policyOf(c)
	presented := sent(root.Client("a"))
	first := authenticate(p, presented)
	if second := authenticate(p, presented); second != first || c.set.waits != 1 {
		t.Errorf("the same certificate was decided %d times", c.set.waits)
	}
	// Another configuration with the same CAs and the same cache decides for
	// itself.
	cache := authn.NewCache()
	shared := func(o *authn.Options) { o.Cache = cache }
	one, other := policyOf(c, shared), policyOf(c, shared)
	if authenticate(one, presented) == authenticate(other, presented) {
		t.Error("two policies share a decision")
	}
	// Where the leaf ends and the chain begins is part of what was presented.
	whole := authn.Presented{Leaf: append(presented.Leaf[:len(presented.Leaf):len(presented.Leaf)], presented.Chain...)}
	if authenticate(one, whole) == authenticate(one, presented) {
		t.Error("a chain sent as a leaf shares a decision with the two sent apart")
	}
	// What was sent with one request must not help another.
	inter := root.Intermediate("inter")
	leaf := inter.Client("b")
	if d := authenticate(p, sent(leaf)); !d.Passed() {
		t.Fatalf("with its chain: %v", d.Reason)
	}
	if d := authenticate(p, authn.Presented{Leaf: []byte(leaf.PEM())}); d.Passed() {
		t.Error("without its chain: passed by the chain of an earlier request")
	}
}

func TestACAThatIsTakenAwayEndsItsDecisions(t *testing.T) {
	root, other := pkitest.NewCA("root"), pkitest.NewCA("other")
	c := trusting(root)
	p := policyOf(c)
	presented := sent(root.Client("a"))
	if d := authenticate(p, presented); !d.Passed() {
		t.Fatal(d.Reason)
	}
	c.set.Snapshot = trusting(other).set.Snapshot
	if d := authenticate(p, presented); d.Passed() {
		t.Error("passed by a CA that is not trusted any more")
	}
	c.set.Snapshot = trusting(root).set.Snapshot
	if d := authenticate(p, presented); !d.Passed() {
		t.Errorf("trusted again: %v", d.Reason)
	}
}

// A decision belongs to the CA certificates that it was made with, not to those
// that came while it was made.
func TestCAsThatChangeDuringADecision(t *testing.T) {
	root, other := pkitest.NewCA("root"), pkitest.NewCA("other")
	c := changing{trusting(root).set.Snapshot, trusting(other).set.Snapshot}
	p := authn.NewPolicy(authn.Options{CAs: &c, Cache: authn.NewCache()})
	presented := sent(root.Client("a"))
	if d := authenticate(p, presented); !d.Passed() {
		t.Fatal(d.Reason)
	}
	c.judged = c.current
	if d := authenticate(p, presented); d.Passed() {
		t.Error("passed by a CA that is not trusted any more")
	}
}

// changing is CA certificates of which one snapshot is judged with and another
// is the current one at once.
type changing struct{ judged, current *cacert.Snapshot }

func (c *changing) Snapshot() *cacert.Snapshot            { return c.current }
func (c *changing) Wait(context.Context) *cacert.Snapshot { return c.judged }

// Denials are kept by the thousand and a client decides what is in them.
func TestADenialHoldsNoCertificate(t *testing.T) {
	stranger := pkitest.NewCA("stranger")
	var names []string
	for i := range 1000 {
		names = append(names, strings.Repeat("n", i%20)+".example")
	}
	leaf := stranger.Client(strings.Repeat("long ", 2000), pkitest.DNS(names...))
	p := policyOf(trusting(pkitest.NewCA("root")))
	const denials = 200
	held := make([]*authn.Decision, 0, denials)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range denials {
		d := authenticate(p, authn.Presented{Leaf: []byte(leaf.PEM()), Chain: []byte(strings.Repeat("x", i))})
		if d.Passed() {
			t.Fatal("passed")
		}
		held = append(held, d)
	}
	if each := (int64(heap()) - int64(before)) / denials; each > 8<<10 {
		t.Errorf("each denial holds %d bytes", each)
	}
	runtime.KeepAlive(held)
}

func TestAGroupThatIsTooLong(t *testing.T) {
	root := pkitest.NewCA("root")
	p := policyOf(trusting(root), func(o *authn.Options) { o.GroupBy = authn.GroupByDN })
	d := authenticate(p, sent(root.Client(strings.Repeat("g", 9000))))
	if !d.Passed() || len(d.Answer.Groups) != 0 || len(d.Notes) == 0 {
		t.Errorf("passed %v with %d groups and notes %q, want no group and a note", d.Passed(), len(d.Answer.Groups), d.Notes)
	}
}

func TestADecisionEndsWithThePath(t *testing.T) {
	now := time.Now()
	root := pkitest.NewCA("root")
	inter := root.Intermediate("inter", pkitest.Valid(now.Add(-time.Hour), now.Add(time.Hour)))
	presented := sent(inter.Client("a"))
	p := policyOf(trusting(root))
	if d := p.Authenticate(context.Background(), presented, nil, now); !d.Passed() {
		t.Fatal(d.Reason)
	}
	if d := p.Authenticate(context.Background(), presented, nil, now.Add(2*time.Hour)); d.Reason != authn.Expired {
		t.Errorf("after the intermediate's notAfter: %v, want expired", d.Reason)
	}
	// A denial is kept for seconds only: whoever comes too early is let in in time.
	early := sent(root.Client("b", pkitest.Valid(now.Add(time.Minute), now.Add(time.Hour))))
	if d := p.Authenticate(context.Background(), early, nil, now); d.Reason != authn.NotYetValid {
		t.Fatal(d.Reason)
	}
	if d := p.Authenticate(context.Background(), early, nil, now.Add(61*time.Second)); !d.Passed() {
		t.Errorf("once it is valid: %v", d.Reason)
	}
}

func FuzzAMutatedLeafNeverPasses(f *testing.F) {
	root := pkitest.NewCA("root")
	leaf := root.Client("a", pkitest.DNS("x.example"))
	p := policyOf(trusting(root))
	f.Add([]byte(leaf.PEM()))
	f.Add([]byte(pkitest.NewCA("other").Client("a").PEM()))
	f.Fuzz(func(t *testing.T, text []byte) {
		d := authenticate(p, authn.Presented{Leaf: text})
		if !d.Passed() {
			return
		}
		if !bytes.Equal(d.Subject.Fingerprint[:], fingerprint(leaf)) && !bytes.Equal(d.Subject.Fingerprint[:], fingerprint(root)) {
			t.Errorf("a certificate that nobody issued passed: %s", text)
		}
	})
}

func fingerprint(c *pkitest.Certificate) []byte {
	sum := sha256.Sum256(c.Raw)
	return sum[:]
}
