package certpath_test

import (
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/testing/suites"
)

func parsePEM(text string) (*certificate.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	return certificate.Parse(block.Bytes)
}

func TestLimbo(t *testing.T) {
	limbo, err := suites.ReadLimbo(suites.Folder(t, "x509-limbo", "path validation goes"))
	if err != nil {
		t.Fatal(err)
	}

	counted := map[string]int{}
	for _, c := range limbo {
		_, err := validatePEM(c.Peer, c.Untrusted, c.Trusted, c.Now)
		got := "SUCCESS"
		if err != nil {
			got = "FAILURE"
		}
		class := c.Class
		reason, deviates := suites.LimboDeviations[c.ID]
		applicable := class == "applicable-pass-baseline" || class == "beatable-policy-layer" || class == "stdlib-false-reject"
		switch {
		case got == c.Expected:
			counted[class+" right"]++
			if deviates {
				t.Errorf("%s is judged as expected, but listed as deviating (%s)", c.ID, reason)
			}
		case deviates:
			counted[class+" deviating"]++
			t.Logf("deviation: %s (%s), got %s, %v: %s", c.ID, class, got, err, reason)
		case applicable:
			counted[class+" wrong"]++
			t.Errorf("%s (%s): got %s (%v), want %s", c.ID, class, got, err, c.Expected)
		default:
			// A rule for issuers, or one that needs a host name.
			counted[class+" not applicable"]++
		}
	}
	t.Log(counted)
}

// validatePEM takes the trusted certificates as anchors, self-signed or not.
// A certificate that does not parse cannot be presented or configured.
func validatePEM(peer string, untrusted, trusted []string, now time.Time) ([]certpath.Path, error) {
	leaf, err := parsePEM(peer)
	if err != nil {
		return nil, err
	}
	return certpath.NewTrust(parseAll(trusted), certpath.TrustOptions{AllowPartialChain: true}).
		Validate(leaf, parseAll(untrusted), certpath.Options{Now: now})
}

func parseAll(texts []string) (certs []*certificate.Certificate) {
	for _, text := range texts {
		if cert, err := parsePEM(text); err == nil {
			certs = append(certs, cert)
		}
	}
	return certs
}

// pkitsRevocation are vectors outside the sections on CRLs whose path is good
// and whose verdict hangs on a CRL alone.
var pkitsRevocation = map[string]string{
	"4.5.2": "the certificate is revoked",
	"4.5.5": "the certificate is revoked",
	"4.5.7": "the certificate is revoked",
	"4.7.4": "the CRL is signed with a key that may not sign CRLs",
	"4.7.5": "the CRL is signed with a key that may not sign CRLs",
}

// revocationSections are about CRLs: there an invalid vector has a good path.
var revocationSections = []string{"4.4.", "4.14.", "4.15."}

func TestPKITS(t *testing.T) {
	folder := suites.Folder(t, "pkits", "path validation goes")
	vectors, err := suites.ReadPKITS(folder)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

	counted := map[string]int{}
	for _, v := range vectors {
		id, _, _ := strings.Cut(v.Name, " ")
		inSection := slices.ContainsFunc(revocationSections, func(s string) bool { return strings.HasPrefix(id, s) })
		if _, listed := pkitsRevocation[id]; !v.ShouldValidate && (inSection || listed) {
			counted["not judged: invalid by a CRL alone"]++
			continue
		}
		policies := certpath.PolicyInputs{Explicit: v.InitialExplicitPolicy, InhibitMapping: v.InitialPolicyMappingInhibit, InhibitAny: v.InitialAnyPolicyInhibit}
		for _, name := range v.InitialPolicySet {
			if id, ok := pkitsPolicies[name]; ok {
				policies.Initial = append(policies.Initial, id)
			} else if name != "anyPolicy" {
				t.Fatalf("%s: unknown policy %s", v.Name, name)
			}
		}
		err := validateFiles(t, filepath.Join(folder, "certs"), v.CertPath, certpath.Options{Now: now, Policies: policies})
		reason, deviates := suites.PKITSDeviations[id]
		switch {
		case (err == nil) == v.ShouldValidate && !deviates:
			counted["right"]++
		case deviates && err != nil && v.ShouldValidate:
			counted["deviating"]++
			t.Logf("deviation: %s: %v: %s", v.Name, err, reason)
		default:
			counted["wrong"]++
			t.Errorf("%s: got %v, valid is %v", v.Name, err, v.ShouldValidate)
		}
	}
	t.Log(counted)
}

// pkitsPolicies are NIST-test-policy-1 to -6, 2.16.840.1.101.3.2.1.48.1 to .6.
var pkitsPolicies = func() map[string]certificate.OID {
	out := map[string]certificate.OID{}
	for i := byte(1); i <= 6; i++ {
		out[fmt.Sprint("NIST-test-policy-", i)] = certificate.OID("\x60\x86\x48\x01\x65\x03\x02\x01\x30" + string([]byte{i}))
	}
	return out
}()

// validateFiles validates a path of DER files, trust anchor first.
func validateFiles(t *testing.T, folder string, path []string, o certpath.Options) error {
	t.Helper()
	var certs []*certificate.Certificate
	for _, name := range path {
		der, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		cert, err := certificate.Parse(der)
		if err != nil {
			return err
		}
		certs = append(certs, cert)
	}
	last := len(certs) - 1
	_, err := certpath.NewTrust(certs[:1], certpath.TrustOptions{}).Validate(certs[last], certs[1:last], o)
	return err
}
