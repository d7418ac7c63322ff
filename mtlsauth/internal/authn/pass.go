package authn

import (
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"mtls-auth/mtlsauth/internal/certname"
)

// maxHeader is the longest header value that is sent upstream, in bytes: what
// upstream servers take by default for one header (nginx: 8k). A longer one is
// left out whole, since a shortened name is somebody else's.
const maxHeader = 8 << 10

// decided begins the decision for a leaf whose path validated. It has all that
// is said of a certificate alone; see endsWith.
func (p *Policy) decided(path []*x509.Certificate, now time.Time) *Decision {
	d := &Decision{Reason: Passed, Subject: subjectOf(path[0]), Answer: new(Answer), made: now, expires: path[0].NotAfter}
	d.Answer.CredentialID = hex.EncodeToString(d.Subject.Fingerprint[:])
	d.Answer.ClientVerify = "SUCCESS"
	return d
}

// endsWith ends the decision with the first certificate of the paths that it
// rests on, whichever they are.
func (d *Decision) endsWith(paths []validated) {
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
func (d *Decision) certificateHeaders(path validated) {
	d.Answer.Headers = make([]Header, 0, 7)
	for _, name := range [...]string{headerConsumerID, headerConsumerCustomID, headerConsumerUsername, headerCredential, headerAnonymous} {
		d.header(name, "")
	}
	leaf, believes := path.Certificates[0], believed(path)
	dn, err := certname.DistinguishedName(leaf.RawSubject)
	if err != nil {
		d.note("subject left out: %v", err)
	}
	san, _, err := certname.SubjectAltNames(leaf)
	if err != nil {
		d.note("subject alternative name left out: %v", err)
	}
	if believes != nil {
		if dn != "" && !believes(certname.DirectoryName) {
			d.note("%s left out: the name constraints of the path do not confine subjects", HeaderCertDN)
			dn = ""
		}
		all := len(san)
		san = slices.DeleteFunc(san, func(n certname.Name) bool { return !believes(n.Kind) })
		if left := all - len(san); left > 0 {
			d.note("%d names left out of %s: the name constraints of the path do not confine their kind", left, HeaderCertSAN)
		}
	}
	d.header(HeaderCertDN, dn)
	d.header(HeaderCertSAN, certname.Join(san))
}

// header sets a header, or clears it when there is no value or none that a
// header can hold.
func (d *Decision) header(name, value string) {
	switch {
	case len(value) > maxHeader:
		d.note("%s left out: %d bytes, at most %d are sent", name, len(value), maxHeader)
		value = ""
	case hasControl(value):
		d.note("%s left out: it has a control character", name)
		value = ""
	}
	d.Answer.Headers = append(d.Answer.Headers, Header{name, value})
}

func (d *Decision) note(format string, args ...any) {
	d.Notes = append(d.Notes, fmt.Sprintf(format, args...))
}
