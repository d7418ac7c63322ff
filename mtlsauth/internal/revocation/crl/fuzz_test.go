package crl_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/crl"
	"mtls-auth/mtlsauth/internal/testing/pki"
	"mtls-auth/mtlsauth/internal/testing/suites"
)

// FuzzRead compares with crypto/x509: either both read the same entries, or
// one refuses and the other refuses or finds a flaw. Read is stricter in what stricter lists, which is checked there.
// It is less strict in one thing, the strings in the issuer's name: that is
// only ever compared with the names of certificates that crypto/x509 took.
func FuzzRead(f *testing.F) {
	for _, seed := range append(fuzzSeeds(), suiteSeeds(f)...) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) { agree(t, data) })
}

// TestChangedBytes is FuzzRead for every byte of its seeds changed in turn.
func TestChangedBytes(t *testing.T) {
	t.Parallel()
	for n, seed := range fuzzSeeds() {
		for i := range seed {
			for _, to := range []byte{seed[i] + 1, seed[i] ^ 0x80, 0xff, 0} {
				changed := bytes.Clone(seed)
				changed[i] = to
				if agree(t, changed); t.Failed() {
					t.Fatalf("seed %d, byte %d changed from %#x to %#x", n, i, seed[i], to)
				}
			}
		}
	}
}

// agree is what FuzzRead says.
func agree(t *testing.T, data []byte) {
	t.Helper()
	l, err := crl.Read(bytes.NewReader(data), crl.ReadOptions{})
	if err != nil && l != nil {
		t.Fatal("a list with an error")
	}
	der := data
	if len(data) == 0 || data[0] != 0x30 {
		block, _ := pem.Decode(data)
		if block == nil || block.Type != "X509 CRL" {
			return
		}
		if err != nil {
			// The block alone tells whether it was for what is around.
			if l, err = crl.Read(bytes.NewReader(block.Bytes), crl.ReadOptions{}); err == nil {
				return
			}
		}
		der = block.Bytes
	}
	if err == nil && l.Flaw == nil {
		if _, refused := x509.ParseRevocationList(der); refused != nil {
			if bytes.ContainsAny(der, ".,") {
				return // it may have a fraction of a second
			}
			der = withIssuer(der, "another")
			if l, err = crl.Read(bytes.NewReader(der), crl.ReadOptions{}); err != nil {
				t.Fatalf("refused for another issuer: %v", err)
			}
		}
		sameAsX509(t, der, l)
		return
	}
	if want, refused := x509.ParseRevocationList(der); refused == nil && !stricter(der, want, flawOf(l, err)) {
		t.Errorf("refused or flawed, but not by crypto/x509: %v", flawOf(l, err))
	}
}

func fuzzSeeds() [][]byte {
	_, edKey, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err)
	}
	ca, other := pki.NewCA("ca"), pki.NewCA("other")
	full := pki.CRL{Issuer: ca, Number: 300, BaseNumber: 200, IDP: &pki.IDP{URIs: []string{"http://a/"}, Indirect: true, Reasons: []int{1, 8}}, Entries: []pki.CRLEntry{
		{Serial: big.NewInt(5), Reason: 1},
		{Serial: big.NewInt(-5), Reason: 6},
		{Serial: big.NewInt(5), Reason: 8},
		{Serial: new(big.Int).Lsh(big.NewInt(1), 200), Issuer: other, Time: time.Date(2055, 1, 1, 0, 0, 0, 0, time.UTC)},
		{Serial: big.NewInt(7)},
		{Serial: big.NewInt(7), Issuer: ca, Extensions: []pkix.Extension{{Id: []int{2, 5, 29, 24}, Value: []byte("\x18\x0f20240101000000Z")}}},
	}}
	seeds := [][]byte{
		full.DER(), full.PEM(),
		pki.CRL{Issuer: ca, NoNextUpdate: true, NoNumber: true, NoKeyID: true}.DER(),
		pki.CRL{Issuer: pki.NewCA("ed", pki.Key(edKey)), RawEntries: pki.Serials(40, 16)}.DER(),
		pki.CRL{Issuer: ca, IDP: &pki.IDP{Relative: relativeName("x"), OnlyCACerts: true}}.DER(),
	}
	return seeds
}

func suiteSeeds(f *testing.F) (seeds [][]byte) {
	folder, _ := suites.Find(f, ".")
	for _, pattern := range []string{"pyca/crl/*", "boulder-crl/*/*.pem", "pkits/crls/*"} {
		names, _ := filepath.Glob(filepath.Join(folder, pattern))
		for _, name := range names {
			// 10,000 entries are too much to change here and there.
			if data, err := os.ReadFile(name); err == nil && len(data) < 20000 {
				seeds = append(seeds, data)
			}
		}
	}
	return seeds
}
