package certpath_test

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// TestKeyUsage: a client signs its handshake, or agrees on a key.
func TestKeyUsage(t *testing.T) {
	raw := func(bits ...byte) pki.Option {
		return pki.Extension(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: tlv(0, asn1.TagBitString, false, bits)})
	}
	const good = "one>leaf root>one root"
	for _, test := range []struct {
		name      string
		leaf, one pki.Option
		want      string
	}{
		{"none", usage(0), usage(0), good},
		{"digitalSignature", usage(x509.KeyUsageDigitalSignature), usage(x509.KeyUsageCertSign), good},
		{"keyAgreement", usage(x509.KeyUsageKeyAgreement), usage(x509.KeyUsageCertSign), good},
		{"digitalSignature among others", usage(x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment), usage(x509.KeyUsageCertSign), good},
		{"keyEncipherment", usage(x509.KeyUsageKeyEncipherment), usage(x509.KeyUsageCertSign), "wrong_usage"},
		{"contentCommitment", usage(x509.KeyUsageContentCommitment), usage(x509.KeyUsageCertSign), "wrong_usage"},
		{"cRLSign", usage(x509.KeyUsageCRLSign), usage(x509.KeyUsageCertSign), "wrong_usage"},
		{"digitalSignature and keyCertSign", usage(x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign), usage(x509.KeyUsageCertSign), good},
		{"no bits", raw(0), usage(x509.KeyUsageCertSign), "wrong_usage"},
		{"zero bits", raw(7, 0), usage(x509.KeyUsageCertSign), "wrong_usage"},
		{"unknown bits", raw(0, 0, 0x3f), usage(x509.KeyUsageCertSign), "wrong_usage"},
		{"no bits above", usage(x509.KeyUsageDigitalSignature), raw(0), "constraint"},
		{"unknown bits above", usage(x509.KeyUsageDigitalSignature), raw(0, 0, 0x3f), "constraint"},
	} {
		g := newGraph(t, "root root>one one>leaf", map[string][]pki.Option{"root>one": {test.one}, "one>leaf": {test.leaf}})
		for _, presented := range []bool{true, false} {
			trust := certpath.NewTrust(g.list(t, "root"), certpath.TrustOptions{})
			if !presented {
				trust = certpath.NewTrust(g.list(t, "root root>one"), certpath.TrustOptions{})
			}
			paths, err := trust.Validate(g.certs["one>leaf"], g.list(t, "root>one"), certpath.Options{Now: now})
			if got := outcome(g, paths, err); got != test.want {
				t.Errorf("%s: got %q, want %q (%v)", test.name, got, test.want, err)
			}
		}
	}
}

// TestVersionOne: a leaf of version 1 passes, unless it has the extensions that
// crypto/x509 does not read in one.
func TestVersionOne(t *testing.T) {
	root := pki.NewCA("root")
	three := root.Client("leaf", pki.ExtKeyUsage(x509.ExtKeyUsageServerAuth))
	trust := certpath.NewTrust([]*certificate.Certificate{read(root)}, certpath.TrustOptions{})
	make := func(version int, keepExtensions bool) *certificate.Certificate {
		var parts struct{ TBS, Algorithm, Signature asn1.RawValue }
		if _, err := asn1.Unmarshal(three.Raw, &parts); err != nil {
			t.Fatal(err)
		}
		var tbs []byte
		for rest := parts.TBS.Bytes; len(rest) > 0; {
			var field asn1.RawValue
			var err error
			if rest, err = asn1.Unmarshal(rest, &field); err != nil {
				t.Fatal(err)
			}
			switch context := field.Class == asn1.ClassContextSpecific; {
			case context && field.Tag == 0 && version == 1:
			case context && field.Tag == 0:
				tbs = append(tbs, 0xa0, 3, 2, 1, byte(version-1))
			case context && field.Tag == 3 && !keepExtensions:
			default:
				tbs = append(tbs, field.FullBytes...)
			}
		}
		signed := sequence(tbs)
		digest := sha256.Sum256(signed)
		signature, err := root.Key.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		bits, err := asn1.Marshal(asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)})
		if err != nil {
			t.Fatal(err)
		}
		cert, err := certificate.Parse(sequence(signed, parts.Algorithm.FullBytes, bits))
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	for _, test := range []struct {
		version    int
		extensions bool
		want       string
	}{
		{1, false, ""}, {2, false, ""}, {1, true, "constraint"}, {2, true, "constraint"}, {3, true, "wrong_usage"},
	} {
		_, err := trust.Validate(make(test.version, test.extensions), nil, certpath.Options{Now: now})
		if (err == nil) != (test.want == "") || err != nil && kindOf(err) != test.want {
			t.Errorf("version %d, extensions %v: %v, want %q", test.version, test.extensions, err, test.want)
		}
	}
}
