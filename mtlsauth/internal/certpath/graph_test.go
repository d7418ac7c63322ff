package certpath_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// graph makes the certificates that edges describe: "root" is a self-signed CA,
// "root>one" is a certificate that root issued to one. A party has one name and
// one key, however many certificates it is issued; those whose name begins with
// "leaf" are clients. Certificates are known by their edge.
type graph struct {
	keys  map[string]crypto.Signer
	first map[string]*pki.Certificate
	certs map[string]*certificate.Certificate
}

func newGraph(t testing.TB, edges string, options map[string][]pki.Option) *graph {
	t.Helper()
	g := &graph{map[string]crypto.Signer{}, map[string]*pki.Certificate{}, map[string]*certificate.Certificate{}}
	for edge := range strings.FieldsSeq(edges) {
		issuer, subject, issued := strings.Cut(edge, ">")
		if !issued {
			subject = issuer
		}
		if g.keys[subject] == nil {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			g.keys[subject] = key
		}
		with := append([]pki.Option{pki.Key(g.keys[subject])}, options[edge]...)
		var cert *pki.Certificate
		switch {
		case !issued:
			cert = pki.NewCA(subject, with...)
		case strings.HasPrefix(subject, "leaf"):
			cert = g.first[issuer].Client(subject, with...)
		default:
			cert = g.first[issuer].Intermediate(subject, with...)
		}
		if g.first[subject] == nil {
			g.first[subject] = cert
			g.keys[subject] = cert.Key
		}
		g.certs[edge] = read(cert)
	}
	return g
}

// list returns the certificates of some edges, in that order.
func (g *graph) list(t testing.TB, edges string) (out []*certificate.Certificate) {
	t.Helper()
	for edge := range strings.FieldsSeq(edges) {
		if g.certs[edge] == nil {
			t.Fatalf("no certificate %s", edge)
		}
		out = append(out, g.certs[edge])
	}
	return out
}

// describe writes paths as their edges, leaf first.
func (g *graph) describe(paths []certpath.Path) string {
	var out []string
	for _, path := range paths {
		var names []string
		for _, cert := range path.Certificates {
			name := "unknown"
			for edge, known := range g.certs {
				if known == cert {
					name = edge
				}
			}
			names = append(names, name)
		}
		out = append(out, strings.Join(names, " "))
	}
	return strings.Join(out, ", ")
}

var now = time.Now()

func TestPaths(t *testing.T) {
	for _, test := range []struct {
		name       string
		edges      string
		configured string
		presented  string
		partial    bool
		leaf       string
		want       string // paths, or the kind of the error
	}{
		{"one level", "root root>leaf", "root", "", false, "root>leaf", "root>leaf root"},
		{"the anchor is sent along", "root root>leaf", "root", "root", false, "root>leaf", "root>leaf root"},
		{"the leaf is sent along", "root root>leaf", "root", "root>leaf", false, "root>leaf", "root>leaf root"},
		{"intermediate configured", "root root>one one>leaf", "root root>one", "", false, "one>leaf", "one>leaf root>one root"},
		{"intermediate presented", "root root>one one>leaf", "root", "root>one", false, "one>leaf", "one>leaf root>one root"},
		{"both", "root root>one one>leaf", "root root>one", "root>one", false, "one>leaf", "one>leaf root>one root"},
		{"three levels in any order", "root root>one one>two two>leaf", "root", "root root>one one>two", false, "two>leaf", "two>leaf one>two root>one root"},
		{"presented below configured", "root root>one one>two two>leaf", "root root>one", "one>two", false, "two>leaf", "two>leaf one>two root>one root"},
		{"configured below presented", "root root>one one>two two>leaf", "root one>two", "root>one", false, "two>leaf", "two>leaf one>two root>one root"},
		{"unrelated ones are sent along", "root other other>x root>one one>leaf", "root", "other other>x root>one", false, "one>leaf", "one>leaf root>one root"},
		{"configured twice", "root root>one one>leaf", "root root>one root root>one", "", false, "one>leaf", "one>leaf root>one root"},
		{"nothing configured", "root root>leaf", "", "root", false, "root>leaf", "issuer_not_found"},
		{"presented root", "root other root>leaf", "other", "root", false, "root>leaf", "issuer_not_found"},
		{"intermediate missing", "root root>one one>leaf", "root", "", false, "one>leaf", "issuer_not_found"},
		{"only the intermediate is configured", "root root>one one>leaf", "root>one", "", false, "one>leaf", "issuer_not_found"},
		{"and it may end a path", "root root>one one>leaf", "root>one", "", true, "one>leaf", "one>leaf root>one"},
		{"partial chain, longer path too", "root root>one one>leaf", "root root>one", "", true, "one>leaf", "one>leaf root>one, one>leaf root>one root"},
		{"what is presented is not an anchor with partial chains", "root root>one one>two two>leaf", "root", "one>two", true, "two>leaf", "issuer_not_found"},
		{"cross-signed", "a b a>one b>one one>leaf", "a b a>one b>one", "", false, "one>leaf", "one>leaf a>one a, one>leaf b>one b"},
		{"cross-signed, configured in the other order", "a b a>one b>one one>leaf", "b>one b a a>one", "", false, "one>leaf", "one>leaf b>one b, one>leaf a>one a"},
		{"shorter path first", "a b a>b b>one one>leaf", "a a>b b b>one", "", false, "one>leaf", "one>leaf b>one b, one>leaf b>one a>b a"},
		{"configured before presented", "a b a>one b>one one>leaf", "a b b>one", "a>one", false, "one>leaf", "one>leaf b>one b, one>leaf a>one a"},
		{"loop", "a b a>b b>a root root>a b>leaf", "root root>a", "a>b b>a", false, "b>leaf", "b>leaf a>b root>a root"},
		{"four CAs that all certify each other", "root root>a a>b a>c a>d b>a b>c b>d c>a c>b c>d d>a d>b d>c d>leaf", "root", "root>a a>b a>c a>d b>c b>d c>b c>d d>b d>c", false, "d>leaf",
			"d>leaf a>d root>a root, d>leaf b>d a>b root>a root, d>leaf c>d a>c root>a root, d>leaf b>d c>b a>c root>a root, d>leaf c>d b>c a>b root>a root"},
		{"the anchor as client", "root", "root", "", false, "root", "root"},
		{"an anchor that was issued", "root root>one", "root>one", "", true, "root>one", "root>one"},
		{"an intermediate as client", "root root>one", "root", "", false, "root>one", "wrong_usage"},
		{"a configured intermediate as client", "root root>one", "root root>one", "", false, "root>one", "wrong_usage"},
		{"an unknown CA as client", "root other", "root", "", false, "other", "wrong_usage"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newGraph(t, test.edges, nil)
			trust := certpath.NewTrust(g.list(t, test.configured), certpath.TrustOptions{AllowPartialChain: test.partial})
			paths, err := trust.Validate(g.certs[test.leaf], g.list(t, test.presented), certpath.Options{Now: now})
			if got := outcome(g, paths, err); got != test.want {
				t.Errorf("got %q, want %q (%v)", got, test.want, err)
			}
		})
	}
}

// outcome is the paths, or the error's kind; never both.
func outcome(g *graph, paths []certpath.Path, err error) string {
	if err == nil {
		return g.describe(paths)
	}
	if paths != nil {
		return "an error and paths"
	}
	return kindOf(err)
}

func kindOf(err error) string {
	if e, ok := err.(*certpath.Error); ok && e.Unwrap() != nil {
		return e.Kind.String()
	}
	return "not a *certpath.Error"
}

// TestEleventhPresentedCertificate pins the bound on what is presented.
func TestEleventhPresentedCertificate(t *testing.T) {
	g := newGraph(t, "root root>one one>leaf x0 x1 x2 x3 x4 x5 x6 x7 x8 x9", nil)
	trust := certpath.NewTrust(g.list(t, "root"), certpath.TrustOptions{})
	for presented, want := range map[string]string{
		"x0 x1 x2 x3 x4 x5 x6 x7 x8 root>one":    "one>leaf root>one root",
		"x0 x1 x2 x3 x4 x5 x6 x7 x8 x9 root>one": "issuer_not_found",
	} {
		paths, err := trust.Validate(g.certs["one>leaf"], g.list(t, presented), certpath.Options{Now: now})
		if got := outcome(g, paths, err); got != want {
			t.Errorf("%s: got %q, want %q", presented, got, want)
		}
	}
}
