package crldir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// hangAfter is how long a look may go without a step: a stat, or the reading of
// some kilobytes, takes milliseconds, and what takes so long is a file system
// that does not answer.
const hangAfter = 10 * time.Second

var (
	errUnread = errors.New("the folder of CRLs has not been read yet")
	errHangs  = fmt.Errorf("the folder of CRLs has not answered for %v", hangAfter)
)

// progress is when the look under way made its last step; nil where there is
// none under way.
type progress struct{ last atomic.Pointer[time.Time] }

func (p *progress) step() {
	now := time.Now()
	p.last.Store(&now)
}

func (p *progress) over() { p.last.Store(nil) }

func (p *progress) hangs() error {
	if last := p.last.Load(); last != nil && time.Since(*last) >= hangAfter {
		return errHangs
	}
	return nil
}

// steps makes a step of each read, and ends the reading with ctx.
type steps struct {
	ctx context.Context
	r   io.Reader
	p   *progress
}

func (s *steps) Read(to []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	s.p.step()
	return s.r.Read(to)
}
