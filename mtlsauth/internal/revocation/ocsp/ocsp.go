// Package ocsp makes OCSP requests and judges the responses to them (RFC 6960,
// with the profile of RFC 5019): it knows no network, no clock and no store.
//
// An Answer is returned only where everything holds: strict DER; the signature
// of the issuer, of a responder that the issuer itself authorized, or of one that
// the operator trusts (RFC 6960, section 4.2.2.2); an entry for this serial number
// of this issuer, by name and key; times that fit. Everything else is an *Error,
// so it fails closed. What is wrong with a response does not keep it from counting
// against a certificate: see JudgeLasting.
//
// Requests carry no nonce, and one in a response is passed over: most
// responders serve answers made in advance (RFC 5019, section 4), which cannot
// repeat a nonce. What keeps an old answer from being replayed is its time:
// nextUpdate, or MaxAge where it has none.
//
// The certificate of a delegated responder stands directly below the issuer.
// The issuer's own constraints on names or usages are not applied to it: who
// may sign answers is for the issuer alone to say, and it said so by
// id-kp-OCSPSigning.
package ocsp

import (
	"math/big"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
)

const (
	// MaxSize bounds a response, in bytes. One answer has up to 3 KiB with the
	// responder's certificate, and some bring a chain along.
	MaxSize = 64 << 10

	// Skew is how far thisUpdate and producedAt may be in the future: clocks
	// that are kept by NTP differ by less, those of others by minutes. There is
	// none at the other end, where it would serve answers whose time is over.
	Skew = 5 * time.Minute

	// MaxAge ends answers without nextUpdate, counted from thisUpdate. Their
	// responder says that newer information is available all the time (RFC
	// 6960, section 4.2.2.1), so they are made when asked for; one made in
	// advance has to carry nextUpdate (RFC 5019, section 2.2.4).
	MaxAge = time.Hour
)

// Status is what a responder says about a certificate (RFC 6960, section 2.2).
// The zero value is not Good.
type Status uint8

// The statuses. Unknown is the responder's own word: it does not know the
// certificate.
const (
	Unknown Status = iota
	Good
	Revoked
)

const (
	// NoReason is the Reason of an answer that names none.
	NoReason = -1
	// CertificateHold is the one CRLReason that may be taken back (RFC 5280,
	// section 5.3.1).
	CertificateHold = 6
)

// Answer is what a verified response says about one certificate.
type Answer struct {
	Status Status
	// Reason is the CRLReason of a revocation, NoReason where there is none.
	Reason int
	// ThisUpdate is when the status was known to be so.
	ThisUpdate time.Time
	// Until is the last instant at which the answer may be used: nextUpdate, or
	// MaxAge after ThisUpdate where that is absent, but not after the notAfter
	// of a delegated responder's certificate. JudgeLasting returns answers
	// whose Until is over.
	Until time.Time
	// Responder is the certificate of the delegated responder that signed the
	// answer, if its own status still has to be asked from the same issuer: it
	// has no id-pkix-ocsp-nocheck and names an OCSP or CRL address (RFC 6960,
	// section 4.2.2.2.1). The answer is as good as that status. It is nil
	// otherwise.
	Responder *certificate.Certificate
}

// Final reports a revocation that is not certificateHold: nothing ends it but a
// later answer.
func (a Answer) Final() bool { return a.Status == Revoked && a.Reason != CertificateHold }

// Options say by what a response is judged.
type Options struct {
	Now time.Time
	// MinRSABits is the least size of RSA keys; 0 means 2048.
	MinRSABits int
	// RawIssuer is the issuer in the certificate in question, a DER Name, where
	// that may be spelled otherwise than the subject of its issuer's certificate;
	// nil for the same.
	RawIssuer []byte
	// Responders are the operator's own: they may sign responses about any
	// certificate (RFC 6960, section 4.2.2.2, "matches a local configuration").
	Responders []*certificate.Certificate
}

// Judge returns what response, a DER OCSPResponse, says at o.Now about the
// certificate with this serial number from issuer, which has to be the issuer's
// certificate of a validated path. An error is an *Error, and comes with no
// answer.
//
// Where several entries are about the certificate (RFC 6960 leaves that open),
// the one with the latest thisUpdate counts; of several at the same time the
// worst: revoked for good, on hold, unknown, good. Entries whose time is over or
// has not come, or that have a flaw, are passed over, except for one: a revocation
// that is later than all that could be used is an error, because what is older
// does not take it back. JudgeLasting returns it.
func Judge(response []byte, issuer *certificate.Certificate, serial *big.Int, o Options) (Answer, error) {
	return judge(response, issuer, serial, limits{Options: o})
}

// limits are Options, and what only tests change.
type limits struct {
	Options
	allowSHA1 bool // for vectors of another age
}

func judge(response []byte, issuer *certificate.Certificate, serial *big.Int, o limits) (Answer, error) {
	r, q, err := read(response, issuer, serial, o.RawIssuer)
	if err != nil {
		return Answer{}, err
	}
	delegate, err := r.authenticate(q, o.Now, o)
	if err != nil {
		return Answer{}, err
	}
	if err := r.unusable(o.Now); err != nil {
		return Answer{}, err
	}
	entries := r.about(q)
	if len(entries) == 0 {
		return Answer{}, errNotAbout
	}
	chosen, err := current(entries, o.Now)
	if err != nil {
		return Answer{}, err
	}
	return chosen.answer(delegate), nil
}

// JudgeLasting returns what a response that Judge refuses still proves: a
// revocation that is final, or a certificateHold whose nextUpdate has not passed.
// What the issuer has signed counts against a certificate though the time of the
// response is over or has not come, or the response has a critical extension that
// is not known. Of several revocations the latest counts, whatever else the response
// says: what Judge refuses clears no certificate. Everything else is an error.
//
// The signer has to have been valid when the response was given, at the later of
// thisUpdate and producedAt (one of a pre-produced response may be long before
// the other), but not after o.Now. The answer's ThisUpdate is not after o.Now, or
// nothing would take it back before that time has come.
func JudgeLasting(response []byte, issuer *certificate.Certificate, serial *big.Int, o Options) (Answer, error) {
	r, q, err := read(response, issuer, serial, o.RawIssuer)
	if err != nil {
		return Answer{}, err
	}
	entries := r.about(q)
	chosen, found := r.lasting(entries, o.Now)
	given := r.producedAt
	if chosen.thisUpdate.After(given) {
		given = chosen.thisUpdate
	}
	if given.After(o.Now) {
		given = o.Now
	}
	delegate, err := r.authenticate(q, given, limits{Options: o})
	if err != nil {
		return Answer{}, err
	}
	if len(entries) == 0 {
		return Answer{}, errNotAbout
	}
	if !found {
		return Answer{}, refuse(Stale, "only a revocation counts whatever is wrong with the response, and there is none")
	}
	if chosen.thisUpdate.After(o.Now.Add(Skew)) {
		chosen.thisUpdate = o.Now
	}
	return chosen.answer(delegate), nil
}
