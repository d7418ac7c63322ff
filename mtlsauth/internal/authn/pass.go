package authn

import (
	"fmt"
	"slices"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/consumer"
)

// maxHeader is the longest header value that is sent upstream, in bytes: what
// upstream servers take by default for one header (nginx: 8k). A longer one is
// left out whole, since a shortened name is another's.
const maxHeader = 8 << 10

// decided begins the decision for a leaf whose path certpath.Path. It has all that
// is said of a certificate alone; see endsWith.
func (p *Policy) decided(path []*certificate.Certificate, now time.Time) *Decision {
	return &Decision{Reason: Passed, Subject: subjectOf(path[0]), made: now, expires: path[0].NotAfter}
}

// endsWith ends the decision with the first certificate of the paths that it
// rests on, whichever they are.
func (d *Decision) endsWith(paths []certpath.Path) {
	for _, path := range paths {
		for _, c := range path.Certificates {
			if c.NotAfter.Before(d.expires) {
				d.expires = c.NotAfter
			}
		}
	}
}

// certificateHeaders tells the upstream about the certificate, and of no
// consumer. Where the path has name constraints it hears only of names of kinds
// that they confine: a CA that is confined to DNS names could otherwise tell it
// any subject, and consumers and groups do not believe such names either.
//
// Where SPIFFE IDs are asked for it hears of the ID alone: that is by design, and noted
// nowhere.
func (p *Policy) certificateHeaders(d *Decision, path certpath.Path) {
	leaf, believes := path.Certificates[0], p.believed(path)
	notes := len(p.options.TrustDomains) == 0
	dn := certificate.DistinguishedName(leaf.RawSubject)
	san, _, err := leaf.SubjectAltNames()
	if err != nil {
		d.note("subject alternative name left out: %v", err)
	}
	if believes != nil {
		if dn != "" && !believes(certificate.DirectoryName) {
			if notes {
				d.note("%s left out: the name constraints of the path do not confine subjects", headerCertDN)
			}
			dn = ""
		}
		all := len(san)
		san = slices.DeleteFunc(san, func(n certificate.GeneralName) bool { return !believes(n.Kind) })
		if left := all - len(san); left > 0 && notes {
			d.note("%d names left out of %s: the name constraints of the path do not confine their kind", left, headerCertSAN)
		}
	}
	d.certDN, d.certSAN = d.checked(headerCertDN, dn), d.checked(headerCertSAN, certificate.Join(san))
}

// consumer says whom the request goes on as, and by which credential.
func (d *Decision) consumer(c *consumer.Consumer, credential string) {
	d.Consumer, d.CredentialID = c, credential
	d.checked(headerConsumerID, c.ID)
	d.checked(headerConsumerCustomID, c.CustomID)
	d.checked(headerConsumerUsername, c.Username)
	d.checked(headerCredential, credential)
}

// checked returns a header's value as it is sent, and notes what is left out.
func (d *Decision) checked(name, value string) string {
	switch {
	case len(value) > maxHeader:
		d.note("%s left out: %d bytes, at most %d are sent", name, len(value), maxHeader)
	case hasControl(value):
		d.note("%s left out: it has a control character", name)
	}
	return sendable(value)
}

// sendable returns a header's value, "" for one that a header cannot hold.
func sendable(value string) string {
	if len(value) > maxHeader || hasControl(value) {
		return ""
	}
	return value
}

func (d *Decision) note(format string, args ...any) {
	d.Notes = append(d.Notes, fmt.Sprintf(format, args...))
}
