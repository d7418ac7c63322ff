//go:build !race

package certpath_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
)

// class is a way in which we judge otherwise than OpenSSL on purpose.
type class struct {
	reason   string
	explains func(testing.TB, oracle, difference) bool
}

// refusedFor is a class of what we refuse and OpenSSL accepts.
func refusedFor(reason string, kind certpath.Kind, text string) class {
	return class{reason, func(_ testing.TB, _ oracle, d difference) bool { return d.refused(kind, text) }}
}

// acceptedBut is a class of what we accept and OpenSSL refuses with one of
// these codes.
func acceptedBut(reason string, also func(difference) bool, codes ...int) class {
	return class{reason, func(_ testing.TB, _ oracle, d difference) bool {
		return d.ours.err == nil && slices.Contains(codes, d.theirs.code) && also(d)
	}}
}

// Codes of OpenSSL's (x509_vfy.h).
const (
	signatureFailure   = 7
	notBeforeFormat    = 13
	selfSigned         = 18
	selfSignedInChain  = 19
	noLocalIssuer      = 20
	invalidPurpose     = 26
	proxyCertificate   = 40
	permittedViolation = 47
	excludedViolation  = 48
	invalidNameSyntax  = 53
)

var classes = []class{
	refusedFor("weak or unsupported keys and signature algorithms (contract)", certpath.WeakAlgorithm, ""),
	refusedFor("a CA certificate as a client's that is not a configured trust anchor (contract)", certpath.WrongUsage, "a CA certificate that is not"),
	refusedFor("an explicit policy is required, and the path has none: OpenSSL asks with -policy_check only (RFC 5280, section 6.1)", certpath.Constraint, "no valid certificate policy"),
	refusedFor("extensions in a certificate that is not of version 3 (RFC 5280, section 4.1.2.9): what they restrict is unclear", certpath.Constraint, "not of version 3"),
	refusedFor("basicConstraints have to say CA:TRUE: OpenSSL takes roots of version 1, and key usage in its place (RFC 5280, section 6.1.4(k))", certpath.Constraint, "not a CA certificate"),
	refusedFor("a name that cannot be compared with constraints of its kind (RFC 5280, section 4.2.1.10: process or reject)", certpath.Constraint, "cannot be compared"),
	refusedFor("a name constraint that cannot be read refuses names of its kind (contract)", certpath.Constraint, "constraint cannot be read"),
	refusedFor("excluded subtrees are read widely: wildcards, the case of local parts, nothing for everything", certpath.Constraint, "in an excluded subtree"),
	refusedFor("a critical extension of which a part cannot be read, or that is not processed here (RFC 5280, section 4.2)", certpath.Constraint, "critical"),
	{"of more than ten certificates presented the first ten count (contract)", func(_ testing.TB, _ oracle, d difference) bool {
		return d.ours.err != nil && len(d.presented) > 10
	}},
	acceptedBut("anyExtendedKeyUsage counts (RFC 5280, section 4.2.1.12; contract)", func(d difference) bool {
		return slices.ContainsFunc(d.used(), func(der []byte) bool { return bytes.Contains(der, oid("2.5.29.37.0")) })
	}, invalidPurpose),
	acceptedBut("a self-issued certificate is not taken for a self-signed one", func(d difference) bool {
		return slices.ContainsFunc(d.ours.paths, func(p certpath.Path) bool {
			return slices.ContainsFunc(p.Certificates[:len(p.Certificates)-1], func(c *certificate.Certificate) bool {
				return certificate.NameKey(c.RawSubject) == certificate.NameKey(c.RawIssuer)
			})
		})
	}, signatureFailure, selfSigned, selfSignedInChain),
	acceptedBut("emailAddress in a subject is compared whatever its string type", always, invalidNameSyntax),
	acceptedBut("a CN that could be a host is not a DNS name: under name constraints names are not taken from it (contract)", func(d difference) bool {
		return slices.ContainsFunc(d.used(), func(der []byte) bool { return bytes.Contains(der, oid("2.5.4.3")) }) && !strings.Contains(d.name, "permitted email") && !strings.Contains(d.name, "permitted uri")
	}, permittedViolation, excludedViolation),
	{"OpenSSL cannot read it, so that there is no handshake with it, and Kong stores no such CA", func(_ testing.TB, _ oracle, d difference) bool {
		return d.ours.err == nil && d.theirs.odd >= 2
	}},
	{"OpenSSL cannot decode a part that is not critical, and that validation does not need", func(_ testing.TB, _ oracle, d difference) bool {
		return d.ours.err == nil && d.theirs.odd == 1 && !strings.Contains(d.name, "critical true")
	}},
	acceptedBut("an authority key identifier chooses an issuer and refuses none (RFC 5280, section 4.2.1.1; contract)", func(d difference) bool {
		return slices.ContainsFunc(d.ours.paths, func(p certpath.Path) bool {
			for i, c := range p.Certificates[:len(p.Certificates)-1] {
				up := p.Certificates[i+1]
				if c.AuthorityKeyId != nil && up.SubjectKeyId != nil && !bytes.Equal(c.AuthorityKeyId, up.SubjectKeyId) || c.Extension(certificate.OIDAuthorityKeyID) != nil && (c.AuthorityKeyId == nil || c.AuthorityIssuer != nil) {
					return true
				}
			}
			return selfMisidentified(p.Certificates[len(p.Certificates)-1])
		})
	}, noLocalIssuer, selfSignedInChain),
	acceptedBut("times with an offset or without seconds are read (RFC 5280, section 4.1.2.5, forbids issuing them)", always, notBeforeFormat),
	acceptedBut("nothing as a constraint for mailboxes or URIs holds every name, as it does for DNS names", func(d difference) bool {
		return strings.Contains(d.name, "permitted email all") || strings.Contains(d.name, "permitted uri all")
	}, permittedViolation),
	acceptedBut("quotes around a local part are not part of it (RFC 5321, section 4.1.2)", func(d difference) bool {
		return strings.Contains(d.name, "email quoted")
	}, permittedViolation),
	{"a configured certificate that is not a CA's is not a trust anchor, even for itself: Kong stores none such", func(_ testing.TB, _ oracle, d difference) bool {
		return d.ours.err != nil && slices.ContainsFunc(d.configured, func(ca []byte) bool { return bytes.Equal(ca, d.leaf) })
	}},
	acceptedBut("case does not count beyond ASCII either (RFC 5280, section 7.1)", func(d difference) bool { return strings.Contains(d.name, "umlaut") }, noLocalIssuer),
	acceptedBut("a configured trust anchor is its own client (contract)", func(d difference) bool {
		return slices.ContainsFunc(d.configured, func(ca []byte) bool { return bytes.Equal(ca, d.leaf) })
	}, invalidPurpose),
	{"BER lengths, data after an element and empty name constraints are not read (contract; RFC 5280, section 4.2.1.10)", func(_ testing.TB, _ oracle, d difference) bool {
		return d.ours.err != nil && (d.notRead("malformed extension", "malformed subject", "malformed issuer", "malformed serial number") ||
			slices.ContainsFunc(d.certificates(), func(der []byte) bool { return !isDER(der) }) ||
			strings.HasSuffix(d.name, "long form of the length, critical false, client") || d.refused(certpath.Constraint, "malformed name constraints"))
	}},
	{"an extension that comes twice could be read in two ways (contract; RFC 5280, section 4.2)", func(_ testing.TB, _ oracle, d difference) bool {
		return d.ours.err != nil && d.notRead("comes twice")
	}},
	acceptedBut("certificates of RFC 3820 are issued by clients, which issue nothing here: the extension says nothing", func(d difference) bool {
		return slices.ContainsFunc(d.used(), func(der []byte) bool { return bytes.Contains(der, oid("1.3.6.1.5.5.7.1.14")) })
	}, proxyCertificate),
	{"OpenSSL does not go back to another issuer of the name: given our path alone, it accepts it", func(t testing.TB, o oracle, d difference) bool {
		return slices.ContainsFunc(d.ours.paths, func(p certpath.Path) bool {
			q := tuple{leaf: d.leaf, at: d.at}
			for _, cert := range p.Certificates[1:] {
				q.configured = append(q.configured, cert.Raw)
			}
			return o.ask(t, []tuple{q})[0].code == 0
		})
	}},
}

func (d difference) certificates() [][]byte {
	return slices.Concat([][]byte{d.leaf}, d.presented, d.configured)
}

// isDER reports whether all lengths have their shortest form.
func isDER(s cryptobyte.String) bool {
	for !s.Empty() {
		var content cryptobyte.String
		var tag asn1.Tag
		if !s.ReadAnyASN1(&content, &tag) || tag&0x20 != 0 && !isDER(content) {
			return false
		}
	}
	return true
}

// notRead reports that a certificate is not read for one of these reasons.
func (d difference) notRead(reasons ...string) bool {
	return slices.ContainsFunc(d.certificates(), func(der []byte) bool {
		_, err := parse(der)
		return err != nil && slices.ContainsFunc(reasons, func(r string) bool { return strings.Contains(err.Error(), r) })
	})
}

// selfMisidentified reports a root whose authority key identifier is not its
// own: OpenSSL does not take it for self-signed.
func selfMisidentified(c *certificate.Certificate) bool {
	return c.Extension(certificate.OIDAuthorityKeyID) != nil
}

func always(difference) bool { return true }

// used are the certificates of our path, the client's first.
func (d difference) used() (out [][]byte) {
	for _, p := range d.ours.paths {
		for _, cert := range p.Certificates {
			out = append(out, cert.Raw)
		}
	}
	return out
}

func TestAgainstOpenSSL(t *testing.T) {
	o := newOracle(t)
	all := &tuples{TB: t}
	for _, family := range families {
		family(all)
	}
	compare(t, o, all.all, classes)
}
