package authn

import (
	"strings"
	"unicode"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/spiffe"
)

// groups returns what of the leaf becomes an authenticated group: its only
// common name, or its whole distinguished name. It fails closed, to no group:
// a group authorizes requests, so a name must be one that the path's authorities
// could vouch for. Where a path has name constraints, a subject counts only
// when directoryName was among what they constrain (RFC 5280, section
// 4.2.1.10): an authority confined to DNS names says nothing about subjects. Where SPIFFE
// IDs are asked for, the ID is the group: subjects mean nothing there (X509-SVID,
// section 3.1), and any trust domain's CA can write any.
func (p *Policy) groups(path certpath.Path, d *Decision) []string {
	group := p.group(path)
	if group == "" {
		return nil
	}
	if len(group) > maxHeader { // acl makes a header of it
		d.note("authenticated group left out: %d bytes, at most %d are sent", len(group), maxHeader)
		return nil
	}
	return []string{group}
}

func (p *Policy) group(path certpath.Path) string {
	believes := p.believed(path)
	if p.options.GroupBy != GroupByNone && len(p.options.TrustDomains) > 0 && believes(certificate.URI) {
		id, _ := spiffe.IDOf(path.Certificates[0]) // it was one
		return id.String()
	}
	if p.options.GroupBy == GroupByNone || believes != nil && !believes(certificate.DirectoryName) {
		return ""
	}
	attributes, _ := certificate.ParseName(path.Certificates[0].RawSubject)
	if len(attributes) == 0 {
		return ""
	}
	if p.options.GroupBy == GroupByDN {
		for _, a := range attributes {
			if hasControl(a.Value) {
				return ""
			}
		}
		return certificate.String(attributes)
	}
	var name *certificate.Attribute
	for i, a := range attributes {
		if a.Type != certificate.TypeCommonName {
			continue
		}
		if name != nil {
			return "" // two common names: it is unknown which is meant
		}
		name = &attributes[i]
	}
	if name == nil || !name.Text || name.Value == "" || hasControl(name.Value) {
		return ""
	}
	return name.Value
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, unicode.IsControl)
}
