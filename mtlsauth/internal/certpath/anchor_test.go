package certpath_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"testing"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// TestAnchorAsClient is the how-to's case: a self-signed CA without extended
// key usage and names is its own client certificate.
func TestAnchorAsClient(t *testing.T) {
	for _, test := range []struct {
		name   string
		option pki.Option
		want   string
	}{
		{"RSA", rsaKey(2048), "root"},
		{"may not sign certificates", usage(x509.KeyUsageDigitalSignature), "root"},
		{"may sign nothing but certificates and CRLs", usage(x509.KeyUsageCertSign | x509.KeyUsageCRLSign), "root"},
		{"may sign certificates alone", usage(x509.KeyUsageCertSign), "root"},
		{"for clients", pki.ExtKeyUsage(x509.ExtKeyUsageClientAuth), "root"},
		{"for servers", pki.ExtKeyUsage(x509.ExtKeyUsageServerAuth), "wrong_usage"},
		{"expired", pki.Expired(), "expired"},
		{"not yet valid", pki.NotYetValid(), "not_yet_valid"},
		{"weak", curve(elliptic.P224()), "weak_algorithm"},
		{"unknown critical extension", unknownCritical(), "constraint"},
	} {
		g := newGraph(t, "root", map[string][]pki.Option{"root": {test.option}})
		trust := certpath.NewTrust(g.list(t, "root"), certpath.TrustOptions{})
		paths, err := trust.Validate(g.certs["root"], nil, certpath.Options{Now: now})
		if got := outcome(g, paths, err); got != test.want {
			t.Errorf("%s: got %q, want %q (%v)", test.name, got, test.want, err)
		}
	}
}

// TestSameNameAndKeyAsTheAnchor: byte-equal means more than name and key.
func TestSameNameAndKeyAsTheAnchor(t *testing.T) {
	key := curve(elliptic.P256())
	configured := pki.NewCA("root", key)
	renewed := pki.NewCA("root", key)
	trust := certpath.NewTrust([]*certificate.Certificate{read(configured)}, certpath.TrustOptions{})
	if _, err := trust.Validate(read(renewed), nil, certpath.Options{Now: now}); err == nil || kindOf(err) != "wrong_usage" {
		t.Errorf("got %v", err)
	}
}

// TestConfiguredWithoutBeingACA: such a certificate is not a trust anchor, neither
// for others nor for itself.
func TestConfiguredWithoutBeingACA(t *testing.T) {
	alone := pki.NewSelfSigned("alone")
	for _, partial := range []bool{false, true} {
		trust := certpath.NewTrust([]*certificate.Certificate{read(alone)}, certpath.TrustOptions{AllowPartialChain: partial})
		for _, leaf := range []*certificate.Certificate{read(alone), read(alone.Client("leaf"))} {
			if paths, err := trust.Validate(leaf, nil, certpath.Options{Now: now}); err == nil {
				t.Errorf("partial chain %v: got %v", partial, paths)
			}
		}
	}
}

// TestSelfIssuedRollover: a certificate over a CA's new key, issued with the old
// one, has issuer and subject alike and is not a trust anchor.
func TestSelfIssuedRollover(t *testing.T) {
	old := pki.NewCA("root")
	renewed := old.Intermediate("root")
	leaf := renewed.Client("leaf")
	if !bytes.Equal(renewed.RawSubject, renewed.RawIssuer) {
		t.Fatal("not self-issued")
	}
	alone := certpath.NewTrust([]*certificate.Certificate{read(renewed)}, certpath.TrustOptions{})
	if _, err := alone.Validate(read(leaf), nil, certpath.Options{Now: now}); kindOf(err) == "not a *certpath.Error" {
		t.Errorf("the rollover certificate is an anchor: %v", err)
	}
	both := certpath.NewTrust([]*certificate.Certificate{read(old), read(renewed)}, certpath.TrustOptions{})
	paths, err := both.Validate(read(leaf), nil, certpath.Options{Now: now})
	if err != nil || len(paths) != 1 || len(paths[0].Certificates) != 3 {
		t.Errorf("got %v, %v", paths, err)
	}
}

// TestUnverifiableAnchor: an old root's own signature is not judged. The test
// relabels it as MD2, which is not verified.
func TestUnverifiableAnchor(t *testing.T) {
	root := pki.NewCA("root", rsaKey(2048))
	leaf := root.Client("leaf")
	sha256, md2 := []byte("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"), []byte("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x02")
	relabel := func(der []byte) *certificate.Certificate {
		cert, err := certificate.Parse(bytes.ReplaceAll(der, sha256, md2))
		if err != nil {
			t.Fatal(cert, err)
		}
		return cert
	}
	trust := certpath.NewTrust([]*certificate.Certificate{relabel(root.Raw)}, certpath.TrustOptions{})
	if _, err := trust.Validate(read(leaf), nil, certpath.Options{Now: now}); err != nil {
		t.Errorf("MD2 on the anchor: %v", err)
	}
	if _, err := trust.Validate(relabel(leaf.Raw), nil, certpath.Options{Now: now}); kindOf(err) != "weak_algorithm" {
		t.Errorf("MD2 on the leaf: %v", err)
	}
}
