package certpath_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/pkitest"
)

// graph makes the certificates that edges describe: "root" is a self-signed CA,
// "root>one" is a certificate that root issued to one. A party has one name and
// one key, however many certificates it is issued; those whose name begins with
// "leaf" are clients. Certificates are known by their edge.
type graph struct {
	keys  map[string]crypto.Signer
	first map[string]*pkitest.Certificate
	certs map[string]*x509.Certificate
}

func newGraph(t testing.TB, edges string, options map[string][]pkitest.Option) *graph {
	t.Helper()
	g := &graph{map[string]crypto.Signer{}, map[string]*pkitest.Certificate{}, map[string]*x509.Certificate{}}
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
		with := append([]pkitest.Option{pkitest.Key(g.keys[subject])}, options[edge]...)
		var cert *pkitest.Certificate
		switch {
		case !issued:
			cert = pkitest.NewCA(subject, with...)
		case strings.HasPrefix(subject, "leaf"):
			cert = g.first[issuer].Client(subject, with...)
		default:
			cert = g.first[issuer].Intermediate(subject, with...)
		}
		if g.first[subject] == nil {
			g.first[subject] = cert
			g.keys[subject] = cert.Key
		}
		g.certs[edge] = cert.Certificate
	}
	return g
}

// list returns the certificates of some edges, in that order.
func (g *graph) list(t testing.TB, edges string) (out []*x509.Certificate) {
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
		{"nothing configured", "root root>leaf", "", "root", false, "root>leaf", "issuer_not_found"},
		{"presented root", "root other root>leaf", "other", "root", false, "root>leaf", "issuer_not_found"},
		{"intermediate missing", "root root>one one>leaf", "root", "", false, "one>leaf", "issuer_not_found"},
		{"only the intermediate is configured", "root root>one one>leaf", "root>one", "", false, "one>leaf", "issuer_not_found"},
		{"and it may end a path", "root root>one one>leaf", "root>one", "", true, "one>leaf", "one>leaf root>one"},
		{"partial chain, longer path too", "root root>one one>leaf", "root root>one", "", true, "one>leaf", "one>leaf root>one, one>leaf root>one root"},
		{"presented is no anchor with partial chains", "root root>one one>two two>leaf", "root", "one>two", true, "two>leaf", "issuer_not_found"},
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
		{"a CA of nobody as client", "root other", "root", "", false, "other", "wrong_usage"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newGraph(t, test.edges, nil)
			trust := certpath.NewTrust(g.list(t, test.configured), certpath.TrustOptions{AllowPartialChain: test.partial})
			paths, err := trust.Validate(g.certs[test.leaf], g.list(t, test.presented), now)
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

// TestEleventhPresentedCertificate pins the bound on what is looked at.
func TestEleventhPresentedCertificate(t *testing.T) {
	g := newGraph(t, "root root>one one>leaf x0 x1 x2 x3 x4 x5 x6 x7 x8 x9", nil)
	trust := certpath.NewTrust(g.list(t, "root"), certpath.TrustOptions{})
	for presented, want := range map[string]string{
		"x0 x1 x2 x3 x4 x5 x6 x7 x8 root>one":    "one>leaf root>one root",
		"x0 x1 x2 x3 x4 x5 x6 x7 x8 x9 root>one": "issuer_not_found",
	} {
		paths, err := trust.Validate(g.certs["one>leaf"], g.list(t, presented), now)
		if got := outcome(g, paths, err); got != want {
			t.Errorf("%s: got %q, want %q", presented, got, want)
		}
	}
}

func TestNothingToJudge(t *testing.T) {
	g := newGraph(t, "root root>leaf", nil)
	leaf := g.certs["root>leaf"]
	// The system trusts root; we do not ask it.
	system := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(system, []byte(g.first["root"].PEM()), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", system)
	if _, err := leaf.Verify(x509.VerifyOptions{CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		t.Fatal("the test is void: ", err)
	}
	trust := certpath.NewTrust(g.list(t, "root"), certpath.TrustOptions{})
	var zero certpath.Trust
	for _, test := range []struct {
		name  string
		trust *certpath.Trust
		leaf  *x509.Certificate
		now   time.Time
		want  string
	}{
		{"no leaf", trust, nil, now, "unspecified"},
		{"a leaf that was not parsed", trust, &x509.Certificate{}, now, "unspecified"},
		{"no time", trust, leaf, time.Time{}, "unspecified"},
		{"no trust", nil, leaf, now, "issuer_not_found"},
		{"zero trust, which is not the system's roots", &zero, leaf, now, "issuer_not_found"},
		{"no CA certificates", certpath.NewTrust(nil, certpath.TrustOptions{}), leaf, now, "issuer_not_found"},
		{"nil CA certificate", certpath.NewTrust([]*x509.Certificate{nil, {}}, certpath.TrustOptions{}), leaf, now, "issuer_not_found"},
	} {
		paths, err := test.trust.Validate(test.leaf, []*x509.Certificate{nil, {}}, test.now)
		if got := outcome(g, paths, err); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// TestConfiguredWinsOverItsCopy: callers know configured certificates by
// identity, and a client may well send copies of them.
func TestConfiguredWinsOverItsCopy(t *testing.T) {
	g := newGraph(t, "root root>one one>leaf", map[string][]pkitest.Option{"root>one": {pathLength(0)}})
	var copies []*x509.Certificate
	for _, cert := range g.list(t, "one>leaf root>one root") {
		parsed, err := x509.ParseCertificate(cert.Raw)
		if err != nil {
			t.Fatal(err)
		}
		copies = append(copies, parsed)
	}
	trust := certpath.NewTrust(g.list(t, "root root>one"), certpath.TrustOptions{})
	paths, err := trust.Validate(g.certs["one>leaf"], copies, now)
	if got := outcome(g, paths, err); got != "one>leaf root>one root" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestNothingIsChanged guards certificates that requests share.
func TestNothingIsChanged(t *testing.T) {
	critical := constraints(t, true, permitted(dnsBase("example.com"), dnBase(t, "O=Kong")))
	g := newGraph(t, "root root>one one>leaf", map[string][]pkitest.Option{
		"root>one": {critical, pkitest.With(func(c *x509.Certificate) { c.MaxPathLen = 3 })},
		"one>leaf": {subjectDN(t, "O=Kong"), criticalDirName(t, "O=Kong")},
	})
	before := map[string]x509.Certificate{}
	for edge, cert := range g.certs {
		before[edge] = *cert
	}
	trust := certpath.NewTrust(g.list(t, "root"), certpath.TrustOptions{})
	paths, err := trust.Validate(g.certs["one>leaf"], g.list(t, "root>one"), now)
	if got := outcome(g, paths, err); got != "one>leaf root>one root" {
		t.Fatalf("got %q, %v", got, err)
	}
	for edge, cert := range g.certs {
		old := before[edge]
		if len(cert.UnhandledCriticalExtensions) != len(old.UnhandledCriticalExtensions) ||
			len(cert.Extensions) != len(old.Extensions) || cert.MaxPathLen != old.MaxPathLen {
			t.Errorf("%s was changed", edge)
		}
	}
	if len(before["root>one"].UnhandledCriticalExtensions) == 0 || len(before["one>leaf"].UnhandledCriticalExtensions) == 0 {
		t.Error("the certificates have nothing to leave out: the test is void")
	}
}

// TestConcurrentValidation is for the race detector: a Trust is shared.
func TestConcurrentValidation(t *testing.T) {
	g := newGraph(t, "root root>one one>leaf", map[string][]pkitest.Option{
		"root":     {constraints(t, true, permitted(dnBase(t, "CN=one"), dnBase(t, "O=Kong")))},
		"root>one": {constraints(t, true, permitted(dnBase(t, "O=Kong")))},
		"one>leaf": {subjectDN(t, "O=Kong"), criticalDirName(t, "O=Kong")},
	})
	trust := certpath.NewTrust(g.list(t, "root root>one"), certpath.TrustOptions{})
	presented := newGraph(t, "other other>one", nil).list(t, "other>one")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 5 {
				if _, err := trust.Validate(g.certs["one>leaf"], presented, now); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}
