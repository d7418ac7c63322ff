package kongdata

import "time"

// remindEvery is how often the log repeats that a source does not answer.
const remindEvery = time.Minute

// health is whether a source answers, as far as the log knows.
type health struct {
	eager    bool // the first failure after an answer is always logged
	failing  bool
	said     bool
	last     time.Time // when the log last heard of a failure
	failures int       // since then
}

// note returns whether the log should say that the source fails, about once a minute
// and with the number of failures, or that it answers again.
func (h *health) note(failed bool, now time.Time) (say bool, failures int) {
	if !failed {
		say = h.failing && h.said
		h.failing, h.said = false, false
		return say, 0
	}
	first := !h.failing && h.eager
	h.failing = true
	h.failures++
	if !first && !h.last.IsZero() && now.Sub(h.last) < remindEvery {
		return false, 0
	}
	failures = h.failures
	h.said, h.last, h.failures = true, now, 0
	return true, failures
}
