package certpath_test

import (
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/certificate"
)

// What is a name of its form can be compared with constraints of its kind, and passes where
// another is excluded; what is none is refused.
func TestComparableNames(t *testing.T) {
	root, client := newParty("root", p256()), newParty("client", p256())
	// below judges a client with this subject alternative name, of a CA with this constraint.
	below := func(constraint, san []byte) error {
		ca := caBy(root, root, extensionDER("2.5.29.30", true, sequence(constraint)))
		leaf := clientBy(root, client, extensionDER("2.5.29.17", false, san))
		return judge(tuple{leaf: leaf.sign(root.signer), configured: [][]byte{ca.sign(root.signer)}}).err
	}
	email := func(s string) []byte { return context(1, false, []byte(s)) }
	dns := func(s string) []byte { return context(2, false, []byte(s)) }
	uri := func(s string) []byte { return context(6, false, []byte(s)) }
	for _, test := range []struct {
		name     string
		names    []byte
		excluded []byte
		want     bool
	}{
		{"an atom of marks", email("a!#~{}.b+c@example.com"), emailBase("other.org"), true},
		{"a dot first", email(".a@example.com"), emailBase("other.org"), false},
		{"a dot last", email("a.@example.com"), emailBase("other.org"), false},
		{"two dots", email("a..b@example.com"), emailBase("other.org"), false},
		{"a space", email("a b@example.com"), emailBase("other.org"), false},
		{"DEL", email("a\x7f@example.com"), emailBase("other.org"), false},
		{"a control character", email("a\x1f@example.com"), emailBase("other.org"), false},
		{"a parenthesis", email("a(b)@example.com"), emailBase("other.org"), false},
		{"a domain with two dots", email("a@example..com"), emailBase("other.org"), false},
		{"a domain with a dot at its end", email("a@example.com."), emailBase("other.org"), false},
		{"a space in quotes", email(`"a b~"@example.com`), emailBase("other.org"), true},
		{"a quote in quotes", email(`"a\"b"@example.com`), emailBase("other.org"), true},
		{"a backslash in quotes", email(`"a\\"@example.com`), emailBase("other.org"), true},
		{"behind the quotes", email(`"a"b@example.com`), emailBase("other.org"), false},
		{"no second quote", email(`"a@example.com`), emailBase("other.org"), false},
		{"a backslash in place of the second quote", email(`"a\@example.com`), emailBase("other.org"), false},
		{"a control character in quotes", email("\"a\x1f\"@example.com"), emailBase("other.org"), false},
		{"DEL in quotes", email("\"a\x7f\"@example.com"), emailBase("other.org"), false},
		{"beyond ASCII", email("\xc3\xa4@example.com"), emailBase("other.org"), false},

		{"an underscore", dns("_a.example.com"), dnsBase("other.org"), true},
		{"an exclamation mark", dns("!a~.example.com"), dnsBase("other.org"), true},
		{"a space in a label", dns("a b.example.com"), dnsBase("other.org"), false},
		{"DEL in a label", dns("a\x7f.example.com"), dnsBase("other.org"), false},
		{"an at sign", dns("a@example.com"), dnsBase("other.org"), false},
		{"two dots at its end", dns("example.com.."), dnsBase("other.org"), false},
		{"nothing", dns(""), dnsBase("other.org"), false},
		{"Z", dns("Z.example.com"), dnsBase("z.example.com"), false},
		{"@ is no capital of `", dns("`.example.com"), dnsBase("other.org"), true},

		{"a URI with a port", uri("https://example.com:1/"), uriBase("other.org"), true},
		{"a URI that cannot be read", uri("https://[::1/"), uriBase("other.org"), false},
		{"a URI with an IPv6 address", uri("https://[2001:db8::1]/"), uriBase("other.org"), false},
		{"a URI with an empty label", uri("https://a..b/"), uriBase("other.org"), false},

		{"an address of 4 octets", context(7, false, []byte{192, 0, 2, 1}), ipBase(10, 0, 0, 0, 255, 0, 0, 0), true},
		{"an address of 5 octets", context(7, false, []byte{192, 0, 2, 1, 0}), ipBase(10, 0, 0, 0, 255, 0, 0, 0), false},

		{"a constraint for @host is for its mailboxes", email("a@example.com"), emailBase("@example.com"), false},
		{"and for no others", email("a@mail.example.com"), emailBase("@example.com"), true},
		{"a constraint of one letter before the at sign", email("a@example.com"), emailBase("b@example.com"), true},
		{"a mailbox that cannot be read as a constraint", email("a@example.com"), emailBase("b c@example.org"), false},
		{"a constraint with a space", dns("a.example.com"), dnsBase("other .org"), false},
		{"a constraint beyond ASCII", dns("a.example.com"), dnsBase("\xc3\xa4.org"), false},
		{"an address without a mask as a constraint", context(7, false, []byte{192, 0, 2, 1}), ipBase(10, 0, 0, 0), false},
		{"the same local part at another host", email("b@example.org"), emailBase("b@example.com"), true},
		{"a wildcard beside the parent", dns("*.example.org"), dnsBase("a.example.com"), true},
		{"no wildcard beside a sibling", dns("b.example.com"), dnsBase("a.example.com"), true},
		{"a wildcard over one label", dns("*.com"), dnsBase("com"), false},
		{"a wildcard of a top-level domain", dns("*.org"), dnsBase("com"), true},
		{"a wildcard alone over a top-level domain", dns("*"), dnsBase("com"), false},
		{"an at sign in a constraint for DNS names", dns("b.org"), dnsBase("a@example.com"), false},
		{"an at sign first in a constraint for DNS names", dns("b.org"), dnsBase("@example.com"), false},
		{"another kind, excluded", uri("https://example.com/"), dnsBase("example.com"), true},
		{"another kind, excluded, of what is no name", email("mailbox"), dnsBase("example.com"), true},
		{"any host", uri("https://example.com/"), uriBase(""), false},
		{"any mailbox", email("a@example.com"), emailBase(""), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := below(excluded(test.excluded), sequence(test.names))
			if test.want != (err == nil) || err != nil && kindOf(err) != "constraint" {
				t.Errorf("got %v, want it to pass: %v", err, test.want)
			}
		})
	}
	for _, test := range []struct {
		name      string
		permitted [][]byte
		san, want string
	}{
		{"beside", [][]byte{dnsBase("example.com")}, "a.org", "none of the permitted"},
		{"no name", [][]byte{dnsBase("example.com")}, "a..org", "cannot be compared"},
		{"no name, and a constraint that cannot be read", [][]byte{dnsBase("*.com")}, "a..org", "cannot be compared"},
		{"a constraint that cannot be read", [][]byte{dnsBase("*.com")}, "a.org", "constraint cannot be read"},
		{"a constraint that cannot be read, and one that can", [][]byte{dnsBase("*.com"), dnsBase("example.com")}, "a.org", "constraint cannot be read"},
		{"the other way round", [][]byte{dnsBase("example.com"), dnsBase("*.com")}, "a.org", "constraint cannot be read"},
		{"everything", [][]byte{dnsBase("")}, "a.org.", ""},
	} {
		t.Run("permitted: "+test.name, func(t *testing.T) {
			err := below(permitted(test.permitted...), sequence(dns(test.san)))
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	if err := below(permitted(dnsBase("example.com")), []byte{5, 0}); kindOf(err) != "constraint" {
		t.Errorf("a subject alternative name that cannot be read: got %v", err)
	}
	if err := below(permitted(emailBase("a@example.com")), sequence(email("b@example.com"))); kindOf(err) != "constraint" {
		t.Errorf("another mailbox of the host: got %v", err)
	}
}

// A leaf is never exempt, not even if it has its CA's name.
func TestConstraintsOnASelfIssuedLeaf(t *testing.T) {
	root, namesake := newParty("root", p256()), newParty("root", p256())
	ca := caBy(root, root, extensionDER("2.5.29.30", true, sequence(excluded(dnsBase("example.com")))))
	for san, want := range map[string]string{"a.example.com": "constraint", "a.org": ""} {
		leaf := clientBy(root, namesake, extensionDER("2.5.29.17", false, sequence(context(2, false, []byte(san)))))
		err := judge(tuple{leaf: leaf.sign(root.signer), configured: [][]byte{ca.sign(root.signer)}}).err
		if (err == nil) != (want == "") || err != nil && kindOf(err) != want {
			t.Errorf("%s: got %v, want %q", san, err, want)
		}
	}
}

// Nor if its CA has no name.
func TestConstraintsOfACAWithoutName(t *testing.T) {
	root, client := newParty("", p256()), newParty("client", p256())
	root.name = sequence()
	ca := caBy(root, root, extensionDER("2.5.29.30", true, sequence(excluded(dnsBase("example.com")))))
	leaf := clientBy(root, client, extensionDER("2.5.29.17", false, sequence(context(2, false, []byte("a.example.com")))))
	if err := judge(tuple{leaf: leaf.sign(root.signer), configured: [][]byte{ca.sign(root.signer)}}).err; kindOf(err) != "constraint" {
		t.Errorf("got %v", err)
	}
}

// A permitted subtree that cannot be read does not permit everything.
func TestUnreadableSubtreesConfine(t *testing.T) {
	root, client := newParty("root", p256()), newParty("client", p256())
	ca := caBy(root, root, extensionDER("2.5.29.30", true, sequence(permitted(emailBase("a@b..c")))))
	j := judge(tuple{leaf: clientBy(root, client).sign(root.signer), configured: [][]byte{ca.sign(root.signer)}})
	if j.err != nil || !j.paths[0].Constrains(certificate.Email) {
		t.Errorf("got %v, with mailboxes not confined", j.err)
	}
}

// A CA whose name constraints cannot be read is in no path, marked critical or not.
func TestBrokenNameConstraints(t *testing.T) {
	root, client := newParty("root", p256()), newParty("client", p256())
	leaf := clientBy(root, client).sign(root.signer)
	for _, critical := range []bool{true, false} {
		ca := caBy(root, root, extensionDER("2.5.29.30", critical, []byte{5, 0})).sign(root.signer)
		if err := judge(tuple{leaf: leaf, configured: [][]byte{ca}}).err; err == nil {
			t.Errorf("critical %v: a path", critical)
		}
	}
}
