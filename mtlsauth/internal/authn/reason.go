package authn

import "mtls-auth/mtlsauth/internal/certpath"

// Reason says why a request was decided as it was: the word in the log and in
// FAILED:reason. The client never learns it. The zero value is a denial.
type Reason uint8

const (
	// Internal is a fault of our own.
	Internal Reason = iota
	// Passed is the only reason that lets a request on.
	Passed
	// NoneSent: no client certificate, plain HTTP included.
	NoneSent
	// Unreadable: what was sent cannot be read as a certificate.
	Unreadable
	// IssuerNotFound: no path to a trust anchor.
	IssuerNotFound
	// CANotLoaded: no path to a trust anchor, and not every configured CA
	// certificate could be loaded.
	CANotLoaded
	// BadSignature: a certificate of the issuer's name is there, but it did not
	// sign this one.
	BadSignature
	// Expired: past notAfter, anywhere on the path.
	Expired
	// NotYetValid: before notBefore, anywhere on the path.
	NotYetValid
	// WrongUsage: not for client authentication, or a CA certificate.
	WrongUsage
	// Constraint: a name, length or policy constraint, or a critical extension
	// that is not understood.
	Constraint
	// WeakAlgorithm: a signature algorithm or key below what is accepted.
	WeakAlgorithm
	// SPIFFEID: not an X509-SVID, or of a trust domain that the CA of its path does not
	// speak for.
	SPIFFEID
	// TooCostly: judging it would cost more than a request may.
	TooCostly
	// Revoked: by its CA, anywhere on the path.
	Revoked
	// StatusUnknown: whether it is revoked cannot be found out, or its CA does
	// not know it.
	StatusUnknown
	// NoConsumer: no consumer matches a trusted certificate.
	NoConsumer
	// LookupFailed: whose it is could not be found out, or a consumer that is
	// configured does not exist.
	LookupFailed
	// BadConfig: the plugin's configuration was refused.
	BadConfig
)

var codes = [...]string{
	Internal:       "internal",
	Passed:         "passed",
	NoneSent:       "none_sent",
	Unreadable:     "unreadable",
	IssuerNotFound: "issuer_not_found",
	CANotLoaded:    "ca_not_loaded",
	BadSignature:   "bad_signature",
	Expired:        "expired",
	NotYetValid:    "not_yet_valid",
	WrongUsage:     "wrong_usage",
	Constraint:     "constraint",
	WeakAlgorithm:  "weak_algorithm",
	SPIFFEID:       "spiffe_id",
	TooCostly:      "too_costly",
	Revoked:        "revoked",
	StatusUnknown:  "status_unknown",
	NoConsumer:     "no_consumer",
	LookupFailed:   "lookup_failed",
	BadConfig:      "bad_config",
}

// String returns the reason's code, which does not change between versions.
func (r Reason) String() string {
	if int(r) < len(codes) {
		return codes[r]
	}
	return codes[Internal]
}

// ofPath is the reason for a certification path that did not validate.
func ofPath(k certpath.Kind) Reason {
	switch k {
	case certpath.IssuerNotFound:
		return IssuerNotFound
	case certpath.BadSignature:
		return BadSignature
	case certpath.Expired:
		return Expired
	case certpath.NotYetValid:
		return NotYetValid
	case certpath.WrongUsage:
		return WrongUsage
	case certpath.Constraint:
		return Constraint
	case certpath.WeakAlgorithm:
		return WeakAlgorithm
	case certpath.TooCostly:
		return TooCostly
	}
	return Internal
}
