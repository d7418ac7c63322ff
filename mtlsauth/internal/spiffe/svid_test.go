package spiffe

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// san is a subject alternative name of these general names, each a context tag and its
// content: what crypto/x509 does not write.
func san(names ...asn1.RawValue) pkix.Extension {
	value, err := asn1.Marshal(names)
	if err != nil {
		panic(err)
	}
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: value}
}

func name(tag int, value string) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: []byte(value)}
}

func uri(value string) asn1.RawValue { return name(6, value) }

const good = "spiffe://example.org/workload"

// TestX509SVID has the rules of X509-SVID, sections 2 to 5. Where go-spiffe takes what they
// refuse, the row says why; otherwise it must agree.
func TestX509SVID(t *testing.T) {
	ca := pki.NewCA("example.org")
	source := x509bundle.FromX509Authorities(spiffeid.RequireTrustDomainFromString("example.org"), []*x509.Certificate{ca.Certificate})
	for _, test := range []struct {
		name     string
		wrong    string // "" for an X509-SVID
		san      []asn1.RawValue
		change   func(*x509.Certificate)
		goSPIFFE string // why it takes what is refused here
	}{
		{name: "one URI", san: []asn1.RawValue{uri(good)}},
		{name: "a URI and other names", san: []asn1.RawValue{name(2, "web.example.org"), uri(good), name(1, "a@example.org"), name(7, "\x0a\x00\x00\x01")}},
		{name: "a DNS name that looks like an ID", san: []asn1.RawValue{name(2, "spiffe://other.example/x"), uri(good)}},
		{name: "a subject", san: []asn1.RawValue{uri(good)}, change: func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: "x"} }},
		{name: "keyEncipherment and keyAgreement besides", san: []asn1.RawValue{uri(good)}, change: func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement }},
		{name: "basicConstraints with CA false", san: []asn1.RawValue{uri(good)}, change: func(c *x509.Certificate) { c.BasicConstraintsValid = true }},
		{name: "usages of server and client", san: []asn1.RawValue{uri(good)}, change: func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		}},
		{name: "a deep path", san: []asn1.RawValue{uri("spiffe://example.org/ns/default/sa/web")}},

		{name: "no subject alternative name", wrong: "0 URIs"},
		{name: "no URI", wrong: "0 URIs", san: []asn1.RawValue{name(2, "web.example.org")}},
		{name: "an ID as a DNS name", wrong: "0 URIs", san: []asn1.RawValue{name(2, good)}},
		{name: "two IDs", wrong: "2 URIs", san: []asn1.RawValue{uri(good), uri("spiffe://example.org/other")}},
		{name: "the same ID twice", wrong: "2 URIs", san: []asn1.RawValue{uri(good), uri(good)}},
		{name: "an ID and another URI", wrong: "2 URIs", san: []asn1.RawValue{uri(good), uri("https://example.org/")}},
		{name: "another URI and an ID", wrong: "2 URIs", san: []asn1.RawValue{uri("urn:uuid:9eebccd2"), uri(good)}},
		{name: "an ID and an empty URI", wrong: "2 URIs", san: []asn1.RawValue{uri(good), uri("")}},
		{name: "another URI", wrong: "must begin with spiffe://", san: []asn1.RawValue{uri("https://example.org/workload")}},
		{name: "an empty URI", wrong: "must begin with spiffe://", san: []asn1.RawValue{uri("")}},
		{name: "the scheme in capitals", wrong: "must begin with spiffe://", san: []asn1.RawValue{uri("SPIFFE://example.org/workload")},
			goSPIFFE: "it sees the URL that net/url makes of it"},
		{name: "no path", wrong: "has no path", san: []asn1.RawValue{uri("spiffe://example.org")}, goSPIFFE: "it does not ask for section 5.2's path"},
		{name: "a path that is empty", wrong: "has no path", san: []asn1.RawValue{uri("spiffe://example.org/")}},
		{name: "a trust domain in capitals", wrong: "trust domain", san: []asn1.RawValue{uri("spiffe://Example.org/workload")}},
		{name: "a port", wrong: "trust domain", san: []asn1.RawValue{uri("spiffe://example.org:443/workload")}},
		{name: "user information", wrong: "trust domain", san: []asn1.RawValue{uri("spiffe://a@example.org/workload")}},
		{name: "a query", wrong: "segment", san: []asn1.RawValue{uri(good + "?x=y")}},
		{name: "an empty query", wrong: "segment", san: []asn1.RawValue{uri(good + "?")}},
		{name: "a fragment", wrong: "segment", san: []asn1.RawValue{uri(good + "#x")}},
		{name: "an empty fragment", wrong: "segment", san: []asn1.RawValue{uri(good + "#")}, goSPIFFE: "net/url leaves it out"},
		{name: "percent-encoding", wrong: "segment", san: []asn1.RawValue{uri("spiffe://example.org/%77orkload")}},
		{name: "a dot segment", wrong: "segment", san: []asn1.RawValue{uri("spiffe://example.org/x/../workload")}},
		{name: "a trailing slash", wrong: "segment", san: []asn1.RawValue{uri(good + "/")}},
		{name: "a null byte", wrong: "segment", san: []asn1.RawValue{uri(good + "\x00")}},
		{name: "beyond ASCII", wrong: "cannot be read", san: []asn1.RawValue{uri("spiffe://example.org/wörk")}},
		{name: "a URI in pieces", wrong: "cannot be read", san: []asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 6, IsCompound: true, Bytes: []byte("\x16\x01x")}}},

		{name: "a CA certificate", wrong: "CA certificate", san: []asn1.RawValue{uri(good)}, change: func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = true, true }},
		{name: "keyCertSign", wrong: "keyCertSign", san: []asn1.RawValue{uri(good)}, change: func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }},
		{name: "cRLSign", wrong: "cRLSign", san: []asn1.RawValue{uri(good)}, change: func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCRLSign }},
		{name: "without digitalSignature", wrong: "digitalSignature", san: []asn1.RawValue{uri(good)}, change: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement },
			goSPIFFE: "it does not ask for section 4.3's digitalSignature"},
		{name: "without a key usage", wrong: "digitalSignature", san: []asn1.RawValue{uri(good)}, change: func(c *x509.Certificate) { c.KeyUsage = 0 },
			goSPIFFE: "it does not ask for section 4.3's key usage"},
	} {
		t.Run(test.name, func(t *testing.T) {
			der := issue(t, ca, test.san, test.change)
			cert, err := certificate.Parse(der)
			if err != nil {
				t.Fatal(err)
			}
			id, err := IDOf(cert)
			if test.wrong == "" && err != nil || test.wrong != "" && (err == nil || !strings.Contains(err.Error(), test.wrong)) {
				t.Errorf("got %q, %v, want %q", id, err, test.wrong)
			}
			theirs, _, theirErr := verifiedByGoSPIFFE(der, source)
			switch {
			case (theirErr == nil) != (err == nil || test.goSPIFFE != ""):
				t.Errorf("got %v, go-spiffe says %v", err, theirErr)
			case err == nil && theirs.String() != id.String():
				t.Errorf("got %q, go-spiffe %q", id, theirs)
			}
		})
	}
}

func verifiedByGoSPIFFE(der []byte, source x509bundle.Source) (spiffeid.ID, [][]*x509.Certificate, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return spiffeid.ID{}, nil, err
	}
	return x509svid.Verify([]*x509.Certificate{cert}, source)
}

func issue(t *testing.T, ca *pki.Certificate, names []asn1.RawValue, change func(*x509.Certificate)) []byte {
	t.Helper()
	template := x509.Certificate{
		SerialNumber: big.NewInt(7), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if names != nil {
		template.ExtraExtensions = append(template.ExtraExtensions, san(names...))
	}
	if change != nil {
		change(&template)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, ca.Certificate, key.Public(), ca.Key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
