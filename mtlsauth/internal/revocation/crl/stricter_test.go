package crl_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/signature"
)

// stricter checks that a list which crypto/x509 takes has what it was refused
// for:
//   - too_large: over the limits of names, extensions, or the size of elements;
//   - critical_extension: one that is unknown, or critical freshest CRL;
//   - weak_algorithm: one that package signature does not know;
//   - malformed: DER that is not what crypto/x509 understood of it, written
//     down again, such as data that it passes over, times without seconds or
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
