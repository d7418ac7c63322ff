package certpath

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// recoverKeys returns the encodings (SEC 1, section 2.3.3, uncompressed) of
// the only keys on the curve that an ECDSA signature of this digest can verify
// with: none, or two (SEC 1, section 4.1.6). It costs about as much as one
// verification, so that among a hundred issuers of one name the one that signed
// is found by two. ok is false where it cannot tell.
//
// It only saves attempts: that a signature is good is for ecdsa.VerifyASN1 to
// say.
func recoverKeys(curve elliptic.Curve, digest, signature []byte) (keys []string, ok bool) {
	ec, params := ecdhCurve(curve), curve.Params()
	r, s, ok := readECDSA(signature, params.N)
	if ec == nil || !ok {
		return nil, false
	}
	y := liftX(params, r)
	// Where n + r is below p there may be a second point of this r: that is
	// once in 2^128 signatures, or somebody who makes it costly.
	if y == nil || new(big.Int).Add(r, params.N).Cmp(params.P) < 0 {
		return nil, true
	}
	// Q = (±s R - e G) / r, with R the point of x coordinate r.
	rInverse := new(big.Int).ModInverse(r, params.N)
	e := hashToInt(digest, params.N.BitLen())
	u := s.Mul(s, rInverse).Mod(s, params.N)
	v := e.Mul(e, rInverse).Mod(e, params.N)
	point, err := ec.NewPublicKey(encodePoint(params, r, y))
	if err != nil {
		return nil, false
	}
	uKey, err := ec.NewPrivateKey(fillBytes(params, u))
	if err != nil {
		return nil, false
	}
	vKey, err := ec.NewPrivateKey(fillBytes(params, v))
	if err != nil {
		return nil, false
	}
	// ECDH gives the x coordinate; of the two y either is meant.
	shared, err := uKey.ECDH(point)
	if err != nil {
		return nil, false
	}
	x1 := new(big.Int).SetBytes(shared)
	y1 := liftX(params, x1)
	encoded := vKey.PublicKey().Bytes()[1:]
	x2 := new(big.Int).SetBytes(encoded[:len(encoded)/2])
	y2 := new(big.Int).SetBytes(encoded[len(encoded)/2:])
	y2.Sub(params.P, y2) // - e G
	if y1 == nil || x1.Cmp(x2) == 0 {
		return nil, false
	}
	for range 2 {
		x, y := addPoints(params.P, x1, y1, x2, y2)
		keys = append(keys, string(encodePoint(params, x, y)))
		y1.Sub(params.P, y1)
	}
	return keys, true
}

func ecdhCurve(curve elliptic.Curve) ecdh.Curve {
	switch curve {
	case elliptic.P256():
		return ecdh.P256()
	case elliptic.P384():
		return ecdh.P384()
	case elliptic.P521():
		return ecdh.P521()
	}
	return nil
}

func readECDSA(signature cryptobyte.String, n *big.Int) (r, s *big.Int, ok bool) {
	var pair cryptobyte.String
	r, s = new(big.Int), new(big.Int)
	ok = signature.ReadASN1(&pair, asn1.SEQUENCE) && signature.Empty() &&
		pair.ReadASN1Integer(r) && pair.ReadASN1Integer(s) && pair.Empty() &&
		r.Sign() > 0 && s.Sign() > 0 && r.Cmp(n) < 0 && s.Cmp(n) < 0
	return r, s, ok
}

// liftX returns a y of the curve's points with this x, nil if there is none.
func liftX(c *elliptic.CurveParams, x *big.Int) *big.Int {
	// y² = x³ - 3x + b
	square := new(big.Int).Mul(x, x)
	square.Sub(square, big.NewInt(3)).Mul(square, x).Add(square, c.B).Mod(square, c.P)
	return square.ModSqrt(square, c.P)
}

// addPoints adds points with different x.
func addPoints(p, x1, y1, x2, y2 *big.Int) (x, y *big.Int) {
	slope := new(big.Int).Sub(x2, x1)
	slope.ModInverse(slope.Mod(slope, p), p)
	slope.Mul(slope, new(big.Int).Sub(y2, y1)).Mod(slope, p)
	x = new(big.Int).Mul(slope, slope)
	x.Sub(x, x1).Sub(x, x2).Mod(x, p)
	y = new(big.Int).Sub(x1, x)
	y.Mul(y, slope).Sub(y, y1).Mod(y, p)
	return x, y
}

// hashToInt is FIPS 186-5, section 6.4.2: the leftmost bits of the digest.
func hashToInt(digest []byte, bits int) *big.Int {
	e := new(big.Int).SetBytes(digest)
	if excess := 8*len(digest) - bits; excess > 0 {
		e.Rsh(e, uint(excess))
	}
	return e
}

func fillBytes(c *elliptic.CurveParams, n *big.Int) []byte {
	return n.FillBytes(make([]byte, (c.BitSize+7)/8))
}

func encodePoint(c *elliptic.CurveParams, x, y *big.Int) []byte {
	return append(append([]byte{4}, fillBytes(c, x)...), fillBytes(c, y)...)
}

// encodeKey is the key as recoverKeys returns it, "" where it is no point.
func encodeKey(key *ecdsa.PublicKey) string {
	encoded, err := key.Bytes()
	if err != nil {
		return ""
	}
	return string(encoded)
}
