package authn

import (
	"crypto/sha256"
	"crypto/x509"
	"strings"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/certname"
	"mtls-auth/mtlsauth/internal/consumer"
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
	// Answer is what the gateway is to do. It is nil where a door has its own
	// form of it (Options.Form), and in the zero decision.
	Answer *Answer
	// Consumer is whom the request goes on as; nil for nobody.
	Consumer *consumer.Consumer

	// lifetime: see fresh.
	made    time.Time
	expires time.Time
	basis   revocation.Basis

	form atomic.Value // of one door's Form; see FormBy
}

// Form is what a door makes of a decision's answer.
type Form interface {
	// Size is the memory that it holds, in bytes.
	Size() int
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

// Status is the HTTP status that ends the request, 0 for one that goes on. It
// fails closed: a decision with no answer is a fault.
func (d *Decision) Status() int {
	switch {
	case d.GoesOn():
		return 0
	case d.Answer == nil || d.Answer.Status == 0:
		return 500
	}
	return d.Answer.Status
}

// FormBy returns what a door made of the decision, making it at the first call.
// There is one door to a process, so one form to a decision.
func (d *Decision) FormBy(make func(*Decision) Form) Form {
	if form, ok := d.form.Load().(Form); ok {
		return form
	}
	form := make(d)
	d.form.CompareAndSwap(nil, form)
	return form
}

// settle gives a pass its form while nobody else has the decision, and lets the
// answer go: of what is remembered by the hundred thousand it is the larger part.
func (d *Decision) settle(make func(*Decision) Form) {
	if make != nil && d.Passed() {
		d.FormBy(make)
		d.Answer = nil
	}
}

// fresh tells whether the decision still stands at an instant. It ends with the
// certificate status that it rests on, and by the
// wall clock or by the monotonic clock, whichever is first: neither a clock
// that was set back nor a machine that slept makes it live longer.
func (d *Decision) fresh(now time.Time) bool {
	lifetime := d.expires.Sub(d.made.Round(0))
	return now.Sub(d.made) < lifetime && now.Round(0).Before(d.expires) && d.basis.Stands()
}

// Left is how long the decision may still be used at an instant, as long as its
// basis stands; nothing for one that is not to be used again.
func (d *Decision) Left(now time.Time) time.Duration {
	if !d.fresh(now) {
		return 0
	}
	return min(d.expires.Sub(d.made.Round(0))-now.Sub(d.made), d.expires.Sub(now.Round(0)))
}

// size estimates the memory that the decision holds, its form included, in
// bytes.
func (d *Decision) size() int {
	const (
		fixed = 288 + 64 + 24 // the decision, the cache's entry, the map's share
		slack = 4             // of a text: memory comes in steps
	)
	n := fixed + 16*len(d.basis) + len(d.Detail)
	for _, text := range [...]string{d.Subject.Name, d.Subject.Issuer, d.Subject.Serial} {
		n += len(text) + slack
	}
	for _, note := range d.Notes {
		n += 16 + len(note) + slack
	}
	if c := d.Consumer; c != nil { // which others may share
		n += 112 + len(c.Username) + len(c.CustomID) + len(c.ID)
		for _, tag := range c.Tags {
			n += 16 + len(tag)
		}
	}
	if a := d.Answer; a != nil {
		n += 128 + len(a.Message) + len(a.ClientVerify) + len(a.CredentialID)
		// A header is held by the answer and, later, once more in its form.
		for _, h := range a.Headers {
			n += 2 * (len(h.Name) + len(h.Value) + 16)
		}
		for _, g := range a.Groups {
			n += 2 * len(g)
		}
	}
	if form, ok := d.form.Load().(Form); ok {
		n += form.Size()
	}
	return n
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
