package crl

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
