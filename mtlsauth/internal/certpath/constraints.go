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
}

var errMalformedConstraints = errors.New("malformed name constraints")

// parseNameConstraints reads the extension; nil without an error where the
// certificate has none. Whether it is marked critical makes no difference: it
// is obeyed. Anything that is not understood is an error, and the certificate
// can then not be part of a path. The distances must be those that section
// 4.2.1.10 prescribes: minimum zero, maximum absent.
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
		var minimum cryptobyte.String
		var present bool
		if !fields.ReadOptionalASN1(&minimum, &present, asn1.Tag(0).ContextSpecific()) ||
			present && !slices.Equal(minimum, []byte{0}) || !fields.Empty() {
			return nil, errMalformedConstraints
		}
		tree, ok := newSubtree(base)
		if !ok {
			return nil, errMalformedConstraints
		}
		out = append(out, tree)
	}
	return out, nil
}

func newSubtree(base certname.Name) (subtree, bool) {
	tree := subtree{kind: base.Kind}
	switch base.Kind {
	case certname.DNS, certname.URI, certname.Email:
		if base.Undecodable {
			return subtree{}, false
		}
		if base.Kind == certname.Email && strings.Contains(base.Value, "@") {
			box, ok := parseMailbox(base.Value)
			tree.mailbox = &box
			return tree, ok && !strings.Contains(box.domain, "*")
		}
		tree.domain = lowerASCII(base.Value)
		// A constraint is no pattern: section 4.2.1.10 knows no "*", and what
		// is meant by one may be more than the names that it would match.
		return tree, tree.domain == "" || validDomain(strings.TrimPrefix(tree.domain, ".")) && !strings.Contains(tree.domain, "*")
	case certname.IP:
		tree.network = base.Raw
		return tree, len(base.Raw) == 8 || len(base.Raw) == 32
	case certname.DirectoryName:
		if base.Undecodable {
			return subtree{}, false
		}
		var err error
		tree.dn, err = parseDN(base.Raw)
		return tree, err == nil
	case certname.Unknown:
		return subtree{}, false
	case certname.UPN:
		tree.kind = certname.OtherName
	}
	// A form that cannot be compared: whoever has a name of it is refused
	// (section 4.2.1.10: process the constraint or reject the certificate).
	return tree, true
}

// everything reports a base that all names of its kind lie below.
func (s *subtree) everything() bool {
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
