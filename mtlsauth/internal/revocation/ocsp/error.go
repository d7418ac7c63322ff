package ocsp

import (
	"errors"
	"fmt"
)

// Kind says why a response was refused.
type Kind uint8

// The kinds of refusal. Those from OtherCertificate on are said of a response
// whose signature and signer are good; the others prove nothing about who
// wrote it.
const (
	Malformed        Kind = iota // no DER of a basic response of version 1
	Unsuccessful                 // the responder gave no answer, tryLater for example
	Unauthorized                 // the signer is neither the issuer nor authorized by it
	BadSignature                 // the signature is not that of the key which the response names
	WeakAlgorithm                // a key or signature that is too weak, or of an unsupported kind
	OtherCertificate             // says nothing about the certificate that was asked for
	Critical                     // an unknown critical extension
	NotYetValid                  // thisUpdate or producedAt is in the future
	Stale                        // its time is over
)

// Error is the error of Judge and JudgeLasting.
type Error struct {
	Kind Kind
	Err  error
}

func (e *Error) Error() string { return "judging OCSP response: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func refuse(kind Kind, text string) error { return &Error{Kind: kind, Err: errors.New(text)} }

func refuseFor(kind Kind, doing string, err error) error {
	return &Error{Kind: kind, Err: fmt.Errorf("%s: %w", doing, err)}
}
