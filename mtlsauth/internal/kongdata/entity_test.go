package kongdata_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// hugeRSA is a certificate with an RSA key that takes too long to make in a test: the
// modulus of a small one is replaced before signing by another key.
func hugeRSA(t *testing.T, bits int) *pki.Certificate {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	key.N = n.Add(n, big.NewInt(1))
	return pki.NewCA("root").Intermediate("huge", pki.Key(key))
}

func TestJudgeCA(t *testing.T) {
	ca := pki.NewCA("one")
	text := ca.PEM()
	tests := []struct {
		name, text, reason string
	}{
		{"one CA certificate", text, ""},
		{"CRLF", strings.ReplaceAll(text, "\n", "\r\n"), ""},
		{"words around it", "subject=one\n" + text + "end", ""},
		{"an older label", strings.ReplaceAll(text, " CERTIFICATE", " X509 CERTIFICATE"), ""},
		{"trust settings", string(pem.EncodeToMemory(&pem.Block{Type: "TRUSTED CERTIFICATE", Bytes: append(ca.Raw[:len(ca.Raw):len(ca.Raw)], 0x30, 0)})), ""},
		{"two labels", text + strings.ReplaceAll(text, " CERTIFICATE", " X509 CERTIFICATE"), "more than one"},
		{"an intermediate", ca.Intermediate("x").PEM(), ""},
		{"expired", pki.NewCA("x", pki.Expired()).PEM(), ""},
		{"RSA 8192", hugeRSA(t, 8192).PEM(), ""},
		{"RSA 8193", hugeRSA(t, 8193).PEM(), "8193 bits"},
		{"empty", "", "no PEM certificate"},
		{"rubbish", "rubbish", "no PEM certificate"},
		{"DER", string(ca.Raw), "no PEM certificate"},
		{"a key", ca.KeyPEM(), "no PEM certificate"},
		{"two", text + pemOf("two"), "more than one"},
		{"the same twice", text + text, "more than one"},
		{"a broken second", text + "-----BEGIN CERTIFICATE-----\n", "more than one"},
		{"half", text[:len(text)/2], "cannot be decoded"},
		{"no certificate in it", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})), "reading the certificate"},
		{"trailing bytes", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: append(ca.Raw[:len(ca.Raw):len(ca.Raw)], 0)})), "reading the certificate"},
		{"no CA", pki.NewSelfSigned("x").PEM(), "CA:TRUE"},
		{"a client", ca.Client("x").PEM(), "CA:TRUE"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			answer := kongdata.JudgeCA(test.text)
			cert, err := answer.Certificate, answer.Err
			if test.reason == "" {
				if err != nil || cert == nil {
					t.Fatalf("got %v, %v", cert, err)
				}
				return
			}
			refusal, ok := errors.AsType[*kongdata.RefusedError](err)
			if !ok || cert != nil || !strings.Contains(refusal.Reason, test.reason) {
				t.Errorf("got %v, %v, want refused: %q", cert, err, test.reason)
			}
		})
	}
}

func FuzzJudgeCA(f *testing.F) {
	f.Add(pemOf("one"))
	f.Add(pemOf("one")[40:])
	f.Fuzz(func(t *testing.T, text string) {
		answer := kongdata.JudgeCA(text)
		cert, err := answer.Certificate, answer.Err
		if (cert == nil) == (err == nil) {
			t.Fatal("a certificate and an error, or neither")
		}
		if cert != nil && !cert.IsCA {
			t.Fatal("accepted what is not a CA")
		}
	})
}
