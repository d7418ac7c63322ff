package crl_test

import (
	"crypto/x509"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	encoding_asn1 "encoding/asn1"
)

// parts takes the elements of tbsCertList apart as far as the issuer.
func parts(der []byte) (version, algorithm, issuer, rest, after cryptobyte.String) {
	input := cryptobyte.String(der)
	var outer, tbs cryptobyte.String
	input.ReadASN1(&outer, asn1.SEQUENCE)
	outer.ReadASN1(&tbs, asn1.SEQUENCE)
	tbs.ReadASN1Element(&version, asn1.INTEGER)
	tbs.ReadASN1Element(&algorithm, asn1.SEQUENCE)
	tbs.ReadASN1Element(&issuer, asn1.SEQUENCE)
	return version, algorithm, issuer, tbs, outer
}

func innerAlgorithm(der []byte) []byte {
	_, algorithm, _, _, _ := parts(der)
	return algorithm
}

// withIssuer puts another name into a list, whose signature then does not fit.
func withIssuer(der []byte, commonName string) []byte {
	version, algorithm, _, rest, after := parts(der)
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(version)
			b.AddBytes(algorithm)
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(relativeName(commonName)) })
			})
			b.AddBytes(rest)
		})
		b.AddBytes(after)
	})
	return b.BytesOrPanic()
}

// relativeName returns the content of the SET of a relative distinguished name.
func relativeName(commonName string) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(encoding_asn1.ObjectIdentifier{2, 5, 4, 3})
		b.AddASN1(asn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(commonName)) })
	})
	return b.BytesOrPanic()
}

// rebuilt writes down what crypto/x509 understood of a list.
func rebuilt(list *x509.RevocationList, algorithm []byte) []byte {
	addTime := func(b *cryptobyte.Builder, t time.Time) {
		if t.Year() < 2050 {
			b.AddASN1UTCTime(t)
		} else {
			b.AddASN1GeneralizedTime(t)
		}
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(1)
			b.AddBytes(algorithm)
			b.AddBytes(list.RawIssuer)
			addTime(b, list.ThisUpdate)
			if !list.NextUpdate.IsZero() {
				addTime(b, list.NextUpdate)
			}
			if len(list.RevokedCertificateEntries) > 0 {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					for _, e := range list.RevokedCertificateEntries {
						b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddASN1BigInt(e.SerialNumber)
							addTime(b, e.RevocationTime)
							if len(e.Extensions) > 0 {
								der, _ := encoding_asn1.Marshal(e.Extensions)
								b.AddBytes(der)
							}
						})
					}
				})
			}
			if len(list.Extensions) > 0 {
				b.AddASN1(constructed(0), func(b *cryptobyte.Builder) {
					der, _ := encoding_asn1.Marshal(list.Extensions)
					b.AddBytes(der)
				})
			}
		})
		b.AddBytes(algorithm)
		b.AddASN1BitString(list.Signature)
	})
	der, _ := b.Bytes()
	return der
}

func constructed(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific().Constructed() }

// below returns a name with one more relative distinguished name at its end.
func below(rawName []byte, commonName string) []byte {
	input := cryptobyte.String(rawName)
	var rdns cryptobyte.String
	input.ReadASN1(&rdns, asn1.SEQUENCE)
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(rdns)
		b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(relativeName(commonName)) })
	})
	return b.BytesOrPanic()
}
