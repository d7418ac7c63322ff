// Package clientcert reads the certificates that a client presented: the leaf
// as nginx hands it over, and the certificates that came with it (RFC 8446,
// section 4.4.2), both as PEM (RFC 7468, section 5).
//
// It parses and bounds, it trusts nothing: what it returns is for path
// validation to judge.
package clientcert

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
)

const (
	// maxPEM bounds the PEM of the leaf and, apart from it, of the chain, in
	// bytes. nginx and OpenSSL take a certificate message of up to 100 KiB by
	// default; certificates in use are below 10 KiB.
	maxPEM = 64 << 10

	// maxChain bounds how many certificates of the chain are looked at. Paths
	// in use have up to four.
	maxChain = 10

	// maxRSABits bounds the key of an intermediate: the cost of checking a
	// signature grows with the square of it, and no CA uses larger ones. Path
	// validation and the store of CA certificates have the same bound each for
	// themselves: none of the three relies on another having asked.
	maxRSABits = 8192
)

// errNoBlock also covers text around the block: what is not understood is not
// passed over when it comes to the leaf.
var errNoBlock = errors.New("not exactly one PEM certificate")

// ParseLeaf reads the client's own certificate from text, the value of nginx's
// $ssl_client_raw_cert: one CERTIFICATE block without headers, white space
// around it allowed, at most 64 KiB. Anything else is an error, and then there
// is no certificate: it fails closed. A certificate that is too much to parse
// is one that wraps ErrTooCostly.
func ParseLeaf(text []byte) (*x509.Certificate, error) {
	if len(text) > maxPEM {
		return nil, fmt.Errorf("client certificate has %d bytes of PEM, at most %d are read", len(text), maxPEM)
	}
	der, err := onlyBlock(bytes.TrimSpace(text))
	if err != nil {
		return nil, err
	}
	// An element has two bytes at the least.
	if len(der) > 2*maxElements {
		if c := (counter{maxElements}); !c.fits(der, 0) {
			return nil, fmt.Errorf("parsing client certificate: %w", ErrTooCostly)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parsing client certificate: %w", err)
	}
	return cert, nil
}

// onlyBlock decodes text that is one CERTIFICATE block and nothing else.
func onlyBlock(text []byte) ([]byte, error) {
	if der, rest, ok := decodePlain(text); ok && len(rest) == 0 {
		return der, nil
	}
	// pem.Decode passes over what comes before a block, and over blocks that
	// are broken.
	if !bytes.HasPrefix(text, []byte(pemBegin)) || bytes.Contains(text[len(pemBegin):], []byte(pemBegin)) {
		return nil, errNoBlock
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != pemType || len(block.Headers) > 0 || len(rest) > 0 {
		return nil, errNoBlock
	}
	return block.Bytes, nil
}

// ParseChain reads what the client sent above its leaf: PEM with the leaf
// first or without it. The result is a bag of untrusted certificates in the
// order they came in, the leaf not among them.
//
// At most 10 certificates and 64 KiB of PEM are looked at, one copy of the leaf
// not counted; what lies beyond is as if not sent, and so is a certificate that
// does not parse, comes twice, or has an RSA key over 8192 bits, or more DER
// elements than those before it leave of 4,096. None of that is an error: less
// to build a path with can only refuse. The time it takes is linear in the 64
// KiB, and bounded for what is parsed.
//
// Certificates that no chain of names leads to from the leaf are parsed as well:
// a configured certificate, unknown here, may stand between.
func ParseChain(text []byte, leaf *x509.Certificate) []*x509.Certificate {
	if len(text) == 0 {
		return nil
	}
	// Beyond the chain's own bound the text may hold the leaf, no larger.
	rest := text[:min(len(text), 2*maxPEM)]
	budget := maxPEM
	elements := counter{maxElements}
	// DER is shorter than its PEM, and an element has two bytes at the least.
	bounded := len(rest) <= 2*maxElements
	var chain []*x509.Certificate
	var leafSeen bool
	for looked := 0; looked < maxChain; {
		before := len(rest)
		var block *pem.Block
		block, rest = decode(rest)
		if block == nil {
			break
		}
		isCertificate := block.Type == pemType && len(block.Headers) == 0
		if isCertificate && !leafSeen && leaf != nil && bytes.Equal(block.Bytes, leaf.Raw) {
			leafSeen = true
			continue
		}
		if budget -= before - len(rest); budget < 0 {
			break
		}
		if !isCertificate {
			continue
		}
		looked++
		if isCopy(block.Bytes, leaf, chain) {
			continue
		}
		if left := elements.left; !bounded && !elements.fits(block.Bytes, 0) {
			elements.left = left
			continue
		}
		if cert := parseIntermediate(block.Bytes); cert != nil {
			chain = append(chain, cert)
		}
	}
	return chain
}

func isCopy(der []byte, leaf *x509.Certificate, chain []*x509.Certificate) bool {
	if leaf != nil && bytes.Equal(der, leaf.Raw) {
		return true
	}
	return slices.ContainsFunc(chain, func(seen *x509.Certificate) bool { return bytes.Equal(der, seen.Raw) })
}

// parseIntermediate returns nil for what is left out.
func parseIntermediate(der []byte) *x509.Certificate {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSABits {
		return nil
	}
	return cert
}
