package signature

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"encoding/binary"
	"hash"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// pss are the parameters of RSASSA-PSS (RFC 4055, section 3.1).
type pss struct {
	hash, mask crypto.Hash
	salt       int // length in bytes
}

// maxSalt bounds the length of a salt: a signature of MaxRSABits has no room for
// more.
const maxSalt = MaxRSABits / 8

// parsePSS reads RSASSA-PSS-params. What is absent has its default, SHA-1 and 20
// bytes; the trailer field has one value.
func parsePSS(der cryptobyte.String) (p pss, ok bool) {
	p = pss{crypto.SHA1, crypto.SHA1, 20}
	var fields, explicit, mask, id cryptobyte.String
	var present bool
	explicitTag := func(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific().Constructed() }
	if !der.ReadASN1(&fields, asn1.SEQUENCE) || !der.Empty() || !fields.ReadOptionalASN1(&explicit, &present, explicitTag(0)) {
		return pss{}, false
	}
	if present {
		if p.hash, ok = parseHash(explicit); !ok {
			return pss{}, false
		}
	}
	if !fields.ReadOptionalASN1(&explicit, &present, explicitTag(1)) {
		return pss{}, false
	}
	if present {
		if !explicit.ReadASN1(&mask, asn1.SEQUENCE) || !explicit.Empty() || !mask.ReadASN1(&id, asn1.OBJECT_IDENTIFIER) || string(id) != mgf1 {
			return pss{}, false
		}
		if p.mask, ok = parseHash(mask); !ok {
			return pss{}, false
		}
	}
	trailer := 1
	if !fields.ReadOptionalASN1Integer(&p.salt, explicitTag(2), 20) || p.salt < 0 || p.salt > maxSalt ||
		!fields.ReadOptionalASN1Integer(&trailer, explicitTag(3), 1) || trailer != 1 || !fields.Empty() {
		return pss{}, false
	}
	return p, true
}

// parseHash reads the AlgorithmIdentifier of a hash, whose parameters are NULL
// or absent.
func parseHash(der cryptobyte.String) (crypto.Hash, bool) {
	var fields, id cryptobyte.String
	if !der.ReadASN1(&fields, asn1.SEQUENCE) || !der.Empty() || !fields.ReadASN1(&id, asn1.OBJECT_IDENTIFIER) ||
		!fields.Empty() && string(fields) != "\x05\x00" {
		return 0, false
	}
	h, ok := hashes[string(id)]
	return h, ok
}

// verify is RSASSA-PSS-VERIFY (RFC 8017, section 8.1.2). crypto/rsa knows one
// hash for digest and mask, and takes a salt of no bytes for one of any length;
// all else is its.
func (p pss) verify(key *rsa.PublicKey, digest, signature []byte) bool {
	if p.hash == p.mask && p.salt > 0 {
		return rsa.VerifyPSS(key, p.hash, digest, signature, &rsa.PSSOptions{SaltLength: p.salt}) == nil
	}
	s := new(big.Int).SetBytes(signature)
	if len(signature) != key.Size() || s.Cmp(key.N) >= 0 || key.E < 3 || key.N.Bit(0) == 0 {
		return false
	}
	bits := key.N.BitLen() - 1
	message := s.Exp(s, big.NewInt(int64(key.E)), key.N)
	if message.BitLen() > bits {
		return false
	}
	return p.verifyEncoding(digest, message.FillBytes(make([]byte, (bits+7)/8)), bits)
}

// verifyEncoding is EMSA-PSS-VERIFY (RFC 8017, section 9.1.2).
func (p pss) verifyEncoding(digest, encoded []byte, bits int) bool {
	size := p.hash.Size()
	if len(encoded) < size+p.salt+2 || encoded[len(encoded)-1] != 0xbc {
		return false
	}
	masked, h := encoded[:len(encoded)-size-1], encoded[len(encoded)-size-1:len(encoded)-1]
	unmask(p.mask.New(), masked, h)
	masked[0] &= 0xff >> (8*len(encoded) - bits)
	padding, salt := masked[:len(masked)-p.salt], masked[len(masked)-p.salt:]
	if len(bytes.TrimLeft(padding, "\x00")) != 1 || padding[len(padding)-1] != 1 {
		return false
	}
	digester := p.hash.New()
	digester.Write(make([]byte, 8))
	digester.Write(digest)
	digester.Write(salt)
	return bytes.Equal(digester.Sum(nil), h)
}

// unmask is out XOR MGF1(seed) (RFC 8017, appendix B.2.1).
func unmask(h hash.Hash, out, seed []byte) {
	var block []byte
	for counter := uint32(0); len(out) > 0; counter++ {
		h.Reset()
		h.Write(seed)
		h.Write(binary.BigEndian.AppendUint32(nil, counter))
		block = h.Sum(block[:0])
		n := min(len(block), len(out))
		for i := range n {
			out[i] ^= block[i]
		}
		out = out[n:]
	}
}
