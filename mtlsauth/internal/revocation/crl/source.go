package crl

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

const (
	// bufferSize is what is read at once; it bounds every element that is
	// looked at as a whole.
	bufferSize = 64 << 10

	// maxElement bounds names, entries and the list's extensions together.
	// Names in use have some hundred bytes, extensions of lists under a
	// thousand.
	maxElement = 16 << 10

	// maxEmptyReads is when a reader that returns nothing is given up, as
	// package bufio does.
	maxEmptyReads = 100
)

// source reads DER from a stream through one buffer, and hands the bytes of the
// signed part on as they go by.
type source struct {
	r          io.Reader
	buf        []byte
	start, end int   // what is read, but not yet taken
	pos        int64 // of start, in the DER

	// signed takes the bytes from inside the signed part; until the algorithm
	// is known it is nil and they stay in buf, from index unsigned on, which is
	// -1 outside.
	signed   io.Writer
	unsigned int

	atEOF bool
}

func newSource(r io.Reader) *source {
	return &source{r: r, buf: make([]byte, bufferSize), unsigned: -1}
}

// fill makes n bytes available in buf[start:end]. Where the stream ends before,
// the error is a Malformed one.
func (s *source) fill(n int) error {
	if s.end-s.start >= n {
		return nil
	}
	if err := s.compact(); err != nil {
		return err
	}
	if n > len(s.buf)-s.start {
		return refuse(TooLarge, "element of a CRL is too large")
	}
	for empty := 0; s.end-s.start < n; {
		got, err := s.r.Read(s.buf[s.end:])
		if got < 0 || got > len(s.buf)-s.end {
			return errors.New("reading CRL: a reader that returns an impossible count")
		}
		s.end += got
		if s.end-s.start >= n {
			return nil
		}
		if err != nil {
			s.atEOF = err == io.EOF
			return readError(err)
		}
		if got == 0 {
			if empty++; empty == maxEmptyReads {
				return readError(io.ErrNoProgress)
			}
		}
	}
	return nil
}

// readError tells a list that is cut off, or no base64, from a reader that
// fails.
func readError(err error) error {
	if err == io.EOF {
		return refusef(Malformed, "parsing CRL: %w", io.ErrUnexpectedEOF)
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[base64.CorruptInputError](err); ok {
		return refusef(Malformed, "parsing CRL: %w", err)
	}
	return fmt.Errorf("reading CRL: %w", err)
}

// compact moves what is still needed to the front of the buffer.
func (s *source) compact() error {
	if err := s.flush(); err != nil {
		return err
	}
	keep := s.start
	if s.unsigned >= 0 {
		keep = s.unsigned
		s.unsigned = 0
	}
	copy(s.buf, s.buf[keep:s.end])
	s.start -= keep
	s.end -= keep
	return nil
}

// flush hands on the signed bytes that have been taken.
func (s *source) flush() error {
	if s.unsigned < 0 || s.signed == nil {
		return nil
	}
	_, err := s.signed.Write(s.buf[s.unsigned:s.start])
	s.unsigned = s.start
	return err
}

// endSigned ends the signed part here.
func (s *source) endSigned() error {
	err := s.flush()
	s.unsigned = -1
	return err
}

// header reads the identifier and length in front, of an element that ends at
// limit or before, without taking them. The length has to be in DER: definite,
// and in as few octets as will do (X.690, section 10.1).
func (s *source) header(limit int64) (tag asn1.Tag, head int, length int64, err error) {
	malformed := func() (asn1.Tag, int, int64, error) { return 0, 0, 0, refuse(Malformed, "parsing CRL: malformed DER") }
	if s.pos+2 > limit {
		return malformed()
	}
	if err := s.fill(2); err != nil {
		return 0, 0, 0, err
	}
	tag, head = asn1.Tag(s.buf[s.start]), 2
	length = int64(s.buf[s.start+1])
	if length >= 0x80 {
		octets := int(length) - 0x80
		if octets == 0 || octets > 4 || s.pos+int64(2+octets) > limit {
			return malformed()
		}
		if err := s.fill(2 + octets); err != nil {
			return 0, 0, 0, err
		}
		head, length = 2+octets, 0
		for _, b := range s.buf[s.start+2 : s.start+head] {
			length = length<<8 | int64(b)
		}
		if length < 0x80 || length>>(8*(octets-1)) == 0 {
			return malformed()
		}
	}
	if s.pos+int64(head)+length > limit {
		return malformed()
	}
	return tag, head, length, nil
}

// next reports the tag of the element in front, and false at limit.
func (s *source) next(limit int64) (asn1.Tag, bool, error) {
	if s.pos >= limit {
		return 0, false, nil
	}
	if err := s.fill(1); err != nil {
		return 0, false, err
	}
	return asn1.Tag(s.buf[s.start]), true, nil
}

// enter takes the identifier and length of an element, and returns where it
// ends.
func (s *source) enter(tag asn1.Tag, limit int64) (end int64, err error) {
	got, head, length, err := s.header(limit)
	if err != nil {
		return 0, err
	}
	if got != tag {
		return 0, refuse(Malformed, "parsing CRL: not the element that belongs there")
	}
	s.take(head)
	return s.pos + length, nil
}

// element takes a whole element, of maxElement bytes at most. It is valid until
// the next call.
func (s *source) element(tag asn1.Tag, limit int64) (cryptobyte.String, error) {
	got, head, length, err := s.header(limit)
	if err != nil {
		return nil, err
	}
	if got != tag {
		return nil, refuse(Malformed, "parsing CRL: not the element that belongs there")
	}
	if length > maxElement {
		return nil, refusef(TooLarge, "element of a CRL has %d bytes", length)
	}
	whole := head + int(length)
	if err := s.fill(whole); err != nil {
		return nil, err
	}
	return s.take(whole), nil
}

func (s *source) take(n int) cryptobyte.String {
	taken := s.buf[s.start : s.start+n]
	s.start += n
	s.pos += int64(n)
	return taken
}

// ended reports whether the stream ends here.
func (s *source) ended() (bool, error) {
	err := s.fill(1)
	if err == nil {
		return false, nil
	}
	if s.atEOF {
		return true, nil
	}
	return false, err
}
