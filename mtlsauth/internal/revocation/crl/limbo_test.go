package crl_test

import (
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/testing/suites"
)

// TestLimbo runs the cases of x509-limbo that come with CRLs.
func TestLimbo(t *testing.T) {
	limbo, err := suites.ReadLimbo(suites.Folder(t, "x509-limbo", "CRLs go"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"crl::revoked-certificate-with-crl":         "revoked",
		"crl::crlnumber-missing":                    "unknown: incomplete",
		"crl::certificate-not-on-crl":               "good",
		"crl::issuer-missing-crlsign":               "unknown: unauthorized",
		"crl::issuer-no-keyusage-extension":         "good",
		"crl::issuer-valid-crlsign-and-keycertsign": "good",
	}
	seen := 0
	for _, c := range limbo {
		if len(c.CRLs) == 0 {
			continue
		}
		seen++
		w := &world{now: c.Now}
		var trusted []*certificate.Certificate
		for _, text := range c.Trusted {
			trusted = append(trusted, parsePEM(t, text))
		}
		w.certs, w.anchor = append(w.certs, trusted...), trusted[0]
		for _, text := range c.Untrusted {
			w.certs = append(w.certs, parsePEM(t, text))
		}
		for _, text := range c.CRLs {
			w.add([]byte(text))
		}
		peer := parsePEM(t, c.Peer)
		paths, err := validate(trusted, peer, w.certs, w.now)
		if err != nil {
			t.Errorf("%s: no path: %v", c.ID, err)
			continue
		}
		got, why := w.path(paths[0])
		if got == "unknown" {
			got += ": " + kindOf(why)
		}
		if got != want[c.ID] || (got == "good") != (c.Expected == "SUCCESS") {
			t.Errorf("%s: got %s (%v), want %q, and limbo %s", c.ID, got, why, want[c.ID], c.Expected)
		}
	}
	if seen == 0 {
		t.Error("no case has a CRL")
	}
	t.Logf("%d cases", seen)
}

func parsePEM(t *testing.T, text string) *certificate.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(strings.TrimSpace(text)))
	cert, err := certificate.Parse(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// validate returns the paths to one of the trusted certificates.
func validate(trusted []*certificate.Certificate, leaf *certificate.Certificate, presented []*certificate.Certificate, now time.Time) ([][]*certificate.Certificate, error) {
	paths, err := certpath.NewTrust(trusted, certpath.TrustOptions{}).Validate(leaf, presented, certpath.Options{Now: now})
	var out [][]*certificate.Certificate
	for _, path := range paths {
		out = append(out, path.Certificates)
	}
	return out, err
}
