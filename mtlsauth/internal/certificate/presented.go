package certificate

import (
	"bytes"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"mtls-auth/mtlsauth/internal/signature"
)

const (
	// maxPEM bounds the PEM of the leaf and, apart from it, of the chain, in
	// bytes. nginx and OpenSSL take a certificate message of up to 100 KiB by
	// default; certificates in use are below 10 KiB.
	maxPEM = 64 << 10

	// maxChain bounds how many certificates of the chain are read. Paths in use
	// have up to four.
	maxChain = 10
)

// UnreadableError is the error of ParseLeaf for what is a PEM block of a
// certificate and cannot be read.
type UnreadableError struct {
	Fingerprint [sha256.Size]byte // SHA-256 of the block's content
	Err         error
}

func (e *UnreadableError) Error() string { return "reading the client's certificate: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *UnreadableError) Unwrap() error { return e.Err }

// errNoBlock also covers text around the block: what is not understood is not
// passed over when it comes to the leaf.
var errNoBlock = errors.New("not exactly one PEM certificate")

// ParseLeaf reads the client's own certificate from text, the value of nginx's
// $ssl_client_raw_cert: one PEM block of a certificate without headers, white
// space around it allowed, at most 64 KiB. Anything else is an error, and then
// there is no certificate: it fails closed. Where the block could be decoded,
// the error is an *UnreadableError.
func ParseLeaf(text []byte) (*Certificate, error) {
	if len(text) > maxPEM {
		return nil, fmt.Errorf("the client's certificate has %d bytes of PEM, at most %d are read", len(text), maxPEM)
	}
	der, ok := onlyBlock(bytes.TrimSpace(text))
	if !ok {
		return nil, errNoBlock
	}
	cert, err := Parse(der)
	if err != nil {
		return nil, &UnreadableError{sha256.Sum256(der), err}
	}
	return cert, nil
}

// onlyBlock decodes text that is one block with a certificate and nothing else.
func onlyBlock(text []byte) ([]byte, bool) {
	if der, rest, ok := decodePlain(text); ok && len(rest) == 0 {
		return der, true
	}
	// pem.Decode passes over what comes before a block, and over blocks that
	// are broken.
	if !bytes.HasPrefix(text, []byte(pemBegin)) || bytes.Contains(text[len(pemBegin):], []byte(pemBegin)) {
		return nil, false
	}
	block, rest := pem.Decode(text)
	if len(rest) > 0 {
		return nil, false
	}
	return InBlock(block)
}

// ParseChain reads what the client sent above its leaf: PEM with the leaf first
// or without it. The chain is a bag of untrusted certificates in the order they
// came in, the leaf not among them.
//
// At most 10 certificates and 64 KiB of PEM are read, one copy of the leaf not
// counted; what lies beyond is as if not sent, and so is a certificate that
// cannot be read or has an RSA key over 8192 bits. None of that is an error:
// less to build a path with can only refuse. leftOut is how many certificates
// that was, for the log. The time it takes is linear in the text.
//
// Certificates that no chain of names leads to from the leaf are read as well: a
// configured certificate, unknown here, may stand between.
func ParseChain(text []byte, leaf *Certificate) (chain []*Certificate, leftOut int) {
	// Beyond the chain's own bound the text may hold the leaf, no larger.
	rest := text[:min(len(text), 2*maxPEM)]
	budget, read, used := maxPEM, 0, 0
	var leafSeen bool
	for read < maxChain {
		before := len(rest)
		var block *pem.Block
		if block, rest = DecodePEM(rest); block == nil {
			break
		}
		der, ok := InBlock(block)
		isLeaf := leaf != nil && bytes.Equal(der, leaf.Raw)
		if isLeaf && !leafSeen {
			leafSeen = true
			used++
			continue
		}
		if budget -= before - len(rest); budget < 0 {
			break
		}
		if !ok {
			used++
			continue
		}
		read++
		if isLeaf || slices.ContainsFunc(chain, func(seen *Certificate) bool { return bytes.Equal(der, seen.Raw) }) {
			used++
		} else if cert := parseIntermediate(der); cert != nil {
			used++
			chain = append(chain, cert)
		}
	}
	return chain, bytes.Count(text, []byte(pemBegin)) - used
}

// parseIntermediate returns nil for what is left out. The cost of checking a
// signature grows with the square of an RSA key, and no CA uses larger ones than
// MaxRSABits.
func parseIntermediate(der []byte) *Certificate {
	cert, err := Parse(der)
	if err != nil {
		return nil
	}
	if key, ok := signature.RSA(cert.PublicKey); ok && key.N.BitLen() > signature.MaxRSABits {
		return nil
	}
	return cert
}
