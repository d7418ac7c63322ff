package crl

import (
	"errors"
	"fmt"
)

// Kind says why a list is of no use for a certificate.
type Kind uint8

// The kinds of refusal, and of flaws. None of them says anything about the certificate.
const (
	Malformed     Kind = iota // not a CRL in DER or PEM, or cut off; a certificate's distribution points that are not
	Version                   // not of version 2
	TooLarge                  // over a limit of ours
	Critical                  // a critical extension that is not understood
	WeakAlgorithm             // a signature algorithm or key that is too weak, or not known
	WrongIssuer               // neither from the certificate's issuer nor from a CRL issuer that it names, or no certificate of that name is known
	WrongScope                // for other certificates, other distribution points, or no complete list
	BadSignature              // not signed by a key that may
	Unauthorized              // the signer's key usage is without cRLSign
	Incomplete                // without CRL number or nextUpdate
	NotYetValid               // thisUpdate has not come
	Stale                     // nextUpdate has passed
)

// Error says that a list cannot be used: the certificate's status stays
// unknown.
type Error struct {
	Kind Kind
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func refuse(kind Kind, text string) *Error {
	return &Error{Kind: kind, Err: errors.New(text)}
}

func refusef(kind Kind, format string, a ...any) *Error {
	return &Error{Kind: kind, Err: fmt.Errorf(format, a...)}
}

// plain is the error itself, without a type where there is none.
func plain(err *Error) error {
	if err == nil {
		return nil
	}
	return err
}
