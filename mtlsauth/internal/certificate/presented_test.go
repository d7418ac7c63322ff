package certificate_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// read reads a certificate as made.
func read(t testing.TB, der []byte) *certificate.Certificate {
	t.Helper()
	cert, err := certificate.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestParseLeaf(t *testing.T) {
	cert := pki.NewCA("ca").Client("alice")
	for name, text := range map[string]string{
		"as nginx gives it": cert.PEM(),
		"white space":       " \r\n" + cert.PEM() + "\n\t ",
		"CRLF":              strings.ReplaceAll(cert.PEM(), "\n", "\r\n"),
		"an older label":    strings.ReplaceAll(cert.PEM(), " CERTIFICATE", " X509 CERTIFICATE"),
		"trust settings":    block("TRUSTED CERTIFICATE", append(bytes.Clone(cert.Raw), 0x30, 0)),
		"none of them":      block("TRUSTED CERTIFICATE", cert.Raw),
	} {
		got, err := certificate.ParseLeaf([]byte(text))
		if err != nil || !bytes.Equal(got.Raw, cert.Raw) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func block(label string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}))
}

// TestFingerprintOfTheUnreadable: it is all that tells which certificate it was.
func TestFingerprintOfTheUnreadable(t *testing.T) {
	der := append(bytes.Clone(pki.NewSelfSigned("alice").Raw), 0)
	_, err := certificate.ParseLeaf([]byte(block("CERTIFICATE", der)))
	var unreadable *certificate.UnreadableError
	if !errors.As(err, &unreadable) || unreadable.Fingerprint != sha256.Sum256(der) {
		t.Errorf("got %v", err)
	}
}

func TestParseLeafRefuses(t *testing.T) {
	ca := pki.NewCA("ca")
	text := ca.Client("alice").PEM()
	begin, end := "-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n"
	for name, bad := range map[string]string{
		"nothing":              "",
		"white space":          "\n",
		"text before":          "x\n" + text,
		"text after":           text + "x",
		"two certificates":     text + ca.PEM(),
		"a broken block first": begin + "!\n" + end + text,
		"a begin line first":   begin + text,
		"another type":         strings.ReplaceAll(text, "CERTIFICATE", "X509 CRL"),
		"a header":             strings.Replace(text, begin, begin+"A: b\n\n", 1),
		"no end line":          strings.TrimSuffix(text, end),
		"no begin line":        strings.TrimPrefix(text, begin),
		"a begin line alone":   begin,
		"no certificate in it": begin + "AAAA\n" + end,
		"NUL":                  text + "\x00",
		"trailing DER":         block("CERTIFICATE", append(bytes.Clone(ca.Raw), 0)),
		"two settings":         block("TRUSTED CERTIFICATE", append(bytes.Clone(ca.Raw), 0x30, 0, 0x30, 0)),
		"settings, unlabelled": block("CERTIFICATE", append(bytes.Clone(ca.Raw), 0x30, 0)),
		"over 64 KiB":          strings.Repeat("\n", 64<<10) + text,
	} {
		if got, err := certificate.ParseLeaf([]byte(bad)); err == nil || got != nil {
			t.Errorf("%s: got %v, %v", name, got, err)
		} else if unreadable := errors.As(err, new(*certificate.UnreadableError)); unreadable != (name == "no certificate in it" || name == "trailing DER" || name == "settings, unlabelled") {
			t.Errorf("%s: %v, a block that could be decoded: %v", name, err, unreadable)
		}
	}
}

func TestParseLeafBound(t *testing.T) {
	text := pki.NewSelfSigned("alice").PEM()
	text += strings.Repeat("\n", 64<<10-len(text))
	if _, err := certificate.ParseLeaf([]byte(text)); err != nil {
		t.Errorf("64 KiB: %v", err)
	}
	if _, err := certificate.ParseLeaf([]byte(text + "\n")); err == nil {
		t.Error("64 KiB and a byte: no error")
	}
}

// names returns the common names of a chain, and how many certificates were left
// out of it.
func names(chain []*certificate.Certificate, leftOut int) string {
	var out []string
	for _, cert := range chain {
		out = append(out, strings.TrimPrefix(certificate.DistinguishedName(cert.RawSubject), "CN="))
	}
	if leftOut > 0 {
		out = append(out, fmt.Sprintf("-%d", leftOut))
	}
	return strings.Join(out, " ")
}

func TestParseChain(t *testing.T) {
	root := pki.NewCA("root")
	one := root.Intermediate("one")
	two := one.Intermediate("two")
	leaf := two.Client("leaf")
	huge := root.Intermediate("huge", pki.With(func(c *x509.Certificate) {
		c.NotAfter = c.NotAfter.Add(time.Hour)
	}))
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("secret")}))
	for _, test := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"leaf first", leaf.PEM() + two.PEM() + one.PEM(), "two one"},
		{"without the leaf", two.PEM() + one.PEM(), "two one"},
		{"leaf last and twice", two.PEM() + leaf.PEM() + leaf.PEM(), "two"},
		{"duplicates", two.PEM() + one.PEM() + two.PEM(), "two one"},
		{"text between", "subject=x\n" + two.PEM() + "\nissuer=y\n" + one.PEM(), "two one"},
		{"other blocks", key + two.PEM(), "two"},
		{"not a certificate", strings.Replace(one.PEM(), "MII", "AAA", 1) + two.PEM(), "two -1"},
		{"cut off", two.PEM() + one.PEM()[:200], "two -1"},
		{"broken base64", strings.Replace(one.PEM(), "MII", "!!!", 1) + two.PEM(), "two -1"},
		{"rubbish", "-----BEGIN CERTIFICATE-----", "-1"},
		{"control group", huge.PEM(), "huge"},
		{"RSA of 8200 bits", withRSA(t, huge, 8200) + two.PEM(), "two -1"},
		{"RSA of 8192 bits", withRSA(t, huge, 8192), "huge"},
	} {
		if got := names(certificate.ParseChain([]byte(test.text), read(t, leaf.Raw))); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
	if got := names(certificate.ParseChain([]byte(two.PEM()), nil)); got != "two" {
		t.Errorf("no leaf: got %q", got)
	}
}

// withRSA returns the PEM of cert with an RSA key of so many bits put in the
// place of its own; parsing does not ask whether the signature still fits.
func withRSA(t *testing.T, cert *pki.Certificate, bits int) string {
	t.Helper()
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	spki, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 65537})
	if err != nil {
		t.Fatal(err)
	}
	var parts struct{ TBS, Algorithm, Signature asn1.RawValue }
	if _, err := asn1.Unmarshal(cert.Raw, &parts); err != nil {
		t.Fatal(err)
	}
	tbs := bytes.Replace(parts.TBS.Bytes, cert.RawSubjectPublicKeyInfo, spki, 1)
	wrapped, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: tbs})
	if err != nil {
		t.Fatal(err)
	}
	der, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true,
		Bytes: bytes.Join([][]byte{wrapped, parts.Algorithm.FullBytes, parts.Signature.FullBytes}, nil)})
	if err != nil {
		t.Fatal(err)
	}
	return block("CERTIFICATE", der)
}

func TestParseChainBounds(t *testing.T) {
	root := pki.NewCA("root")
	leaf := root.Client("leaf")
	var many string
	for i := range 12 {
		many += root.Intermediate(fmt.Sprint(i)).PEM()
	}
	const ten = "0 1 2 3 4 5 6 7 8 9 -2"
	for name, text := range map[string]string{"chain": many, "leaf and chain": leaf.PEM() + many} {
		if got := names(certificate.ParseChain([]byte(text), read(t, leaf.Raw))); got != ten {
			t.Errorf("%s: got %q", name, got)
		}
	}
	// The leaf is not counted once, and blocks of others are not at all.
	if got := names(certificate.ParseChain([]byte(leaf.PEM()+leaf.PEM()+many), read(t, leaf.Raw))); got != "0 1 2 3 4 5 6 7 8 -3" {
		t.Errorf("the leaf twice: got %q", got)
	}
	keys := strings.Repeat("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 12)
	if got := names(certificate.ParseChain([]byte(keys+root.PEM()), read(t, leaf.Raw))); !strings.HasPrefix(got, "root") {
		t.Errorf("after keys: got %q", got)
	}
	for size, want := range map[int]string{64 << 10: "root", 64<<10 + 1: "-1"} {
		text := strings.Repeat("\n", size-len(root.PEM())) + root.PEM()
		if got := names(certificate.ParseChain([]byte(text), read(t, leaf.Raw))); got != want {
			t.Errorf("%d bytes: got %q, want %q", size, got, want)
		}
	}
	// What cannot be used counts as well.
	rubbish := strings.Repeat("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 9)
	if got := names(certificate.ParseChain([]byte(rubbish+many), read(t, leaf.Raw))); got != "0 -20" {
		t.Errorf("after rubbish: got %q", got)
	}

	fat := func(name string, der int) *pki.Certificate {
		return root.Intermediate(name, pki.Extension(pkix.Extension{Id: []int{1, 2, 3}, Value: make([]byte, der)}))
	}
	// 33,000 bytes of DER are over 44,000 of PEM: two do not fit, one and a
	// leaf of that size do.
	one, two := fat("one", 33000), fat("two", 33000)
	if got := names(certificate.ParseChain([]byte(one.PEM()+two.PEM()), read(t, leaf.Raw))); got != "one -1" {
		t.Errorf("64 KiB: got %q", got)
	}
	if got := names(certificate.ParseChain([]byte(two.PEM()+one.PEM()), read(t, two.Raw))); got != "one" {
		t.Errorf("large leaf: got %q", got)
	}
}

func FuzzPresented(f *testing.F) {
	root := pki.NewCA("root")
	leaf := root.Client("leaf")
	f.Add(leaf.PEM())
	f.Add(leaf.PEM() + root.PEM())
	f.Add(root.PEM() + "-----BEGIN CERTIFICATE-----\n" + leaf.PEM())
	f.Fuzz(func(t *testing.T, text string) {
		cert, err := certificate.ParseLeaf([]byte(text))
		if (cert == nil) != (err != nil) {
			t.Fatalf("got %v and %v", cert, err)
		}
		if cert != nil && len(text) > 64<<10 {
			t.Fatalf("a leaf of %d bytes", len(text))
		}
		chain, leftOut := certificate.ParseChain([]byte(text), read(t, leaf.Raw))
		if len(chain) > 10 || leftOut < 0 {
			t.Fatalf("%d certificates, %d left out", len(chain), leftOut)
		}
		seen := map[string]bool{string(leaf.Raw): true}
		for _, c := range chain {
			if seen[string(c.Raw)] {
				t.Fatal("the leaf, or a certificate twice")
			}
			seen[string(c.Raw)] = true
		}
	})
}

func BenchmarkParseLeaf(b *testing.B) {
	text := pki.NewCA("ca").Client("alice").PEM()
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			block, _ := pem.Decode([]byte(text))
			if _, err := x509.ParseCertificate(block.Bytes); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ParseLeaf", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := certificate.ParseLeaf([]byte(text)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
