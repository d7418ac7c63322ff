package fetch

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind says what kept an answer from coming.
type Kind uint8

// The kinds of error of Do and of reading a body. The address is that of the
// Request, never one that a redirect led to. Connect says no more than that the
// host could not be connected to in the time that the caller gave.
const (
	Protocol   Kind = iota // what came was not the HTTP that is accepted here
	BadAddress             // no http or https URL, or one with a user name or the like
	Refused                // the address is of a class that is not connected to
	Connect                // no connection: DNS, dialing, TLS handshake or the proxy's CONNECT failed, or took until the deadline
	Timeout                // the deadline came after the connection was made, or before anything was tried
	Canceled               // the caller gave up, which says nothing about the host
	Status                 // a status other than 200, a redirect, and 304 to a conditional GET
	TooLarge               // the body is larger than allowed
	Redirect               // too many redirects, or one to an address that is refused, no address or not to be reached
)

var kindNames = [...]string{
	Protocol: "protocol", BadAddress: "bad_address", Refused: "refused", Connect: "connect",
	Timeout: "timeout", Canceled: "canceled", Status: "status", TooLarge: "too_large", Redirect: "redirect",
}

// String returns the kind as a word for logs.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[Protocol]
}

// Error is the error of Do and of reading a body.
type Error struct {
	Kind Kind
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause. Where a deadline was in the way, that is
// context.DeadlineExceeded, whatever the kind.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of an error of this package, and Protocol for any
// other.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Protocol
}

// failed gives an error its kind. The context is looked at first: once it has
// ended, what fails does so because of it, with whatever error. doing says what
// was tried, late is the kind where the deadline came before it was done, and
// other that of any other error.
func failed(ctx context.Context, doing string, late, other Kind, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	switch ended := endOf(ctx); {
	case ended == nil:
		return &Error{Kind: other, Err: fmt.Errorf("%s: %w", doing, err)}
	case errors.Is(ended, context.Canceled):
		return &Error{Kind: Canceled, Err: fmt.Errorf("%s: %w", doing, ended)}
	default:
		return &Error{Kind: late, Err: fmt.Errorf("%s: %w", doing, ended)}
	}
}

// endOf returns ctx.Err(), and the deadline's error from the instant on that
// the deadline is: net, which has a timer of its own for it, may be first.
func endOf(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}
