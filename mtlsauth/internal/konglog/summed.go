package konglog

import (
	"log/slog"
	"strconv"
	"sync"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
)

// linesPerSecond is how many lines of one reason a second are written; what
// is beyond is counted and logged as one line, so that a client that makes requests cannot
// fill a disk.
const linesPerSecond = 100

// summed counts lines by reason.
type summed struct {
	mu     sync.Mutex
	counts map[authn.Reason]*count
}

type count struct {
	level  slog.Level
	second int64 // Unix time of the second that is counted
	lines  int   // in that second
	left   int   // lines that were not written and not told yet
}

// sum tells how many lines of a reason were not written.
type sum struct {
	level  slog.Level
	reason authn.Reason
	left   int
}

func (s sum) line() string {
	line := new(pairs)
	line.add("reason", s.reason.String())
	line.add("not_written", strconv.Itoa(s.left))
	return line.String()
}

// count tells whether a line of this reason may be written now, and returns
// what is to be told of those that were not written before.
func (s *summed) count(r authn.Reason, level slog.Level, now time.Time) (sums []sum, write bool) {
	second := now.Unix()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts == nil {
		s.counts = make(map[authn.Reason]*count)
	}
	for reason, c := range s.counts {
		if c.left > 0 && c.second != second {
			sums = append(sums, sum{c.level, reason, c.left})
			c.left = 0
		}
	}
	c := s.counts[r]
	if c == nil {
		c = new(count)
		s.counts[r] = c
	}
	if c.second != second {
		c.second, c.lines = second, 0
	}
	c.level = level
	c.lines++
	if c.lines > linesPerSecond {
		c.left++
		return sums, false
	}
	return sums, true
}
