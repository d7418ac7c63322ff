package revocation

import (
	"errors"
	"fmt"
	"time"
)

// state is what is known of one certificate. The zero value is nothing.
type state uint8

const (
	unusable      state = iota // there is no usable answer
	good                       // an answer says so
	revoked                    // an answer says so, or has said so
	statusUnknown              // the responder does not know it, and no CRL says otherwise
	noEndpoint                 // it names no address
	overloaded                 // a limit of our own was reached, or this program is at fault
)

// finding is what is known of one certificate, and what that rests on.
type finding struct {
	state      state
	thisUpdate time.Time // of an answer
	until      time.Time // when to look again; zero for no need
	err        error     // why it is not good
	// doubtful says that the status of who signed the answer could not be had:
	// enough for IGNORE_CA_ERROR, not to take a revocation back.
	doubtful bool
	from     string // as in Finding
}

// verdict is the table of modes: what a state means for the request. vouched
// says that the configuration itself names the certificate.
func (f finding) verdict(mode Mode, vouched bool) Verdict {
	switch f.state {
	case good:
		return Passed
	case revoked:
		return Revoked
	case statusUnknown:
		return StatusUnknown
	case noEndpoint:
		if vouched || mode == IgnoreCAError {
			return Passed
		}
		return StatusUnknown
	case unusable:
		if mode == IgnoreCAError {
			return Passed
		}
		return StatusUnknown
	}
	return Unjudged
}

var (
	errNoAddress     = errors.New("it names no OCSP responder and no CRL")
	errStatusUnknown = errors.New("the OCSP responder does not know it")
	errNotAsked      = fmt.Errorf("not asked: only the first %d addresses are", maxURLs)
)

// failed is the finding that there is nothing usable, or a limit of our own.
func failed(err error) finding {
	if isOurs(err) {
		return finding{state: overloaded, err: err}
	}
	return finding{err: err}
}

// missing adds up why there is nothing usable.
type missing struct {
	err     error
	until   time.Time
	limited bool
}

func (m *missing) add(what string, f finding) {
	if f.err != nil {
		f.err = fmt.Errorf("%s: %w", what, f.err)
	}
	m.err = join(m.err, f.err)
	m.until = earliest(m.until, f.until)
	m.limited = m.limited || f.state == overloaded
}

// join is errors.Join on one line, where what is the same is said once.
func join(a, b error) error {
	switch {
	case a == nil:
		return b
	case b == nil || a.Error() == b.Error():
		return a
	}
	return &both{a, b}
}

type both struct{ first, second error }

func (b *both) Error() string   { return b.first.Error() + "; " + b.second.Error() }
func (b *both) Unwrap() []error { return []error{b.first, b.second} }
