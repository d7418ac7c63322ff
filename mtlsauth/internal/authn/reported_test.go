package authn_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// TestAboutWhichCertificate: a refusal names the certificate that it is about.
func TestAboutWhichCertificate(t *testing.T) {
	root := pki.NewCA("root")
	expired, good := root.Intermediate("old", pki.Expired()), root.Intermediate("good")
	unknown := pki.Extension(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}})
	for name, test := range map[string]struct {
		leaf          *pki.Certificate
		about, detail string
	}{
		"the leaf":               {good.Client("a", pki.Expired()), "leaf", "not valid after"},
		"an intermediate":        {expired.Client("a"), "CN=old, serial " + expired.SerialNumber.Text(16), "not valid after"},
		"a critical extension":   {good.Client("a", unknown), "leaf", "1.2.3.4"},
		"one of an intermediate": {root.Intermediate("odd", unknown).Client("a"), "CN=odd, serial ", "1.2.3.4"},
		"nothing: it passes":     {good.Client("a"), "", ""},
	} {
		d := authenticate(policyOf(trusting(root)), sent(test.leaf))
		if !strings.HasPrefix(d.About, test.about) || d.Passed() != (test.about == "") || !strings.Contains(d.Detail, test.detail) {
			t.Errorf("%s: about %q, %v (%s)", name, d.About, d.Reason, d.Detail)
		}
	}
}

// TestWhatCannotBeRead has a fingerprint, by which it is known.
func TestWhatCannotBeRead(t *testing.T) {
	der := append(bytes.Clone(pki.NewSelfSigned("a").Raw), 0)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	d := authenticate(policyOf(trusting(pki.NewCA("root"))), authn.Presented{Leaf: text})
	if d.Reason != authn.Unreadable || d.Subject != (authn.Subject{Fingerprint: sha256.Sum256(der)}) {
		t.Errorf("got %v of %+v", d.Reason, d.Subject)
	}
}

// TestCertificatesLeftOut are counted where they may have been missed.
func TestCertificatesLeftOut(t *testing.T) {
	root := pki.NewCA("root")
	inter := root.Intermediate("inter")
	var chain strings.Builder
	for range 12 {
		chain.WriteString(root.Intermediate("another").PEM())
	}
	chain.WriteString(inter.PEM())
	d := authenticate(policyOf(trusting(root)), authn.Presented{Leaf: []byte(inter.Client("a").PEM()), Chain: []byte(chain.String())})
	if d.Reason != authn.IssuerNotFound || d.LeftOut != 3 {
		t.Errorf("got %v, %d left out", d.Reason, d.LeftOut)
	}
}
