package certpath_test

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func TestNothingToJudge(t *testing.T) {
	g := newGraph(t, "root root>leaf", nil)
	leaf := g.certs["root>leaf"]
	// The system trusts root; we do not ask it.
	system := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(system, []byte(g.first["root"].PEM()), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", system)
	if _, err := g.first["leaf"].Verify(x509.VerifyOptions{CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		t.Fatal("the test is void: ", err)
	}
	trust := certpath.NewTrust(g.list(t, "root"), certpath.TrustOptions{})
	var zero certpath.Trust
	for _, test := range []struct {
		name  string
		trust *certpath.Trust
		leaf  *certificate.Certificate
		now   time.Time
		want  string
	}{
		{"no leaf", trust, nil, now, "unspecified"},
		{"a leaf that was not parsed", trust, &certificate.Certificate{}, now, "unspecified"},
		{"no time", trust, leaf, time.Time{}, "unspecified"},
		{"no trust", nil, leaf, now, "issuer_not_found"},
		{"zero trust, which is not the system's roots", &zero, leaf, now, "issuer_not_found"},
		{"no CA certificates", certpath.NewTrust(nil, certpath.TrustOptions{}), leaf, now, "issuer_not_found"},
		{"nil CA certificate", certpath.NewTrust([]*certificate.Certificate{nil, {}}, certpath.TrustOptions{}), leaf, now, "issuer_not_found"},
	} {
		paths, err := test.trust.Validate(test.leaf, []*certificate.Certificate{nil, {}}, certpath.Options{Now: test.now})
		if got := outcome(g, paths, err); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
		if nothing := strings.Contains(err.Error(), "no CA certificate is configured"); nothing != (test.want == "issuer_not_found") {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
}

// TestConfiguredWinsOverItsCopy: callers know configured certificates by
// identity, and a client may well send copies of them.
func TestConfiguredWinsOverItsCopy(t *testing.T) {
	g := newGraph(t, "root root>one one>leaf", map[string][]pki.Option{"root>one": {pathLength(0)}})
	var copies []*certificate.Certificate
	for _, cert := range g.list(t, "one>leaf root>one root") {
		parsed, err := certificate.Parse(cert.Raw)
		if err != nil {
			t.Fatal(err)
		}
		copies = append(copies, parsed)
	}
	trust := certpath.NewTrust(g.list(t, "root root>one"), certpath.TrustOptions{})
	paths, err := trust.Validate(g.certs["one>leaf"], copies, certpath.Options{Now: now})
	if got := outcome(g, paths, err); got != "one>leaf root>one root" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestConcurrentValidation is for the race detector: a Trust is shared.
func TestConcurrentValidation(t *testing.T) {
	g := newGraph(t, "root root>one one>leaf", map[string][]pki.Option{
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
				if _, err := trust.Validate(g.certs["one>leaf"], presented, certpath.Options{Now: now}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}
