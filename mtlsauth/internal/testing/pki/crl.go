package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// CRL is what to put into a certificate revocation list (RFC 5280, section 5).
// With Issuer alone it is a good and empty one, number 1, from an hour ago
// until in a day, with the issuer's key identifier.
type CRL struct {
	// Issuer is whose name the list bears, and who signs it.
	Issuer *Certificate
	// Signer signs instead of Issuer.
	Signer *Certificate

	ThisUpdate, NextUpdate time.Time
	NoNextUpdate           bool

	// Number is 1 where 0.
	Number     int64
	NoNumber   bool
	BaseNumber int64 // of a delta CRL; 0 for a complete one
	NoKeyID    bool
	KeyID      []byte // instead of the signer's

	Entries []CRLEntry
	// RawEntries are the DER of further entries, such as Serials makes.
	RawEntries []byte

	IDP *IDP
	// Extensions come after the others.
	Extensions []pkix.Extension

	Hash crypto.Hash // SHA-256 where 0; of no meaning for Ed25519
	PSS  bool        // for an RSA key
	// Edit changes the content of tbsCertList before it is signed.
	Edit func([]byte) []byte
	// CorruptSignature flips a bit of the signature.
	CorruptSignature bool
}

// CRLEntry is one revoked certificate.
type CRLEntry struct {
	Serial *big.Int
	Time   time.Time // half an hour ago where zero
	Reason int       // none is given for 0
	// Issuer is the certificate issuer of this entry and those after it, in an
	// indirect CRL.
	Issuer *Certificate
	// Extensions come after the others.
	Extensions []pkix.Extension
}

// Revoked returns entries for certificates, without a reason.
func Revoked(certs ...*Certificate) []CRLEntry {
	var entries []CRLEntry
	for _, c := range certs {
		entries = append(entries, CRLEntry{Serial: c.SerialNumber})
	}
	return entries
}

// PEM returns the signed list as one PEM block.
func (c CRL) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: c.DER()})
}

// DER returns the signed list.
func (c CRL) DER() []byte {
	signer := c.Signer
	if signer == nil {
		signer = c.Issuer
	}
	if c.Hash == 0 {
		c.Hash = crypto.SHA256
	}
	identifier, opts, digested := signatureAlgorithm(signer.Key, c.Hash, c.PSS)
	content := c.content(identifier, signer)
	if c.Edit != nil {
		content = c.Edit(content)
	}
	tbs := element(asn1.SEQUENCE, content)
	toSign := tbs
	if digested {
		toSign = hashed(c.Hash, tbs)
	}
	signature, err := signer.Key.Sign(rand.Reader, toSign, opts)
	check(err)
	if c.CorruptSignature {
		signature[len(signature)-1] ^= 1
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1BitString(signature)
	return element(asn1.SEQUENCE, tbs, identifier, b.BytesOrPanic())
}

func (c CRL) content(identifier []byte, signer *Certificate) []byte {
	now := time.Now()
	if c.ThisUpdate.IsZero() {
		c.ThisUpdate = now.Add(-time.Hour)
	}
	if c.NextUpdate.IsZero() {
		c.NextUpdate = now.Add(24 * time.Hour)
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1Int64(1)
	b.AddBytes(identifier)
	b.AddBytes(c.Issuer.RawSubject)
	addTime(b, c.ThisUpdate)
	if !c.NoNextUpdate {
		addTime(b, c.NextUpdate)
	}
	out := b.BytesOrPanic()
	var entries []byte
	for _, e := range c.Entries {
		entries = append(entries, e.der()...)
	}
	if entries = append(entries, c.RawEntries...); len(entries) > 0 {
		out = append(out, element(asn1.SEQUENCE, entries)...)
	}
	var extensions []byte
	for _, e := range c.extensions(signer) {
		extensions = append(extensions, extensionDER(e)...)
	}
	if len(extensions) > 0 {
		out = append(out, element(explicit(0), element(asn1.SEQUENCE, extensions))...)
	}
	return out
}

func (c CRL) extensions(signer *Certificate) []pkix.Extension {
	var out []pkix.Extension
	if !c.NoKeyID {
		id := c.KeyID
		if id == nil {
			id = signer.SubjectKeyId
		}
		out = append(out, idCE(35, false, element(asn1.SEQUENCE, element(implicit(0), id))))
	}
	if !c.NoNumber {
		out = append(out, idCE(20, false, integer(max(c.Number, 1))))
	}
	if c.BaseNumber != 0 {
		out = append(out, idCE(27, true, integer(c.BaseNumber)))
	}
	if c.IDP != nil {
		out = append(out, idCE(28, !c.IDP.NotCritical, c.IDP.der()))
	}
	return append(out, c.Extensions...)
}

func (e CRLEntry) der() []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1BigInt(e.Serial)
	at := e.Time
	if at.IsZero() {
		at = time.Now().Add(-30 * time.Minute)
	}
	addTime(b, at)
	var extensions []byte
	if e.Reason != 0 {
		r := cryptobyte.NewBuilder(nil)
		r.AddASN1Enum(int64(e.Reason))
		extensions = append(extensions, extensionDER(idCE(21, false, r.BytesOrPanic()))...)
	}
	if e.Issuer != nil {
		extensions = append(extensions, extensionDER(idCE(29, true, element(asn1.SEQUENCE, DirectoryName(e.Issuer.RawSubject))))...)
	}
	for _, x := range e.Extensions {
		extensions = append(extensions, extensionDER(x)...)
	}
	if len(extensions) > 0 {
		b.AddBytes(element(asn1.SEQUENCE, extensions))
	}
	return element(asn1.SEQUENCE, b.BytesOrPanic())
}

func addTime(b *cryptobyte.Builder, t time.Time) {
	if t = t.UTC(); t.Year() >= 1950 && t.Year() < 2050 {
		b.AddASN1UTCTime(t)
		return
	}
	b.AddASN1GeneralizedTime(t)
}
