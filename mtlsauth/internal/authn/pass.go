package authn

import (
	"encoding/hex"
	"fmt"
	"time"

	"mtls-auth/mtlsauth/internal/certname"
	"mtls-auth/mtlsauth/internal/certpath"
)

// maxHeader is the longest header value that is sent upstream, in bytes: what
// upstream servers take by default for one header (nginx: 8k). A longer one is
// left out whole, since a shortened name is somebody else's.
const maxHeader = 8 << 10

// pass is the decision for a leaf whose path validated, when a trusted
// certificate is enough (skip_consumer_lookup).
func (p *Policy) pass(path certpath.Path, now time.Time) *Decision {
	leaf := path.Certificates[0]
	d := &Decision{Reason: Passed, Subject: subjectOf(leaf), made: now, expires: leaf.NotAfter}
	for _, c := range path.Certificates {
		if c.NotAfter.Before(d.expires) {
			d.expires = c.NotAfter
		}
	}
	answer := &d.Answer
	for _, name := range consumerHeaders {
		answer.Headers = append(answer.Headers, Header{Name: name})
	}
	san, _, err := certname.SubjectAltNames(leaf)
	if err != nil {
		d.note("subject alternative name left out: %v", err)
	}
	dn, err := certname.DistinguishedName(leaf.RawSubject)
	if err != nil {
		d.note("subject left out: %v", err)
	}
	d.header(HeaderCertDN, dn)
	d.header(HeaderCertSAN, certname.Join(san))
	answer.CredentialID = hex.EncodeToString(d.Subject.Fingerprint[:])
	answer.Groups = p.groups(path)
	if len(answer.Groups) > 0 && len(answer.Groups[0]) > maxHeader {
		// acl makes a header of it.
		d.note("authenticated group left out: %d bytes, at most %d are allowed", len(answer.Groups[0]), maxHeader)
		answer.Groups = nil
	}
	answer.ClientVerify = "SUCCESS"
	return d
}

// header sets a header, or clears it when there is no value or too long a one.
func (d *Decision) header(name, value string) {
	if len(value) > maxHeader {
		d.note("%s left out: %d bytes, at most %d are sent", name, len(value), maxHeader)
		value = ""
	}
	d.Answer.Headers = append(d.Answer.Headers, Header{name, value})
}

func (d *Decision) note(format string, args ...any) {
	d.Notes = append(d.Notes, fmt.Sprintf(format, args...))
}
