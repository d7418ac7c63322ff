package authn

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/consumer"
)

// Decision is what was decided about a presented certificate, and why. It is
// immutable and may be shared by many requests. The zero Decision denies.
type Decision struct {
	Reason  Reason
	Subject Subject // zero when nothing could be read
	// CA is the id of the CA certificate at which the path ends; "" where there is no
	// path.
	CA      string
	CAIDs   []string // the configured CA certificates
	Missing []string // those of CAIDs that could not be had
	Detail  string   // the cause in words, for the log, cut
	// Anonymous says that the request goes on as the anonymous consumer, in
	// spite of Reason.
	Anonymous bool
	Notes     []string // what else an operator should know
	// About is the certificate of the path that Reason is about, for the log:
	// "leaf", or subject and serial number of another; "" where it is about none.
	About string
	// LeftOut is how many of the presented certificates were not looked at.
	LeftOut int
	// Consumer is whom the request goes on as; nil for no consumer.
	Consumer *consumer.Consumer
	// CredentialID is the id of the credential of Consumer; "" for none. Without a
	// consumer it is the certificate's SHA-256.
	CredentialID string

	groups          []string
	certDN, certSAN string   // the headers' values
	told            []Header // what the upstream is told besides
	clears          bool     // other headers of UpstreamHeaderNames are cleared
	message         string   // in place of the usual one
	unavailable     bool     // evidence could not be had, through no fault of the client
	earlier         bool     // an earlier plugin has authenticated the request

	// lifetime: see fresh.
	made    time.Time
	expires time.Time
}

// Subject tells a certificate apart in the log. Its texts are cut.
type Subject struct {
	Name        string // RFC 4514
	Issuer      string // RFC 4514
	Serial      string // hexadecimal
	Fingerprint [sha256.Size]byte
	NotAfter    time.Time // zero when it could not be read
}

// Passed tells whether the request may go on by its certificate.
func (d *Decision) Passed() bool { return d.Reason == Passed }

// GoesOn tells whether the request may go on, by its certificate or as the
// anonymous consumer.
func (d *Decision) GoesOn() bool { return d.Passed() || d.Anonymous }

// Status is the HTTP status that ends the request, 0 for one that goes on. It
// fails closed.
func (d *Decision) Status() int {
	if d.GoesOn() {
		return 0
	}
	switch d.Reason {
	case Internal, BadConfig, LookupFailed:
		return 500
	}
	if d.unavailable {
		return 500
	}
	return 401
}

// fresh tells whether the decision may still be used at an instant. It ends by the wall clock or by the monotonic clock,
// whichever is first: neither a clock that was set back nor a machine that slept makes it
// live longer.
func (d *Decision) fresh(now time.Time) bool {
	lifetime := d.expires.Sub(d.made.Round(0))
	return now.Sub(d.made) < lifetime && now.Round(0).Before(d.expires)
}

// Left is how long the decision may still be used at an instant, as long as
// the evidence stays; zero for one that must not be used again.
func (d *Decision) Left(now time.Time) time.Duration {
	if !d.fresh(now) {
		return 0
	}
	return min(d.expires.Sub(d.made.Round(0))-now.Sub(d.made), d.expires.Sub(now.Round(0)))
}

// size estimates the memory that the decision holds in a cache, in bytes.
func (d *Decision) size() int64 {
	const (
		fixed = 480 + 160 // the decision, and the cache's share
		slack = 8         // of a text: memory comes in steps
	)
	n := fixed + len(d.Detail)
	for _, text := range [...]string{d.Subject.Name, d.Subject.Issuer, d.Subject.Serial, d.About, d.certDN, d.certSAN, d.CredentialID} {
		if text != "" {
			n += len(text) + slack
		}
	}
	for _, texts := range [...][]string{d.Notes, d.groups} {
		for _, text := range texts {
			n += 16 + len(text) + slack
		}
	}
	for _, h := range d.told { // long ones: their steps are an eighth
		n += 48 + len(h.Value) + len(h.Value)/8 + slack
	}
	if c := d.Consumer; c != nil { // which others may share
		n += 112 + len(c.Username) + len(c.CustomID) + len(c.ID)
		for _, tag := range c.Tags {
			n += 16 + len(tag)
		}
	}
	return int64(n)
}

func subjectOf(c *certificate.Certificate) Subject {
	return Subject{
		Name:        cut(certificate.DistinguishedName(c.RawSubject)),
		Issuer:      cut(certificate.DistinguishedName(c.RawIssuer)),
		Serial:      cut(c.SerialNumber().Text(16)),
		Fingerprint: c.Fingerprint(),
		NotAfter:    c.NotAfter,
	}
}

// about names a certificate beside the leaf for the log.
func about(c, leaf *certificate.Certificate) string {
	switch {
	case c == nil:
		return ""
	case c.Equal(leaf):
		return "leaf"
	}
	return cut(fmt.Sprintf("%s, serial %s", certificate.DistinguishedName(c.RawSubject), c.SerialNumber().Text(16)))
}

// maxText is where a text of a decision that is only for the log is cut, in
// bytes: a client's certificate may have any amount of it, and decisions are
// kept by the thousand.
const maxText = 512

// cut returns the text or its beginning, in memory of its own.
func cut(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}
