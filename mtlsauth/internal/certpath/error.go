package certpath

import (
	"errors"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
)

// Kind says why no path was found.
type Kind uint8

// The kinds of refusal. Where several certificates or paths fail in different
// ways, the kind is that of the first one found that came closest.
const (
	Unspecified    Kind = iota
	IssuerNotFound      // no certificate of the issuer's name, or none that leads to a trust anchor
	BadSignature        // certificates of the issuer's name, but none whose key fits
	Expired             // notAfter of a certificate has passed
	NotYetValid         // notBefore of a certificate has not come
	WrongUsage          // not for client authentication, or a CA certificate as a client's
	Constraint          // basic, name, policy or path length constraints; an unknown critical extension
	WeakAlgorithm       // a key or signature that is too weak, or of an unsupported kind
	TooCostly           // cannot be judged within the time that one request may take
)

var kindNames = [...]string{
	Unspecified: "unspecified", IssuerNotFound: "issuer_not_found", BadSignature: "bad_signature", Expired: "expired",
	NotYetValid: "not_yet_valid", WrongUsage: "wrong_usage", Constraint: "constraint", WeakAlgorithm: "weak_algorithm",
	TooCostly: "too_costly",
}

// String returns the kind in the spelling of the log's reason codes.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[Unspecified]
}

// Error is the error of Validate.
type Error struct {
	Kind Kind
	// Certificate is the one that the refusal is about, nil where it is about
	// none in particular.
	Certificate *certificate.Certificate
	Err         error
}

func (e *Error) Error() string { return "validating client certificate: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func refuse(kind Kind, cert *certificate.Certificate, text string) *Error {
	return &Error{Kind: kind, Certificate: cert, Err: errors.New(text)}
}

// because is nil without a cause.
func because(kind Kind, cert *certificate.Certificate, cause error) *Error {
	if cause == nil {
		return nil
	}
	return &Error{Kind: kind, Certificate: cert, Err: cause}
}

// checkDates refuses outside notBefore..notAfter, both inclusive (RFC 5280,
// section 4.1.2.5).
func checkDates(cert *certificate.Certificate, now time.Time) *Error {
	if now.Before(cert.NotBefore) {
		return refuse(NotYetValid, cert, "not valid before "+cert.NotBefore.UTC().Format(time.RFC3339))
	}
	if now.After(cert.NotAfter) {
		return refuse(Expired, cert, "not valid after "+cert.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}
