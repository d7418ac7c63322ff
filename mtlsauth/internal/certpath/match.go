package certpath

import (
	"strings"

	"mtls-auth/mtlsauth/internal/certificate"
)

// permits reports whether a comparable name of the subtree's kind lies within
// it, read narrowly.
func (s *subtree) permits(n *subjectName) bool {
	switch s.kind {
	case certificate.DNS:
		return s.domain == "" || !n.absolute && s.holdsDNS(n.host)
	case certificate.Email:
		if s.mailbox != nil {
			return *s.mailbox == n.mailbox
		}
		return s.holdsHost(n.host)
	case certificate.URI:
		return s.holdsHost(n.host)
	case certificate.IP:
		return s.holdsAddress(n.address)
	case certificate.DirectoryName:
		return s.dn.Permits(n.dn)
	}
	return false
}

// excludes reports whether a comparable name of the subtree's kind may lie
// within it, read widely: in doubt it does.
func (s *subtree) excludes(n *subjectName) bool {
	switch s.kind {
	case certificate.DNS:
		return s.holdsDNS(n.host) || s.overlapsWildcard(n.host)
	case certificate.Email:
		if s.mailbox != nil {
			// Local parts are case-sensitive by the letter, and nowhere else.
			return s.mailbox.domain == n.mailbox.domain && strings.EqualFold(s.mailbox.local, n.mailbox.local)
		}
		return s.holdsHost(n.host)
	case certificate.DirectoryName:
		return s.dn.Excludes(n.dn)
	}
	return s.permits(n)
}

// holdsDNS is section 4.2.1.10 for dNSName: the domain and all below it. With a
// leading dot, which the RFC does not define here and CAs use, only what is
// below it.
func (s *subtree) holdsDNS(host string) bool {
	if s.domain == "" || host == s.domain {
		return true
	}
	if strings.HasPrefix(s.domain, ".") {
		return strings.HasSuffix(host, s.domain)
	}
	return strings.HasSuffix(host, "."+s.domain)
}

// overlapsWildcard reports whether a wildcard in the first label covers a name
// in the subtree that is not below the wildcard's own domain: *.example.com
// covers an excluded a.example.com.
func (s *subtree) overlapsWildcard(host string) bool {
	first, parent, ok := strings.Cut(host, ".")
	if !ok || !strings.Contains(first, "*") {
		return false
	}
	_, domainParent, ok := strings.Cut(s.domain, ".")
	return ok && domainParent == parent
}

// holdsHost is section 4.2.1.10 for the host of an e-mail address or URI: with
// a leading dot all hosts below the domain, without one this host alone.
func (s *subtree) holdsHost(host string) bool {
	if strings.HasPrefix(s.domain, ".") {
		return strings.HasSuffix(host, s.domain)
	}
	return s.domain == "" || host == s.domain
}

// holdsAddress compares under the mask; the two versions of IP never meet.
func (s *subtree) holdsAddress(address []byte) bool {
	if len(s.network) != 2*len(address) {
		return false
	}
	base, mask := s.network[:len(address)], s.network[len(address):]
	for i := range address {
		if (address[i]^base[i])&mask[i] != 0 {
			return false
		}
	}
	return true
}
