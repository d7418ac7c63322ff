package certpath

import (
	"net/netip"
	"net/url"
	"strings"

	"mtls-auth/mtlsauth/internal/certificate"
)

// constrainedName is a name that name constraints apply to, prepared for comparison.
type constrainedName struct {
	kind     certificate.Kind
	valid    bool    // whether it is well-formed enough to be compared
	host     string  // DNS, Email and URI: lower case
	absolute bool    // DNS: written with a dot at its end
	mailbox  mailbox // Email
	address  []byte  // IP
	dn       certificate.DN
}

// constrainedNames reads the subject, if not empty, the subject alternative name
// and emailAddress in the subject. Section 4.2.1.10 of RFC 5280 asks for that
// where there is no subject alternative name; OpenSSL always does it.
func constrainedNames(cert *certificate.Certificate) ([]constrainedName, error) {
	var out []constrainedName
	sans, _, err := cert.SubjectAltNames()
	if err != nil {
		return nil, err
	}
	for _, san := range sans {
		out = append(out, newConstrainedName(san))
	}
	attributes, _ := certificate.ParseName(cert.RawSubject)
	if len(attributes) > 0 {
		dn, _ := certificate.ParseDN(cert.RawSubject)
		out = append(out, constrainedName{kind: certificate.DirectoryName, valid: true, dn: dn})
	}
	for _, a := range attributes {
		if a.Type == certificate.TypeEmailAddress {
			out = append(out, newConstrainedName(certificate.GeneralName{Kind: certificate.Email, Value: a.Value, Undecodable: !a.Text}))
		}
	}
	return out, nil
}

func newConstrainedName(name certificate.GeneralName) constrainedName {
	out := constrainedName{kind: name.Kind}
	if name.Kind == certificate.UPN {
		out.kind = certificate.OtherName
	}
	if name.Undecodable {
		return out
	}
	switch name.Kind {
	case certificate.DNS:
		out.host, out.absolute = strings.CutSuffix(lowerASCII(name.Value), ".")
		out.valid = validDomain(out.host)
	case certificate.Email:
		out.mailbox, out.valid = parseMailbox(name.Value)
		out.host = out.mailbox.domain
	case certificate.URI:
		out.host, out.valid = uriHost(name.Value)
	case certificate.IP:
		out.address, out.valid = name.Raw, true
	case certificate.DirectoryName:
		out.dn, out.valid = certificate.ParseDN(name.Raw)
	}
	return out
}

// mailbox is an e-mail address (RFC 5321, section 4.1.2): the local part as it
// is meant, without quotes, and the domain in lower case.
type mailbox struct{ local, domain string }

// parseMailbox reports false for what is not an address. The domain cannot hold an
// "@", so the last one separates.
func parseMailbox(s string) (mailbox, bool) {
	at := strings.LastIndexByte(s, '@')
	if at < 1 {
		return mailbox{}, false
	}
	local, domain := s[:at], lowerASCII(s[at+1:])
	if !validDomain(domain) {
		return mailbox{}, false
	}
	if inner, quoted := strings.CutPrefix(local, `"`); quoted {
		local, ok := unquote(inner)
		return mailbox{local, domain}, ok
	}
	if strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, "..") {
		return mailbox{}, false
	}
	special := func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),:;<>@[\]`, r) }
	return mailbox{local, domain}, !strings.ContainsFunc(local, special)
}

// unquote reads a quoted string behind its first quote.
func unquote(s string) (string, bool) {
	var out []byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return string(out), i == len(s)-1
		case c == '\\' && i+1 < len(s):
			i++
		}
		if s[i] < ' ' || s[i] >= 0x7f {
			return "", false
		}
		out = append(out, s[i])
	}
	return "", false
}

// uriHost returns the host of a URI in lower case. It reports false where there
// is none or it is an address: constraints apply to names, and section 4.2.1.10
// has such a URI rejected where URIs are constrained.
func uriHost(s string) (string, bool) {
	u, err := url.Parse(s)
	if err != nil {
		return "", false
	}
	host := lowerASCII(u.Hostname())
	if _, err := netip.ParseAddr(host); err == nil {
		return "", false
	}
	return host, validDomain(host)
}

// validDomain reports a dotted sequence of labels that are not empty, of
// printable ASCII. An underscore or "*" is in use in names and does no harm; a
// constraint may hold no "*" (newSubtree).
func validDomain(s string) bool {
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '@' })
}

// lowerASCII is ASCII only: domain names are compared octet by octet otherwise
// (RFC 4343).
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
