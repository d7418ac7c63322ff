package certpath

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"slices"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/signature"
)

// child is a certificate that the search has reached, with what is known of
// who issued it.
type child struct {
	*node
	candidates []*node  // of its issuer's name, the best first
	signer     *node    // one whose key the signature is good for, once it is known
	others     []string // keys that it is not good for

	unverifiable *Error // why its signature proves nothing
	algorithm    signature.Algorithm
	digest       []byte // of what is signed; all of it for Ed25519
}

// child returns what is known of a certificate on the path.
func (s *search) child(n *node) *child {
	for _, c := range s.children {
		if c.node == n {
			return c
		}
	}
	c := &child{node: n, candidates: s.candidates(n), signer: n.signer.Load()}
	c.algorithm, c.unverifiable = checkAlgorithm(n.cert)
	s.children = append(s.children, c)
	return c
}

// candidates returns the certificates with the name of n's issuer (RFC 5280,
// section 7.1): those whose identifiers fit best first, among them those valid
// now, among them the configured ones. Identifiers only choose: none is left
// out for them (sections 4.2.1.1 and 4.2.1.2).
func (s *search) candidates(n *node) []*node {
	all := slices.Clip(s.t.bySubject[n.issuer]) // the trust is shared
	for _, p := range s.presented {
		if p.subject == n.issuer && p != n {
			all = append(all, p)
		}
	}
	if len(all) < 2 {
		return all
	}
	all = slices.Clone(all)
	fits := make(map[*node]int, len(all))
	for _, issuer := range all {
		fits[issuer] = 2 * identified(n, issuer)
		if checkDates(issuer.cert, s.now) == nil {
			fits[issuer]++
		}
	}
	slices.SortStableFunc(all, func(a, b *node) int { return cmp.Compare(fits[b], fits[a]) })
	return all
}

// identified says how well a candidate fits the authority key identifier. The
// key identifier counts before name and serial number, which are those of the
// issuer's own certificate and so of another one when that was renewed.
func identified(child, issuer *node) int {
	fit := 0
	if id := child.cert.AuthorityKeyId; id != nil && issuer.cert.SubjectKeyId != nil {
		fit = -2
		if bytes.Equal(id, issuer.cert.SubjectKeyId) {
			fit = 2
		}
	}
	if bytes.Equal(child.cert.AuthoritySerial, issuer.cert.Serial) && isNamed(child.cert.AuthorityIssuer, issuer.issuer) {
		fit++
	}
	return fit
}

// isNamed reports a directoryName among general names that compares like this.
func isNamed(generalNames []byte, key string) bool {
	names, _ := certificate.ParseGeneralNames(generalNames)
	return slices.ContainsFunc(names, func(n certificate.GeneralName) bool {
		return certificate.NameKey(n.Raw) == key // Raw is that of a directoryName, or no name
	})
}

// signed reports whether the issuer's key verifies c's signature. It checks a
// signature once for each key, not at all once the key was found that it is
// good for, since there is only one, and not beyond the budget. One RSA key may be in
// certificates for every scheme and for RSASSA-PSS alone: each of these is tried.
func (s *search) signed(c *child, issuer *node) bool {
	if c.signer != nil && (c.signer.key == issuer.key || !c.signer.sameModulus(issuer)) {
		return c.signer.sameKey(issuer)
	}
	if slices.Contains(c.others, issuer.key) || !s.afford(issuer.cost) {
		return false
	}
	if c.digest == nil {
		c.digest = c.algorithm.Digest(c.cert.RawTBSCertificate)
	}
	if c.algorithm.Verify(issuer.cert.PublicKey, c.digest, c.cert.Signature) == nil {
		c.signer = issuer
		if issuer.configured { // what is presented is not kept
			c.node.signer.Store(issuer)
		}
		return true
	}
	c.others = append(c.others, issuer.key)
	s.narrow(c, issuer)
	return false
}

// narrow comes after a candidate that was not the issuer: where others have a
// key on the same curve, it finds which of them the signature can be good for
// at all.
func (s *search) narrow(c *child, tried *node) {
	key, ok := tried.cert.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return
	}
	var same []*node
	for _, n := range c.candidates {
		if other, ok := n.cert.PublicKey.(*ecdsa.PublicKey); ok && other.Curve == key.Curve && !slices.Contains(c.others, n.key) {
			same = append(same, n)
		}
	}
	if cost := tried.cost * costRecover / 2; len(same) < costRecover || !s.afford(cost) {
		return
	}
	possible := recoverKeys(key.Curve, c.digest, c.cert.Signature)
	for _, n := range same {
		if !slices.Contains(possible, xOf(n.cert.PublicKey.(*ecdsa.PublicKey))) {
			c.others = append(c.others, n.key)
		}
	}
}
