package certpath_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// constrainedBy validates a leaf with these options below an intermediate with
// the constraints.
func constrainedBy(t *testing.T, critical bool, parts [][]byte, leaf ...pki.Option) ([]certpath.Path, error) {
	t.Helper()
	g := newGraph(t, "root root>one one>leaf", map[string][]pki.Option{
		"root>one": {constraints(t, critical, parts...)}, "one>leaf": leaf,
	})
	trust := certpath.NewTrust(g.list(t, "root"), certpath.TrustOptions{})
	return trust.Validate(g.certs["one>leaf"], g.list(t, "root>one"), certpath.Options{Now: now})
}

func TestNameConstraints(t *testing.T) {
	dn := func(s string) []byte { return dnBase(t, s) }
	none := subjectDN(t, "")
	subject := func(s string) pki.Option { return subjectDN(t, s) }
	for _, test := range []struct {
		name  string
		parts [][]byte
		leaf  []pki.Option
		want  bool
	}{
		{"DNS itself", [][]byte{permitted(dnsBase("example.com"))}, []pki.Option{pki.DNS("EXAMPLE.com")}, true},
		{"DNS below", [][]byte{permitted(dnsBase("example.com"))}, []pki.Option{pki.DNS("a.example.com")}, true},
		{"DNS beside", [][]byte{permitted(dnsBase("example.com"))}, []pki.Option{pki.DNS("badexample.com")}, false},
		{"one DNS of two beside", [][]byte{permitted(dnsBase("example.com"))}, []pki.Option{pki.DNS("a.example.com", "a.org")}, false},
		{"DNS with a leading dot, itself", [][]byte{permitted(dnsBase(".example.com"))}, []pki.Option{pki.DNS("example.com")}, false},
		{"DNS with a leading dot, below", [][]byte{permitted(dnsBase(".example.com"))}, []pki.Option{pki.DNS("a.example.com")}, true},
		{"a wildcard as a constraint", [][]byte{excluded(dnsBase("*.example.com"))}, []pki.Option{pki.DNS("a.example.org")}, false},
		{"a wildcard as a constraint for URIs", [][]byte{excluded(uriBase("*.example.com"))}, []pki.Option{pki.URI("https://a.example.org/")}, false},
		{"a wildcard as a constraint for addresses", [][]byte{excluded(emailBase("*.example.com"))}, []pki.Option{pki.Email("a@a.example.org")}, false},
		{"a wildcard as the domain of a mailbox", [][]byte{excluded(emailBase("a@*.example.com"))}, []pki.Option{pki.Email("a@a.example.org")}, false},
		{"a constraint that cannot be read, and no name of its kind", [][]byte{permitted(uriBase("*.example.com"))}, []pki.Option{pki.DNS("a.example.org")}, true},
		{"a constraint that cannot be read beside one that can", [][]byte{permitted(dnsBase("*.example.com"), dnsBase("example.org"))}, []pki.Option{pki.DNS("a.example.org")}, true},
		{"DNS with a dot at its end, excluded", [][]byte{excluded(dnsBase("example.com"))}, []pki.Option{pki.DNS("a.example.com.")}, false},
		{"DNS with a dot at its end, excluded elsewhere", [][]byte{excluded(dnsBase("example.com"))}, []pki.Option{pki.DNS("a.example.org.")}, true},
		{"DNS with a dot at its end, permitted", [][]byte{permitted(dnsBase("example.com"))}, []pki.Option{pki.DNS("a.example.com.")}, false},
		{"malformed DNS", [][]byte{permitted(dnsBase("example.com"))}, []pki.Option{pki.DNS(".example.com")}, false},
		{"malformed DNS, excluded elsewhere", [][]byte{excluded(dnsBase("example.org"))}, []pki.Option{pki.DNS("a..com")}, false},
		{"excluded DNS", [][]byte{excluded(dnsBase("example.com"))}, []pki.Option{pki.DNS("a.Example.com")}, false},
		{"excluded wins", [][]byte{permitted(dnsBase("example.com")), excluded(dnsBase("a.example.com"))}, []pki.Option{pki.DNS("a.example.com")}, false},
		{"wildcard over an excluded name", [][]byte{excluded(dnsBase("a.example.com"))}, []pki.Option{pki.DNS("*.example.com")}, false},
		{"partial wildcard over an excluded name", [][]byte{excluded(dnsBase("abc.example.com"))}, []pki.Option{pki.DNS("a*.example.com")}, false},
		{"wildcard above a permitted name", [][]byte{permitted(dnsBase("a.example.com"))}, []pki.Option{pki.DNS("*.example.com")}, false},
		{"no DNS name at all", [][]byte{permitted(dnsBase("example.com"))}, nil, true},
		{"another kind", [][]byte{permitted(dnsBase("example.com"))}, []pki.Option{pki.Email("a@b.org")}, true},
		{"everything excluded", [][]byte{excluded(dnsBase(""))}, []pki.Option{pki.DNS("a.org")}, false},
		{"everything permitted", [][]byte{permitted(dnsBase(""))}, []pki.Option{pki.DNS("a.org")}, true},

		{"mailbox", [][]byte{permitted(emailBase("a@example.com"))}, []pki.Option{pki.Email("a@EXAMPLE.com")}, true},
		{"another mailbox", [][]byte{permitted(emailBase("a@example.com"))}, []pki.Option{pki.Email("A@example.com")}, false},
		{"excluded mailbox in another case", [][]byte{excluded(emailBase("a@example.com"))}, []pki.Option{pki.Email("A@example.com")}, false},
		{"excluded mailbox in quotes", [][]byte{excluded(emailBase("a@example.com"))}, []pki.Option{pki.Email(`"a"@example.com`)}, false},
		{"host of an address", [][]byte{permitted(emailBase("example.com"))}, []pki.Option{pki.Email("a@example.com")}, true},
		{"host below", [][]byte{permitted(emailBase("example.com"))}, []pki.Option{pki.Email("a@mail.example.com")}, false},
		{"domain below", [][]byte{permitted(emailBase(".example.com"))}, []pki.Option{pki.Email("a@mail.example.com")}, true},
		{"domain itself", [][]byte{permitted(emailBase(".example.com"))}, []pki.Option{pki.Email("a@example.com")}, false},
		{"excluded host, below it", [][]byte{excluded(emailBase("example.com"))}, []pki.Option{pki.Email("a@mail.example.com")}, true},
		{"two at signs", [][]byte{permitted(emailBase("example.com"))}, []pki.Option{pki.Email("a@evil.org@example.com")}, false},
		{"at sign in quotes", [][]byte{permitted(emailBase("example.com"))}, []pki.Option{pki.Email(`"a@b"@example.com`)}, true},
		{"malformed address", [][]byte{excluded(emailBase("example.com"))}, []pki.Option{pki.Email("mailbox")}, false},
		{"address in the subject", [][]byte{permitted(emailBase("example.com"))}, []pki.Option{subject("E:22=a@evil.org")}, false},
		{"permitted address in the subject", [][]byte{permitted(emailBase("example.com"))}, []pki.Option{subject("E:22=a@example.com")}, true},
		{"unreadable address in the subject", [][]byte{excluded(emailBase("example.org"))}, []pki.Option{subject("E:20=a\xff@example.com")}, false},
		{"address in the subject beside the SAN's", [][]byte{permitted(emailBase("example.com"))}, []pki.Option{subject("E:22=a@evil.org"), pki.Email("a@example.com")}, false},

		{"URI host", [][]byte{permitted(uriBase("example.com"))}, []pki.Option{pki.URI("https://example.com:8443/x")}, true},
		{"URI below the host", [][]byte{permitted(uriBase("example.com"))}, []pki.Option{pki.URI("https://a.example.com/")}, false},
		{"URI below the domain", [][]byte{permitted(uriBase(".example.com"))}, []pki.Option{pki.URI("https://a.example.com/")}, true},
		{"URI with user information", [][]byte{permitted(uriBase("example.com"))}, []pki.Option{pki.URI("https://example.com@evil.org/")}, false},
		{"URI without a host", [][]byte{permitted(uriBase("example.com"))}, []pki.Option{pki.URI("urn:uuid:1")}, false},
		{"URI without a host, DNS constrained", [][]byte{permitted(dnsBase("example.com"))}, []pki.Option{pki.URI("urn:uuid:1")}, true},
		{"URI with an address, excluded elsewhere", [][]byte{excluded(uriBase("example.com"))}, []pki.Option{pki.URI("https://192.0.2.1/")}, false},
		{"excluded URI", [][]byte{excluded(uriBase("example.com"))}, []pki.Option{pki.URI("https://Example.com/")}, false},

		{"IP inside", [][]byte{permitted(ipBase(192, 0, 2, 0, 255, 255, 255, 0))}, []pki.Option{pki.IP("192.0.2.7")}, true},
		{"IP outside", [][]byte{permitted(ipBase(192, 0, 2, 0, 255, 255, 255, 0))}, []pki.Option{pki.IP("192.0.3.7")}, false},
		{"IPv6 below IPv4 alone", [][]byte{permitted(ipBase(192, 0, 2, 0, 255, 255, 255, 0))}, []pki.Option{pki.IP("2001:db8::1")}, false},
		{"excluded IP, host bits set", [][]byte{excluded(ipBase(1, 0, 0, 0, 255, 0, 0, 0), ipBase(10, 0, 0, 5, 255, 0, 0, 0))}, []pki.Option{pki.IP("10.0.0.1")}, false},

		{"DN inside", [][]byte{permitted(dn("C=US,O=Kong"))}, []pki.Option{subject("C=US,O=Kong,CN=a")}, true},
		{"DN itself", [][]byte{permitted(dn("C=US,O=Kong"))}, []pki.Option{subject("C=US,O=Kong")}, true},
		{"DN shorter", [][]byte{permitted(dn("C=US,O=Kong"))}, []pki.Option{subject("C=US")}, false},
		{"DN in another order", [][]byte{permitted(dn("C=US,O=Kong"))}, []pki.Option{subject("O=Kong,C=US")}, false},
		{"DN in another case and spacing", [][]byte{permitted(dn("O=Kong  Inc"))}, []pki.Option{subject("O:19= kong inc ,CN=a")}, true},
		{"DN beyond ASCII in another case", [][]byte{permitted(dn("O=ÄÖ"))}, []pki.Option{subject("O=äö,CN=a")}, true},
		{"the same, excluded", [][]byte{excluded(dn("O=ÄÖ"))}, []pki.Option{subject("O=äö,CN=a")}, false},
		{"DN of another string type and case", [][]byte{permitted(dn("O=Kong"))}, []pki.Option{subject("O:20=kong")}, true},
		{"the same, excluded", [][]byte{excluded(dn("O=Kong"))}, []pki.Option{subject("O:20=kong")}, false},
		{"unreadable where something is excluded", [][]byte{excluded(dn("O=Kong"))}, []pki.Option{subject("O:20=k\xff")}, false},
		{"multi-valued RDN in another order", [][]byte{permitted(dn("O=a+OU=b"))}, []pki.Option{subject("OU=b+O=a,CN=x")}, true},
		{"multi-valued RDN with one more", [][]byte{permitted(dn("O=a"))}, []pki.Option{subject("O=a+OU=b")}, false},
		{"multi-valued RDN with one fewer", [][]byte{permitted(dn("O=a+OU=b"))}, []pki.Option{subject("O=a,CN=x")}, false},
		{"multi-valued RDN spelt twice", [][]byte{permitted(dn("O=a+O=A"))}, []pki.Option{subject("O=a+O=evil")}, false},
		{"excluded RDN with one more", [][]byte{excluded(dn("O=a"))}, []pki.Option{subject("O=a+OU=b")}, false},
		{"excluded DN", [][]byte{excluded(dn("O=evil"))}, []pki.Option{subject("O=Evil,CN=a")}, false},
		{"excluded DN elsewhere", [][]byte{excluded(dn("O=evil"))}, []pki.Option{subject("O=Kong,CN=a")}, true},
		{"directoryName in the SAN outside", [][]byte{permitted(dn("O=Kong"))}, []pki.Option{subject("O=Kong"), san(false, dn("O=evil"))}, false},
		{"directoryName in the SAN inside", [][]byte{permitted(dn("O=Kong"))}, []pki.Option{none, san(true, dn("O=Kong,CN=a"))}, true},
		{"empty subject", [][]byte{permitted(dn("O=Kong"))}, []pki.Option{none}, true},
		{"broken directoryName", [][]byte{excluded(dn("O=Kong"))}, []pki.Option{san(false, context(4, true, []byte{1, 2}))}, false},

		{"otherName constrained and there", [][]byte{permitted(otherName("u"))}, []pki.Option{san(false, otherName("u"))}, false},
		{"otherName excluded and there", [][]byte{excluded(otherName("u"))}, []pki.Option{san(false, otherName("v"))}, false},
		{"otherName constrained and not there", [][]byte{permitted(otherName("u"))}, []pki.Option{pki.DNS("a.org")}, true},
		{"registeredID excluded and there", [][]byte{excluded(context(8, false, []byte{42}))}, []pki.Option{san(false, context(8, false, []byte{43}))}, false},
		{"a name of no known form", [][]byte{permitted(dnsBase("example.com"))}, []pki.Option{san(false, context(9, false, []byte("x")))}, false},

		{"minimum written out as zero", [][]byte{context(0, true, sequence(dnsBase("a.org"), context(0, false, []byte{0})))}, []pki.Option{pki.DNS("a.org")}, true},
		{"minimum of one", [][]byte{context(0, true, sequence(dnsBase("a.org"), context(0, false, []byte{1})))}, []pki.Option{pki.DNS("a.org")}, false},
		{"maximum", [][]byte{context(0, true, sequence(dnsBase("a.org"), context(1, false, []byte{9})))}, []pki.Option{pki.DNS("a.org")}, false},
		{"a name of no known form below a base of its form", [][]byte{permitted(context(9, false, []byte("x")))}, []pki.Option{san(false, context(9, false, []byte("x")))}, false},
	} {
		for _, critical := range []bool{true, false} {
			paths, err := constrainedBy(t, critical, test.parts, test.leaf...)
			switch {
			case test.want && err != nil:
				t.Errorf("%s, critical %v: %v", test.name, critical, err)
			case !test.want && (err == nil || kindOf(err) != "constraint"):
				t.Errorf("%s, critical %v: got %v", test.name, critical, err)
			case err == nil && !paths[0].Constrained():
				t.Errorf("%s: the path is not constrained", test.name)
			}
		}
	}
}

// TestBaseOfNoKnownForm: what is critical has to be understood as a whole (RFC
// 5280, section 4.2).
func TestBaseOfNoKnownForm(t *testing.T) {
	for critical, want := range map[bool]string{true: "constraint", false: ""} {
		_, err := constrainedBy(t, critical, [][]byte{permitted(dnsBase("a.org"), context(9, false, []byte("x")))}, pki.DNS("a.org"))
		if (err == nil) != (want == "") || err != nil && kindOf(err) != want {
			t.Errorf("critical %v: got %v, want %q", critical, err, want)
		}
	}
}

// TestConstraintsOnThePath says whose constraints bind whom.
func TestConstraintsOnThePath(t *testing.T) {
	nc := func(parts ...[]byte) []pki.Option { return []pki.Option{constraints(t, true, parts...)} }
	org := dnsBase("example.org")
	leafDNS := []pki.Option{pki.DNS("a.example.org")}
	type options = map[string][]pki.Option
	for _, test := range []struct {
		name    string
		options options
		want    string
	}{
		{"the anchor's", options{"root": nc(excluded(org)), "two>leaf": leafDNS}, "constraint"},
		{"the upper intermediate's", options{"root>one": nc(excluded(org)), "two>leaf": leafDNS}, "constraint"},
		{"the leaf's own", options{"two>leaf": append(nc(excluded(org)), leafDNS...)}, "two>leaf one>two root>one root"},
		{"an intermediate's names", options{"root>one": nc(excluded(org)), "one>two": leafDNS}, "constraint"},
		{"an intermediate's names by its own", options{"one>two": append(nc(excluded(org)), leafDNS...)}, "two>leaf one>two root>one root"},
		{"an intermediate's subject", options{"root>one": nc(excluded(dnBase(t, "CN=two")))}, "constraint"},
		{"narrowed", options{"root>one": nc(permitted(org)), "one>two": nc(permitted(dnsBase("b.example.org"))), "two>leaf": leafDNS}, "constraint"},
		{"widened", options{"root>one": nc(permitted(dnsBase("b.example.org"))), "one>two": nc(permitted(org)), "two>leaf": leafDNS}, "constraint"},
		{"both permit", options{"root>one": nc(permitted(org)), "one>two": nc(permitted(org)), "two>leaf": leafDNS}, "two>leaf one>two root>one root"},
	} {
		g := newGraph(t, "root root>one one>two two>leaf", test.options)
		trust := certpath.NewTrust(g.list(t, "root root>one"), certpath.TrustOptions{})
		paths, err := trust.Validate(g.certs["two>leaf"], g.list(t, "one>two"), certpath.Options{Now: now})
		if got := outcome(g, paths, err); got != test.want {
			t.Errorf("%s: got %q, want %q (%v)", test.name, got, test.want, err)
		}
	}
}

func TestNamesTimesConstraints(t *testing.T) {
	bases, names := make([][]byte, 1000), make([]string, 1000)
	for i := range bases {
		bases[i], names[i] = dnsBase(fmt.Sprintf("c%d.org", i)), fmt.Sprintf("%d.net", i)
	}
	var deep strings.Builder
	for i := range 400 {
		fmt.Fprintf(&deep, "O=a%d+", i)
	}
	for name, test := range map[string]struct {
		parts [][]byte
		leaf  pki.Option
	}{
		"DNS":          {[][]byte{excluded(bases...)}, pki.DNS(names...)},
		"multi-valued": {[][]byte{excluded(dnBase(t, deep.String()+"O=b"))}, subjectDN(t, deep.String()+"O=c")},
	} {
		_, err := constrainedBy(t, true, test.parts, test.leaf)
		if kindOf(err) != "too_costly" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := constrainedBy(t, true, [][]byte{excluded(bases[:300]...)}, pki.DNS(names[:300]...)); err != nil {
		t.Errorf("300 names and constraints: %v", err)
	}
}

// TestMalformedConstraints: name constraints that cannot be read refuse all that is below
// them, critical or not, and are no other refusal's reason. crypto/x509 does not parse such
// a certificate.
func TestMalformedConstraints(t *testing.T) {
	malformed := func(critical bool) []byte { return extensionDER("2.5.29.30", critical, []byte{0x30, 2, 1, 0}) }
	root, one, client := newParty("root", p256()), newParty("one", p256()), newParty("client", p256())
	expired := caBy(root, one, malformed(false))
	expired.validity = validFor(now.Add(-2*time.Hour), now.Add(-time.Hour))
	noCA := usual(root, one, extCertSign, malformed(false))
	for _, test := range []struct {
		name      string
		root, one forged
		want, log string
	}{
		{"of the intermediate", caBy(root, root), caBy(root, one, malformed(false)), "constraint", "malformed name constraints"},
		{"of the intermediate, critical", caBy(root, root), caBy(root, one, malformed(true)), "constraint", "2.5.29.30"},
		{"of the anchor", caBy(root, root, malformed(false)), caBy(root, one), "constraint", "malformed name constraints"},
		{"of an expired intermediate", caBy(root, root), expired, "expired", "not valid after"},
		{"of what is not a CA", caBy(root, root), noCA, "constraint", "not a CA certificate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := judge(tuple{
				leaf: clientBy(one, client).sign(one.signer), presented: [][]byte{test.one.sign(root.signer)}, configured: [][]byte{test.root.sign(root.signer)},
			})
			if j.err == nil || kindOf(j.err) != test.want || !strings.Contains(j.err.Error(), test.log) {
				t.Errorf("got %v, want %s, %q", j.err, test.want, test.log)
			}
		})
	}
}
