package certpath

import (
	"crypto/x509"
	"errors"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certname"
)

// nameConstraints is the extension of RFC 5280, section 4.2.1.10.
type nameConstraints struct {
	permitted, excluded []subtree
}

// subtree is the base of one GeneralSubtree, prepared for its kind.
type subtree struct {
	kind    certname.Kind
	domain  string   // DNS, Email and URI: lower case, "" for all
	mailbox *mailbox // Email: one address instead of a domain
	network []byte   // IP: address and mask
	dn      []rdn    // DirectoryName

	// unreadable is a base that cannot be compared. No name of its kind passes
	// then: section 4.2.1.10 has a constraint processed or the certificate
	// rejected.
	unreadable bool
}

var errMalformedConstraints = errors.New("malformed name constraints")

// parseNameConstraints reads the extension; nil without an error where the
// certificate has none. Whether it is marked critical makes no difference: it
// is obeyed. Where its structure is broken, the certificate cannot be part of a
// path. A subtree whose base cannot be read, or whose distances are not those
// that section 4.2.1.10 prescribes (minimum zero, maximum absent), refuses all
// names of its kind.
func parseNameConstraints(cert *x509.Certificate) (*nameConstraints, error) {
	found := extension(cert, oidNameConstraints)
	if found == nil {
		return nil, nil
	}
	input := cryptobyte.String(found.Value)
	var list, permitted, excluded cryptobyte.String
	var havePermitted, haveExcluded bool
	if !input.ReadASN1(&list, asn1.SEQUENCE) || !input.Empty() ||
		!list.ReadOptionalASN1(&permitted, &havePermitted, asn1.Tag(0).ContextSpecific().Constructed()) ||
		!list.ReadOptionalASN1(&excluded, &haveExcluded, asn1.Tag(1).ContextSpecific().Constructed()) ||
		!list.Empty() || permitted.Empty() && excluded.Empty() {
		return nil, errMalformedConstraints
	}
	var out nameConstraints
	var err error
	if out.permitted, err = parseSubtrees(permitted); err != nil {
		return nil, err
	}
	if out.excluded, err = parseSubtrees(excluded); err != nil {
		return nil, err
	}
	return &out, nil
}

func parseSubtrees(list cryptobyte.String) ([]subtree, error) {
	var out []subtree
	for !list.Empty() {
		var fields cryptobyte.String
		if !list.ReadASN1(&fields, asn1.SEQUENCE) {
			return nil, errMalformedConstraints
		}
		base, ok := certname.ReadGeneralName(&fields)
		if !ok {
			return nil, errMalformedConstraints
		}
		// A minimum of zero is the default and so not encoded in DER; written
		// out it means the same.
		tree := newSubtree(base)
		if !fields.Empty() && string(fields) != "\x80\x01\x00" {
			tree.unreadable = true
		}
		out = append(out, tree)
	}
	return out, nil
}

func newSubtree(base certname.Name) subtree {
	tree := subtree{kind: base.Kind, unreadable: base.Undecodable}
	switch base.Kind {
	case certname.DNS, certname.URI, certname.Email:
		value := base.Value
		if at := strings.IndexByte(value, '@'); base.Kind == certname.Email && at > 0 {
			box, ok := parseMailbox(value)
			tree.mailbox = &box
			tree.unreadable = tree.unreadable || !ok || strings.Contains(box.domain, "*")
			return tree
		} else if at == 0 {
			value = value[1:] // "@host" is all mailboxes of the host
		}
		tree.domain = lowerASCII(value)
		// A constraint is no pattern: section 4.2.1.10 knows no "*", and what
		// is meant by one may be more than the names that it would match.
		tree.unreadable = tree.unreadable || strings.Contains(tree.domain, "*") ||
			tree.domain != "" && !validDomain(strings.TrimPrefix(tree.domain, "."))
	case certname.IP:
		tree.network = base.Raw
		tree.unreadable = len(base.Raw) != 8 && len(base.Raw) != 32
	case certname.DirectoryName:
		dn, err := parseDN(base.Raw)
		tree.dn = dn
		tree.unreadable = tree.unreadable || err != nil
	case certname.UPN:
		tree.kind = certname.OtherName
	}
	return tree
}

// everything reports a base that all names of its kind lie below.
func (s *subtree) everything() bool {
	if s.unreadable {
		return false
	}
	switch s.kind {
	case certname.DNS, certname.URI, certname.Email:
		return s.domain == "" && s.mailbox == nil
	case certname.IP:
		mask := s.network[len(s.network)/2:]
		return !slices.ContainsFunc(mask, func(b byte) bool { return b != 0 })
	case certname.DirectoryName:
		return len(s.dn) == 0
	}
	return false
}

// permittedKinds returns the kinds of name that the certificate's permitted
// subtrees confine, without those in which one permits everything.
func (c *nameConstraints) permittedKinds() kindSet {
	var some, all kindSet
	for i := range c.permitted {
		tree := &c.permitted[i]
		switch tree.kind {
		case certname.DNS, certname.URI, certname.Email, certname.IP, certname.DirectoryName:
			some.add(tree.kind)
			if tree.everything() {
				all.add(tree.kind)
			}
		}
	}
	return some &^ all
}
