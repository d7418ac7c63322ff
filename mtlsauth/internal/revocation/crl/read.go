package crl

import (
	"fmt"
	"io"

	"golang.org/x/crypto/cryptobyte/asn1"
)

// DefaultMaxBytes is the contract's bound on a CRL. The largest in use, of
// some millions of entries, are below it.
const DefaultMaxBytes = 128 << 20

// ReadOptions are the limits of Read. The zero value has those of the
// defaults.
type ReadOptions struct {
	// MaxBytes bounds what is read, as DER or PEM; 0 means DefaultMaxBytes.
	MaxBytes int64

	// Reserve is asked before memory grows with the list, and may refuse: its
	// error is returned, wrapped. The sum of what it was asked for is the most
	// that the list took, to within some hundred kilobytes; all but Size can be
	// given back when Read has returned, and everything on error. nil is no
	// limit.
	Reserve func(bytes int) error

	// Expect sees what comes before the entries, and may end the reading of a
	// list that is of no use: its error is returned, wrapped. nil reads all.
	Expect func(Header) error
}

// Read reads one CRL: DER, or the first block of type X509 CRL in PEM (RFC 5280,
// section 5.1; RFC 7468, section 9). It holds 64 KiB of it at a time, and the
// packed serial numbers; of a list signed with Ed25519, whose signature is not
// over a digest, it keeps all that is signed.
//
// What can be read of a list that is wrong is returned, with List.Flaw. Nothing
// of a list has been verified. The error is an *Error, or wraps that of r, Reserve
// or Expect; it comes without a list.
func Read(r io.Reader, o ReadOptions) (*List, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	input, err := NewInput(&limited{r: r, left: o.MaxBytes})
	if err != nil {
		return nil, err
	}
	return input.Next(o)
}

// read reads a list in DER.
func read(r io.Reader, o ReadOptions) (*List, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	rd := reader{source: newSource(r), o: o, list: &List{}}
	if err := rd.read(); err != nil {
		return nil, err
	}
	return rd.list, nil
}

// limited fails where there is more to read than there may be.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(to []byte) (int, error) {
	// One byte over the limit tells a list of just that size from a longer one.
	if int64(len(to)) > l.left+1 {
		to = to[:l.left+1]
	}
	n, err := 0, error(nil)
	if l.left >= 0 {
		n, err = l.r.Read(to)
	}
	if int64(n) > l.left {
		l.left = -1
		return 0, refuse(TooLarge, "reading CRL: it is too large")
	}
	l.left -= int64(n)
	return n, err
}

// reader reads one list.
type reader struct {
	*source
	o    ReadOptions
	list *List
}

func (r *reader) read() error {
	end, err := r.enter(asn1.SEQUENCE, 1<<32)
	if err != nil {
		return err
	}
	if end > r.o.MaxBytes {
		return refuse(TooLarge, "reading CRL: it is too large")
	}
	r.unsigned = r.start
	tbsEnd, err := r.enter(asn1.SEQUENCE, end)
	if err != nil {
		return err
	}
	sum, inner, err := r.readAlgorithm(tbsEnd)
	if err != nil {
		return err
	}
	if err := r.readHeader(tbsEnd); err != nil {
		return err
	}
	if r.o.Expect != nil {
		if err := r.o.Expect(r.list.Header); err != nil {
			return fmt.Errorf("reading CRL: %w", err)
		}
	}
	entries := newCollector(r.list.RawIssuer, r.reserve, r.list.flawed)
	if err := r.readEntries(entries, tbsEnd); err != nil {
		return err
	}
	if err := r.readListExtensions(tbsEnd); err != nil {
		return err
	}
	if entries.indirect && !r.list.IssuingDistributionPoint.indirect() {
		r.list.flawed(refuse(Malformed, "parsing CRL: entries name certificate issuers, but the list is not indirect"))
	}
	if err := r.endSigned(); err != nil {
		return err
	}
	if err := r.readSignature(inner, end); err != nil {
		return err
	}
	if r.list.message, err = sum.bytes(); err != nil {
		return err
	}
	r.list.entries, err = entries.build()
	return err
}

func (r *reader) reserve(n int) error {
	if r.o.Reserve == nil {
		return nil
	}
	if err := r.o.Reserve(n); err != nil {
		return fmt.Errorf("reading CRL: %w", err)
	}
	return nil
}
