package authn_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func TestHeaders(t *testing.T) {
	root := pki.NewCA("root")
	leaf := root.Client("a,b", pki.DNS("one.example", "two.example"), pki.Email("a@example"), pki.URI("spiffe://x/y,z"))
	a := authenticate(policyOf(trusting(root)), sent(leaf)).Answer()
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

// TestHeadersUnderNameConstraints: the upstream hears of names of confined kinds
// alone.
func TestHeadersUnderNameConstraints(t *testing.T) {
	root := pki.NewCA("root")
	confined := root.Intermediate("confined", pki.With(func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"tenant.example"}
	}))
	leaf := confined.Client("admin", pki.DNS("a.tenant.example"), pki.URI("spiffe://corp.example/admin"))
	d := authenticate(policyOf(trusting(root)), sent(leaf))
	if !d.Passed() || len(d.Notes) != 2 {
		t.Fatalf("got %v (%v) with notes %q, want a pass with two notes", d.Reason, d.Detail, d.Notes)
	}
	for _, h := range d.Answer().Headers {
		if want := map[string]string{"X-Client-Cert-San": "a.tenant.example"}[h.Name]; h.Value != want {
			t.Errorf("%s: got %q, want %q", h.Name, h.Value, want)
		}
	}
}

func TestAHeaderThatIsTooLongIsLeftOutWhole(t *testing.T) {
	root := pki.NewCA("root")
	var names []string
	for range 600 {
		names = append(names, "0123456789.example")
	}
	d := authenticate(policyOf(trusting(root)), sent(root.Client("a", pki.DNS(names...))))
	for _, h := range d.Answer().Headers {
		if h.Name == "X-Client-Cert-San" && h.Value != "" {
			t.Errorf("a header of %d bytes is sent", len(h.Value))
		}
	}
	if !d.Passed() || len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "X-Client-Cert-San left out") {
		t.Errorf("passed %v with notes %q, want a note that the header was left out", d.Passed(), d.Notes)
	}
}

func TestGroups(t *testing.T) {
	root := pki.NewCA("root")
	twice := pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
		{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "admin"},
		{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "user"},
	}}
	// A CA confined to DNS names says nothing about subjects.
	confined := root.Intermediate("confined", pki.With(func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"example"}
	}))
	tests := map[string]struct {
		leaf *pki.Certificate
		by   authn.GroupBy
		want string
	}{
		"CN":                         {root.Client("admin"), authn.GroupByCN, "admin"},
		"CN beside a SAN":            {root.Client("admin", pki.DNS("x.example")), authn.GroupByCN, "admin"},
		"DN":                         {root.Client("", pki.Subject(pkix.Name{CommonName: "admin", Organization: []string{"Rig, Inc."}})), authn.GroupByDN, `CN=admin,O=Rig\, Inc.`},
		"none":                       {root.Client("admin"), authn.GroupByNone, ""},
		"two CNs":                    {root.Client("", pki.Subject(twice)), authn.GroupByCN, ""},
		"no subject":                 {root.Client("", pki.Subject(pkix.Name{}), pki.DNS("x.example")), authn.GroupByCN, ""},
		"no subject, DN":             {root.Client("", pki.Subject(pkix.Name{}), pki.DNS("x.example")), authn.GroupByDN, ""},
		"a control character":        {root.Client("admin\n"), authn.GroupByCN, ""},
		"a control character, DN":    {root.Client("admin\x7f"), authn.GroupByDN, ""},
		"an unvouched for CN":        {confined.Client("admin", pki.DNS("x.example")), authn.GroupByCN, ""},
		"an unvouched for DN":        {confined.Client("admin", pki.DNS("x.example")), authn.GroupByDN, ""},
		"a CA that is its own admin": {root, authn.GroupByCN, "root"},
		"no CN":                      {root.Client("", pki.Subject(pkix.Name{Organization: []string{"o"}})), authn.GroupByCN, ""},
		"a CN after another":         {root.Client("", pki.Subject(pkix.Name{CommonName: "admin", Organization: []string{"o"}})), authn.GroupByCN, "admin"},
		"the longest":                {root.Client(strings.Repeat("g", 8192)), authn.GroupByCN, strings.Repeat("g", 8192)},
	}
	for name, test := range tests {
		p := policyOf(trusting(root), func(o *authn.Options) { o.GroupBy = test.by })
		d := authenticate(p, sent(test.leaf))
		if !d.Passed() {
			t.Errorf("%s: %v (%v)", name, d.Reason, d.Detail)
		}
		if got := strings.Join(d.Answer().Groups, "|"); got != test.want {
			t.Errorf("%s: got group %q, want %q", name, got, test.want)
		}
	}
}

func TestAGroupThatIsTooLong(t *testing.T) {
	root := pki.NewCA("root")
	p := policyOf(trusting(root), func(o *authn.Options) { o.GroupBy = authn.GroupByDN })
	d := authenticate(p, sent(root.Client(strings.Repeat("g", 9000))))
	if !d.Passed() || len(d.Answer().Groups) != 0 || len(d.Notes) == 0 {
		t.Errorf("passed %v with %d groups and notes %q, want no group and a note", d.Passed(), len(d.Answer().Groups), d.Notes)
	}
}
