// Package certpath finds and validates certification paths for clients (RFC
// 5280, section 6). Path building, signatures, validity, key usage and policies
// are crypto/x509's; what that leaves out or judges otherwise is done here:
//
//   - trust anchors are the self-signed certificates among those configured,
//     the others are intermediates unless partial chains are allowed;
//   - name constraints (section 4.2.1.10), with directoryName, and as strict
//     for hosts of e-mail addresses and URIs as the RFC;
//   - path length without counting self-issued certificates (section 6.1.4(l));
//   - a critical subject alternative name of directoryName or otherName alone;
//   - strength of keys, CA certificates in the place of a client's, and what
//     the client's key may be used for (section 4.2.1.3), an empty or unknown
//     list of usages not being none;
//   - the cost, which is bounded by time and not only by signature checks.
//
// Every check fails closed: what cannot be judged is refused. Nothing here
// reads a clock, and no certificate that is handed in is changed.
//
// Names of issuer and subject are chained byte for byte, as crypto/x509 does
// it: a CA that spells its name differently in the certificates it issues is
// not found, although section 7.1 would allow it.
package certpath

import (
	"crypto/x509"

	"mtls-auth/mtlsauth/internal/certname"
)

// Path is a validated certification path.
type Path struct {
	// Certificates holds the path, leaf first and trust anchor last; RFC 5280
	// counts the other way round. They are those handed in, not copies, and a
	// leaf that is itself a trust anchor stands alone.
	Certificates []*x509.Certificate

	constrained bool
	kinds       kindSet
}

// Constrained reports whether a certificate above the leaf carries name
// constraints, whatever they say.
func (p Path) Constrained() bool { return p.constrained }

// Constrains reports whether every certificate of the path that carries name
// constraints has permitted subtrees for this kind of name (DNS, Email, URI,
// IP, DirectoryName), none of which permits everything. Only such names are
// believed on a constrained path: excluded subtrees leave everything else to
// the CA's choice, and a CA that is constrained in other kinds alone could
// grant itself permission for this one in a certificate that it issues.
//
// On a path without name constraints it reports false.
func (p Path) Constrains(kind certname.Kind) bool {
	return p.constrained && p.kinds.has(kind)
}

// kindSet is a set of general name kinds.
type kindSet uint16

func (s kindSet) has(kind certname.Kind) bool { return s&(1<<kind) != 0 }

func (s *kindSet) add(kind certname.Kind) { *s |= 1 << kind }
