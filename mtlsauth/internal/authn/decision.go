package authn

import (
	"crypto/sha256"
	"crypto/x509"
	"strings"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/certname"
	"mtls-auth/mtlsauth/internal/revocation"
)

// Decision is what was decided about a presented certificate, and why. It is
// immutable and may be shared by many requests.
type Decision struct {
	Reason  Reason
	Subject Subject  // zero when nothing could be read
	CAIDs   []string // the configured CA certificates
	Missing []string // those of CAIDs that could not be had
	Detail  string   // the cause in words, for the log, cut
	// Anonymous says that the request goes on as the anonymous consumer, in
	// spite of Reason.
	Anonymous bool
	Notes     []string // what else an operator should know
	Answer    Answer

	// lifetime: see fresh.
	made    time.Time
	expires time.Time
	basis   revocation.Basis

	form atomic.Pointer[any] // see Form
}

// Subject tells a certificate apart in the log. Its texts are cut.
type Subject struct {
	Name        string // RFC 4514
	Issuer      string // RFC 4514
	Serial      string // hexadecimal
	Fingerprint [sha256.Size]byte
}

// Passed tells whether the request may go on by its certificate.
func (d *Decision) Passed() bool { return d.Reason == Passed }

// GoesOn tells whether the request may go on, by its certificate or as the
// anonymous consumer.
func (d *Decision) GoesOn() bool { return d.Passed() || d.Anonymous }

// Form returns what a door made of the decision, making it at the first call.
// There is one door to a process, so one form to a decision.
func (d *Decision) Form(make func(*Decision) any) any {
	if form := d.form.Load(); form != nil {
		return *form
	}
	form := make(d)
	d.form.CompareAndSwap(nil, &form)
	return form
}

// fresh tells whether the decision still stands at an instant. It ends with the
// certificate status that it rests on, and by the
// wall clock or by the monotonic clock, whichever is first: neither a clock
// that was set back nor a machine that slept makes it live longer.
func (d *Decision) fresh(now time.Time) bool {
	lifetime := d.expires.Sub(d.made.Round(0))
	return now.Sub(d.made) < lifetime && now.Round(0).Before(d.expires) && d.basis.Stands()
}

// size estimates the memory that the decision holds, its form included, in
// bytes.
func (d *Decision) size() int {
	const fixed = 512 // the structures, the map's and the list's share, the key
	n := len(d.Subject.Name) + len(d.Subject.Issuer) + len(d.Subject.Serial)
	// A header is held by the answer and once more in its form.
	for _, h := range d.Answer.Headers {
		n += 2 * (len(h.Name) + len(h.Value) + 16)
	}
	for _, g := range d.Answer.Groups {
		n += 2 * len(g)
	}
	if c := d.Answer.Consumer; c != nil { // which others may share
		n += 2 * (len(c.Username) + len(c.CustomID) + len(c.ID))
		for _, tag := range c.Tags {
			n += 2 * len(tag)
		}
	}
	return fixed + n + len(d.Detail) + 16*len(d.basis)
}

// subjectOf describes a certificate. crypto/x509 has read both names, so that
// they do not fail to be read again; if one did, it would be absent.
func subjectOf(c *x509.Certificate) Subject {
	name, _ := certname.DistinguishedName(c.RawSubject)
	issuer, _ := certname.DistinguishedName(c.RawIssuer)
	return Subject{
		Name:        cut(name),
		Issuer:      cut(issuer),
		Serial:      cut(c.SerialNumber.Text(16)),
		Fingerprint: sha256.Sum256(c.Raw),
	}
}

// maxText is where a text of a decision that is only for the log is cut, in
// bytes: a client's certificate may hold any amount of it, and decisions are
// kept by the thousand.
const maxText = 512

// cut returns the text or its beginning, in memory of its own.
func cut(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}
