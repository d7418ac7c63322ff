package crl_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/pkitest"
	"mtls-auth/mtlsauth/internal/revocation/crl"
	"mtls-auth/mtlsauth/internal/signature"
)

// FuzzRead compares with crypto/x509: either both read the same entries, or
// both refuse. Read is stricter in what stricter lists, which is checked there.
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
	l, err := crl.Read(bytes.NewReader(data), crl.ReadOptions{AllowSHA1: true})
	if err != nil && l != nil {
		t.Fatal("a list with an error")
	}
	der := data
	if len(data) == 0 || data[0] != 0x30 {
		block, _ := pem.Decode(data)
		if err == nil && (block == nil || block.Type != "X509 CRL") {
			t.Fatal("read what is no PEM block")
		}
		if block == nil {
			return
		}
		if err != nil {
			// The block alone tells whether it was for what is around.
			if l, err = crl.Read(bytes.NewReader(block.Bytes), crl.ReadOptions{AllowSHA1: true}); err == nil {
				return
			}
		}
		der = block.Bytes
	}
	if err == nil {
		if _, refused := x509.ParseRevocationList(der); refused != nil {
			der = withIssuer(der, "another")
			if l, err = crl.Read(bytes.NewReader(der), crl.ReadOptions{AllowSHA1: true}); err != nil {
				t.Fatalf("refused for another issuer: %v", err)
			}
		}
		sameAsX509(t, der, l)
		return
	}
	if want, refused := x509.ParseRevocationList(der); refused == nil && !stricter(der, want, kindOf(err)) {
		t.Errorf("refused, but not by crypto/x509: %v", err)
	}
}

func fuzzSeeds() [][]byte {
	_, edKey, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err)
	}
	ca, other := pkitest.NewCA("ca"), pkitest.NewCA("other")
	full := pkitest.CRL{Issuer: ca, Number: 300, BaseNumber: 200, IDP: &pkitest.IDP{URIs: []string{"http://a/"}, Indirect: true, Reasons: []int{1, 8}}, Entries: []pkitest.CRLEntry{
		{Serial: big.NewInt(5), Reason: 1},
		{Serial: big.NewInt(-5), Reason: 6},
		{Serial: big.NewInt(5), Reason: 8},
		{Serial: new(big.Int).Lsh(big.NewInt(1), 200), Issuer: other, Time: time.Date(2055, 1, 1, 0, 0, 0, 0, time.UTC)},
		{Serial: big.NewInt(7)},
		{Serial: big.NewInt(7), Issuer: ca, Extensions: []pkix.Extension{{Id: []int{2, 5, 29, 24}, Value: []byte("\x18\x0f20240101000000Z")}}},
	}}
	seeds := [][]byte{
		full.DER(), full.PEM(),
		pkitest.CRL{Issuer: ca, NoNextUpdate: true, NoNumber: true, NoKeyID: true}.DER(),
		pkitest.CRL{Issuer: pkitest.NewCA("ed", pkitest.Key(edKey)), RawEntries: pkitest.Serials(40, 16)}.DER(),
		pkitest.CRL{Issuer: ca, IDP: &pkitest.IDP{Relative: relativeName("x"), OnlyCACerts: true}}.DER(),
	}
	return seeds
}

func suiteSeeds(f *testing.F) (seeds [][]byte) {
	folder, _ := suiteFolder(f, ".")
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

// stricter checks that a list which crypto/x509 takes has what it was refused
// for:
//   - too_large: over the limits of names, extensions, or the size of elements;
//   - critical_extension: one that is unknown, or critical freshest CRL;
//   - weak_algorithm: one that package signature does not know;
//   - malformed: DER that is not what crypto/x509 understood of it, written
//     down anew, such as data that it passes over, times without seconds or
//     with a zone, unused bits in the signature; an issuer that is empty or has more
//     than it should; an extension twice; one that is known with a value that is not of its form; a
//     certificate issuer where the list is not indirect, or of other names than
//     one directoryName.
func stricter(der []byte, list *x509.RevocationList, kind string) bool {
	sets := [][]pkix.Extension{list.Extensions}
	for _, e := range list.RevokedCertificateEntries {
		sets = append(sets, e.Extensions)
	}
	switch kind {
	case "too_large":
		return len(der) > 4096
	case "critical_extension":
		return anyExtension(sets, func(x pkix.Extension) bool { return x.Critical && !knownExtension(x, 20, 27, 28, 35, 18, 21, 24, 29) }) ||
			anyExtension(sets[:1], func(x pkix.Extension) bool { return x.Critical && knownExtension(x, 21, 24, 29) }) ||
			anyExtension(sets[1:], func(x pkix.Extension) bool { return x.Critical && knownExtension(x, 20, 27, 28, 35, 18) })
	case "weak_algorithm":
		_, err := signature.Parse(innerAlgorithm(der))
		return err != nil
	case "malformed":
		// Rebuilt with both ways to write a time before 2050.
		return !bytes.Equal(der, rebuilt(list, innerAlgorithm(der))) || len(list.RawIssuer) == 2 || !isNameDER(list.RawIssuer) ||
			hasDuplicates(sets) || anyExtension(sets, badValue) ||
			anyExtension(sets, func(x pkix.Extension) bool { return x.Id.Equal(oidCertificateIssuer) }) && !isIndirect(list)
	}
	return false
}

func anyExtension(sets [][]pkix.Extension, is func(pkix.Extension) bool) bool {
	for _, set := range sets {
		for _, x := range set {
			if is(x) {
				return true
			}
		}
	}
	return false
}

func knownExtension(x pkix.Extension, arcs ...int) bool {
	for _, arc := range arcs {
		if x.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, arc}) {
			return true
		}
	}
	return false
}

func hasDuplicates(sets [][]pkix.Extension) bool {
	for _, set := range sets {
		seen := map[string]bool{}
		for _, x := range set {
			if seen[x.Id.String()] {
				return true
			}
			seen[x.Id.String()] = true
		}
	}
	return false
}

// badValue reports a known extension whose value is not of its form, by way of
// encoding/asn1. The names in an IDP or certificate issuer it takes as they are.
func badValue(x pkix.Extension) bool {
	fits := func(into any) bool {
		rest, err := asn1.Unmarshal(x.Value, into)
		return err == nil && len(rest) == 0
	}
	switch {
	case knownExtension(x, 20, 27):
		n := new(big.Int)
		return !fits(&n) || n.Sign() < 0
	case x.Id.Equal(oidReasonCode):
		return !fits(new(asn1.Enumerated))
	case knownExtension(x, 35):
		return !fits(new(asn1.RawValue)) || x.Value[0] != 0x30
	case x.Id.Equal(oidIDP):
		var idp struct {
			Point     asn1.RawValue  `asn1:"optional,tag:0"`
			User      asn1.RawValue  `asn1:"optional,tag:1"`
			CA        asn1.RawValue  `asn1:"optional,tag:2"`
			Reasons   asn1.BitString `asn1:"optional,tag:3"`
			Indirect  asn1.RawValue  `asn1:"optional,tag:4"`
			Attribute asn1.RawValue  `asn1:"optional,tag:5"`
		}
		// encoding/asn1 passes over what it does not know at the end.
		bad := !fits(&idp) || !bytes.Equal(marshalled(idp), x.Value) || idp.Reasons.BitLength > 24
		for _, flag := range []asn1.RawValue{idp.User, idp.CA, idp.Indirect, idp.Attribute} {
			bad = bad || flag.FullBytes != nil && (flag.IsCompound || !bytes.Equal(flag.Bytes, []byte{0xff}))
		}
		return bad || idp.Point.FullBytes != nil && !isPoint(idp.Point)
	case x.Id.Equal(oidCertificateIssuer):
		return certificateIssuer(x) == nil || !onlyNames(x.Value) || bytes.Count(x.Value, []byte{0xa4}) > 1 || !isNameDER(certificateIssuer(x))
	}
	return false
}

func marshalled(value any) []byte {
	der, err := asn1.Marshal(value)
	if err != nil {
		return nil
	}
	return der
}

func isIndirect(list *x509.RevocationList) bool {
	for _, x := range list.Extensions {
		if x.Id.Equal(oidIDP) {
			return bytes.Contains(x.Value, []byte{0x84, 1, 0xff})
		}
	}
	return false
}

// isPoint reports whether encoding/asn1 takes the names of a distribution point.
func isPoint(point asn1.RawValue) bool {
	var choice asn1.RawValue
	rest, err := asn1.Unmarshal(point.Bytes, &choice)
	if err != nil || len(rest) > 0 || !point.IsCompound || !choice.IsCompound || choice.Class != asn1.ClassContextSpecific {
		return false
	}
	switch choice.Tag {
	case 0:
		b := cryptobyte.NewBuilder(nil)
		b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(choice.Bytes) })
		return onlyNames(b.BytesOrPanic())
	case 1:
		b := cryptobyte.NewBuilder(nil)
		b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(casn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(choice.Bytes) })
		})
		return isNameDER(b.BytesOrPanic())
	}
	return false
}

// onlyNames reports whether DER is a sequence of general names.
func onlyNames(der []byte) bool {
	var names []asn1.RawValue
	rest, err := asn1.Unmarshal(der, &names)
	if err != nil || len(rest) > 0 || len(names) == 0 {
		return false
	}
	for _, name := range names {
		if name.Class != asn1.ClassContextSpecific || name.Tag > 8 || name.Tag == 4 && (!name.IsCompound || !isNameDER(name.Bytes)) {
			return false
		}
	}
	return true
}

func isNameDER(der []byte) bool {
	var name []pkixRDNSET
	rest, err := asn1.Unmarshal(der, &name)
	if err != nil || len(rest) > 0 || !bytes.Equal(marshalled(name), der) {
		return false
	}
	for _, rdn := range name {
		if len(rdn) == 0 {
			return false
		}
	}
	return true
}

type pkixRDNSET []struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}
