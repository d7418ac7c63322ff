package signature

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// PSSKey is an RSA key that only verifies RSASSA-PSS (RFC 4055, section 1.2).
type PSSKey struct {
	*rsa.PublicKey
	// restricted says that the key has parameters: signatures have its hashes,
	// and at least its salt (section 3.3).
	restricted bool
	parameters pss
}

// UnsupportedKey is a public key that no signature is verified with: the name
// of its kind or of its curve, or what is wrong with it.
type UnsupportedKey string

// RSA returns the RSA key that a public key is, of either kind.
func RSA(key crypto.PublicKey) (*rsa.PublicKey, bool) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return key, true
	case *PSSKey:
		return key.PublicKey, true
	}
	return nil, false
}

// ParseKey reads a SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7), the whole
// element. The key is an *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey,
// *PSSKey or, where it cannot be used, an UnsupportedKey. It reports false only
// where there is no algorithm and no BIT STRING.
func ParseKey(der []byte) (key crypto.PublicKey, ok bool) {
	input := cryptobyte.String(der)
	var info, algorithm, id, bits cryptobyte.String
	if !input.ReadASN1(&info, asn1.SEQUENCE) || !input.Empty() || !info.ReadASN1(&algorithm, asn1.SEQUENCE) ||
		!algorithm.ReadASN1(&id, asn1.OBJECT_IDENTIFIER) || !info.ReadASN1(&bits, asn1.BIT_STRING) || !info.Empty() {
		return nil, false
	}
	var unused uint8
	if !bits.ReadUint8(&unused) || unused > 7 {
		return nil, false
	}
	switch parameters := algorithm; keyKinds[string(id)] {
	case keyRSA:
		key = parseRSA(bits)
	case keyPSS:
		key = parsePSSKey(parameters, bits)
	case keyEC:
		key = parseEC(parameters, bits)
	case keyEd25519:
		if len(bits) != ed25519.PublicKeySize || !parameters.Empty() {
			return UnsupportedKey("malformed Ed25519"), true
		}
		key = ed25519.PublicKey(bits)
	default:
		return UnsupportedKey(nameOf(id)), true
	}
	if unused != 0 {
		key = UnsupportedKey("with unused bits")
	}
	return key, true
}

// parseRSA reads an RSAPublicKey (RFC 8017, appendix A.1.1). Its numbers are
// read as OpenSSL reads them: without a sign, which some writers forget to keep
// off, and zeros before them do not count.
func parseRSA(der cryptobyte.String) crypto.PublicKey {
	var fields, n, e cryptobyte.String
	if !der.ReadASN1(&fields, asn1.SEQUENCE) || !der.Empty() || !fields.ReadASN1(&n, asn1.INTEGER) ||
		!fields.ReadASN1(&e, asn1.INTEGER) || !fields.Empty() || len(n) == 0 || len(e) == 0 {
		return UnsupportedKey("malformed RSA")
	}
	e = bytes.TrimLeft(e, "\x00")
	if len(e) > 4 || len(e) == 4 && e[0] >= 0x80 {
		return UnsupportedKey("RSA with an exponent of over 31 bits")
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n)}
	for _, b := range e {
		key.E = key.E<<8 | int(b)
	}
	return key
}

func parsePSSKey(parameters, der cryptobyte.String) crypto.PublicKey {
	plain := parseRSA(der)
	n, ok := plain.(*rsa.PublicKey)
	if !ok {
		return plain
	}
	key := &PSSKey{PublicKey: n}
	if !parameters.Empty() {
		key.restricted = true
		if key.parameters, ok = parsePSS(parameters); !ok {
			return UnsupportedKey("RSASSA-PSS with other parameters")
		}
	}
	return key
}

// parseEC reads a point of a named curve (RFC 5480, section 2), compressed or
// not.
func parseEC(parameters, point cryptobyte.String) crypto.PublicKey {
	var id cryptobyte.String
	if !parameters.ReadASN1(&id, asn1.OBJECT_IDENTIFIER) || !parameters.Empty() {
		return UnsupportedKey("ECDSA without a named curve")
	}
	curve, ok := curves[string(id)]
	if !ok {
		return UnsupportedKey("ECDSA on " + nameOf(id))
	}
	if len(point) > 0 && (point[0] == 2 || point[0] == 3) {
		if x, y := elliptic.UnmarshalCompressed(curve, point); x != nil {
			size := len(point) - 1
			point = append([]byte{4}, make([]byte, 2*size)...)
			x.FillBytes(point[1 : 1+size])
			y.FillBytes(point[1+size:])
		}
	}
	key, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return UnsupportedKey(fmt.Sprintf("malformed ECDSA on %s", curve.Params().Name))
	}
	return key
}
