package certpath

import "mtls-auth/mtlsauth/internal/certificate"

// TrustOptions says what is trusted beyond the default.
type TrustOptions struct {
	// AllowPartialChain makes a path end at any of the configured
	// certificates. Without it a path ends at a self-signed one.
	AllowPartialChain bool

	// MinRSABits is the least size of an RSA key anywhere on a path; 0 means
	// 2048.
	MinRSABits int
}

// Trust is a set of configured CA certificates, prepared for validation. It
// does not change and may be used by several goroutines. The zero value trusts
// no certificate.
type Trust struct {
	minRSABits int
	size       int // number of configured certificates, copies included
	byRaw      map[string]*node
	bySubject  map[string][]*node
}

// NewTrust sorts the configured CA certificates: those that are self-signed
// (issuer is subject and, where the algorithm can be verified, their own key
// verifies them) are trust anchors, the others are intermediates, and anchors
// as well with AllowPartialChain. One that is not a CA certificate, or whose key
// is weak, is neither: no path leads to it. A self-signed certificate's signature
// is not judged otherwise, and verified once in the life of the process. Expired
// ones are refused when they are used.
func NewTrust(cas []*certificate.Certificate, o TrustOptions) *Trust {
	t := &Trust{
		minRSABits: o.MinRSABits,
		size:       len(cas),
		byRaw:      make(map[string]*node, len(cas)),
		bySubject:  make(map[string][]*node, len(cas)),
	}
	for i, cert := range cas {
		if cert == nil || len(cert.Raw) == 0 || t.byRaw[string(cert.Raw)] != nil {
			continue
		}
		n := newNode(cert, i)
		n.configured = true
		t.byRaw[string(cert.Raw)] = n
		t.bySubject[n.subject] = append(t.bySubject[n.subject], n)
		// The key is judged first, so that nothing is verified with one of
		// boundless size.
		if n.judge(t.minRSABits); n.weak == nil && cert.IsCA {
			self := n.isSelfSigned()
			n.anchor = self || o.AllowPartialChain
			n.intermediate = !self
		}
	}
	return t
}

// Configured reports whether a certificate is among the configured ones, byte
// for byte.
func (t *Trust) Configured(cert *certificate.Certificate) bool {
	return t != nil && t.byRaw[string(cert.Raw)] != nil
}

// IsAnchor reports whether a path may end at a configured certificate.
func (t *Trust) IsAnchor(cert *certificate.Certificate) bool { return t.anchorOf(cert) != nil }

// anchorOf returns the trust anchor with exactly these bytes, nil if there is
// none.
func (t *Trust) anchorOf(cert *certificate.Certificate) *node {
	if n := t.byRaw[string(cert.Raw)]; n != nil && n.anchor {
		return n
	}
	return nil
}
