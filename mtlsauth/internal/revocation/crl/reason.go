package crl

import "encoding/asn1"

// Reason is a reason code (RFC 5280, section 5.3.1). An entry without one, or
// with one that is not known, is Unspecified: it is a revocation all the same.
type Reason uint8

// The reasons that are told apart.
const (
	ReasonUnspecified   Reason = 0
	ReasonHold          Reason = 6
	ReasonRemoveFromCRL Reason = 8
	maxReason           Reason = 10
)

var reasonNames = [...]string{
	"unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded", "cessationOfOperation",
	"certificateHold", "unspecified", "removeFromCRL", "privilegeWithdrawn", "aACompromise",
}

// String returns the name in the RFC.
func (r Reason) String() string {
	if r > maxReason {
		r = ReasonUnspecified
	}
	return reasonNames[r]
}

// ReasonMask is a set of reasons that a list has spoken about, by the bits of
// ReasonFlags (RFC 5280, section 4.2.1.13).
type ReasonMask uint16

// AllReasons is every reason of ReasonFlags, whose bit 0 is unused: a
// certificate that is not listed for all of them is good.
const AllReasons ReasonMask = 0x1fe

// reasonMask returns the reasons of a ReasonFlags BIT STRING, all where there is none. Bits
// that the RFC does not name are of no use and left out.
func reasonMask(flags *asn1.BitString) ReasonMask {
	if flags == nil {
		return AllReasons
	}
	var mask ReasonMask
	for i := range 9 {
		mask |= ReasonMask(flags.At(i)) << i
	}
	return mask & AllReasons
}

// status is what is kept of an entry beside its serial number: the reason,
// encoded so that of two for one certificate the lower one counts.
type status uint8

const (
	statusHold   = 0x40 | status(ReasonHold)
	statusRemove = 0x80 | status(ReasonRemoveFromCRL)
)

func newStatus(code int) status {
	switch {
	case code == int(ReasonHold):
		return statusHold
	case code == int(ReasonRemoveFromCRL):
		return statusRemove
	case code < 0 || code > int(maxReason):
		return status(ReasonUnspecified)
	}
	return status(code)
}

func (s status) reason() Reason { return Reason(s & 0x3f) }
