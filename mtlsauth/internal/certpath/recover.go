package certpath

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// recoverKeys returns the x coordinates of the only keys on the curve that an
// ECDSA signature of this digest can be good for: none, or two keys (SEC 1,
// section 4.1.6). It costs little more than one verification, so that among a
// hundred issuers of one name the one that signed is found by two. What
// ecdsa.VerifyASN1 cannot read is good for none, such as a signature by a key on a
// larger curve.
//
// It only saves attempts: that a signature is good is for ecdsa to say.
func recoverKeys(curve elliptic.Curve, digest []byte, signature cryptobyte.String) (keys []string) {
	ec := map[elliptic.Curve]ecdh.Curve{elliptic.P256(): ecdh.P256(), elliptic.P384(): ecdh.P384(), elliptic.P521(): ecdh.P521()}[curve]
	c := curve.Params()
	var pair cryptobyte.String
	r, s := new(big.Int), new(big.Int)
	if ec == nil || !signature.ReadASN1(&pair, asn1.SEQUENCE) || !signature.Empty() ||
		!pair.ReadASN1Integer(r) || !pair.ReadASN1Integer(s) || !pair.Empty() ||
		s.Sign() <= 0 || r.Cmp(c.N) >= 0 || s.Cmp(c.N) >= 0 {
		return nil
	}
	y := liftX(c, r)
	// Where n + r is below p there may be a second point of this r: that is
	// once in 2^128 signatures, or made so to be costly, as is an r of 0 or below.
	if y == nil || new(big.Int).Add(r, c.N).Cmp(c.P) < 0 {
		return nil
	}
	// Q = (±s R - e G) / r, with R the point of x coordinate r and e the
	// leftmost bits of the digest.
	e := new(big.Int).SetBytes(digest)
	e.Rsh(e, uint(max(8*len(digest)-c.N.BitLen(), 0)))
	inverse := new(big.Int).ModInverse(r, c.N)
	u, errU := ec.NewPrivateKey(fill(c, s.Mul(s, inverse).Mod(s, c.N)))
	v, errV := ec.NewPrivateKey(fill(c, e.Mul(e, inverse).Mod(e, c.N)))
	point, errR := ec.NewPublicKey(append(append([]byte{4}, fill(c, r)...), fill(c, y)...))
	if errU != nil || errV != nil || errR != nil {
		return nil
	}
	shared, err := u.ECDH(point) // the x coordinate, of which either y is meant
	if err != nil {
		return nil
	}
	x1 := new(big.Int).SetBytes(shared)
	y1 := liftX(c, x1)
	encoded := v.PublicKey().Bytes()[1:]
	x2 := new(big.Int).SetBytes(encoded[:len(encoded)/2])
	y2 := new(big.Int).SetBytes(encoded[len(encoded)/2:])
	if y1 == nil || x1.Cmp(x2) == 0 {
		return nil
	}
	run := new(big.Int).Sub(x2, x1)
	run.ModInverse(run.Mod(run, c.P), c.P)
	for range 2 {
		// The sum of (x1, y1) and (x2, -y2).
		slope := new(big.Int).Add(y1, y2)
		slope.Mul(slope, run).Mod(slope, c.P)
		x := slope.Mul(slope, slope).Sub(slope, x1).Sub(slope, x2)
		keys = append(keys, string(fill(c, x.Mod(x, c.P))))
		y1.Sub(c.P, y1)
	}
	return keys
}

// liftX returns a y of the curve's points with this x, nil if there is none.
func liftX(c *elliptic.CurveParams, x *big.Int) *big.Int {
	// y² = x³ - 3x + b
	square := new(big.Int).Mul(x, x)
	square.Sub(square, big.NewInt(3)).Mul(square, x).Add(square, c.B).Mod(square, c.P)
	return square.ModSqrt(square, c.P)
}

func fill(c *elliptic.CurveParams, n *big.Int) []byte {
	return n.FillBytes(make([]byte, (c.BitSize+7)/8))
}

// xOf is the key's x coordinate as recoverKeys returns it.
func xOf(key *ecdsa.PublicKey) string {
	encoded, err := key.Bytes()
	if err != nil {
		return ""
	}
	return string(encoded[1 : 1+len(encoded)/2])
}
