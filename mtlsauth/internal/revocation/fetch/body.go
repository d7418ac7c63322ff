package fetch

import (
	"context"
	"fmt"
	"io"
)

// body is what an answer brings: no more than left bytes, and only while the
// context lasts.
type body struct {
	ctx   context.Context // Do's, which ends reading as it ends waiting
	from  io.ReadCloser
	left  int64
	limit int64
	err   error // of the end, returned again
}

// Read returns io.EOF at the end of the body, else an *Error.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.ctx.Err() != nil {
		return 0, b.end(failed(b.ctx, "reading the answer", Timeout, Protocol, b.ctx.Err()))
	}
	if len(p) == 0 {
		return 0, nil
	}
	// One byte more tells a body that ends at the limit from a larger one.
	if int64(len(p)) > b.left {
		p = p[:b.left+1]
	}
	n, err := b.from.Read(p)
	if int64(n) > b.left {
		return 0, b.end(&Error{Kind: TooLarge, Err: fmt.Errorf("the body is larger than allowed: at most %d bytes are accepted", b.limit)})
	}
	b.left -= int64(n)
	if err == nil {
		return n, nil
	}
	if err != io.EOF {
		err = failed(b.ctx, "reading the answer", Timeout, Protocol, err)
	}
	return n, b.end(err)
}

// Close ends an exchange. What was not read is not waited for: the connection
// ends with it.
func (b *body) Close() error {
	if b.err == nil {
		b.end(errClosed)
	}
	return nil
}

var errClosed = &Error{Kind: Protocol, Err: fmt.Errorf("reading the answer: %w", io.ErrClosedPipe)}

func (b *body) end(err error) error {
	b.err = err
	b.from.Close()
	return err
}
