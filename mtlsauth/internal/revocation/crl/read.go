package crl

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/signature"
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

	// AllowSHA1 reads lists that are signed with SHA-1, to look at. Verify
	// refuses them all the same.
	AllowSHA1 bool
}

// Read reads one CRL to the end of r: DER, or where it begins with a dash one
// PEM block of type X509 CRL (RFC 5280, section 5.1; RFC 7468, section 9). It
// holds 64 KiB of it at a time, and the packed serial numbers; of a list signed
// with Ed25519, whose signature is not over a digest, it keeps all that is
// signed.
//
// What it returns is well-formed and has no critical extension that is unknown
// here, but its signature, scope and times have not been looked at. The error is
// an *Error, or wraps that of r, Reserve or Expect; it comes without a list.
func Read(r io.Reader, o ReadOptions) (*List, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	der, err := unwrap(&limited{r: r, left: o.MaxBytes})
	if err != nil {
		return nil, err
	}
	rd := reader{source: newSource(der), o: o, list: &List{}}
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
	n, err := l.r.Read(to)
	if int64(n) > l.left {
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
	entries := newCollector(r.list.RawIssuer, r.reserve)
	if err := r.readEntries(entries, tbsEnd); err != nil {
		return err
	}
	if err := r.readListExtensions(tbsEnd); err != nil {
		return err
	}
	if entries.indirect && !r.list.IssuingDistributionPoint.indirect() {
		return refuse(Malformed, "parsing CRL: entries name certificate issuers, but the list is not indirect")
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

var errMalformed = refuse(Malformed, "parsing CRL: malformed DER")

// readAlgorithm reads version and signature algorithm, and begins to digest.
// Without version 2 there are no extensions (RFC 5280, section 5.1.2.1), and
// thus no CRL number.
func (r *reader) readAlgorithm(limit int64) (sum, []byte, error) {
	version, err := r.element(asn1.INTEGER, limit)
	if err != nil {
		return nil, nil, err
	}
	if string(version) != "\x02\x01\x01" {
		return nil, nil, refuse(Malformed, "parsing CRL: not of version 2")
	}
	element, err := r.element(asn1.SEQUENCE, limit)
	if err != nil {
		return nil, nil, err
	}
	inner := bytes.Clone(element)
	algorithm, err := signature.Parse(inner)
	if err != nil {
		return nil, nil, refusef(WeakAlgorithm, "parsing CRL: %w", err)
	}
	if algorithm.Insecure() && !r.o.AllowSHA1 {
		return nil, nil, refusef(WeakAlgorithm, "CRL is signed with %v", algorithm)
	}
	r.list.Algorithm = algorithm
	sum := newSum(algorithm, r.reserve)
	r.signed = sum
	return sum, inner, nil
}

func (r *reader) readHeader(limit int64) error {
	issuer, err := r.element(asn1.SEQUENCE, limit)
	if err != nil {
		return err
	}
	// Section 5.1.2.3: the name is not empty.
	if len(issuer) == 2 || !isName(issuer) {
		return refuse(Malformed, "parsing CRL: malformed issuer")
	}
	r.list.RawIssuer = bytes.Clone(issuer)
	thisUpdate, present, err := r.readTime(limit)
	if err != nil {
		return err
	}
	if !present {
		return refuse(Malformed, "parsing CRL: no thisUpdate")
	}
	r.list.ThisUpdate = thisUpdate
	r.list.NextUpdate, _, err = r.readTime(limit)
	return err
}

func (r *reader) readTime(limit int64) (at time.Time, present bool, err error) {
	tag, more, err := r.next(limit)
	if err != nil || !more || tag != asn1.UTCTime && tag != asn1.GeneralizedTime {
		return time.Time{}, false, err
	}
	element, err := r.element(tag, limit)
	if err != nil {
		return time.Time{}, false, err
	}
	c, ok := readTime(&element)
	if !ok {
		return time.Time{}, false, refuse(Malformed, "parsing CRL: malformed time")
	}
	return c.time(), true, nil
}

func (r *reader) readEntries(entries *collector, limit int64) error {
	tag, more, err := r.next(limit)
	if err != nil || !more || tag != asn1.SEQUENCE {
		return err
	}
	end, err := r.enter(asn1.SEQUENCE, limit)
	if err != nil {
		return err
	}
	for r.pos < end {
		element, err := r.element(asn1.SEQUENCE, end)
		if err != nil {
			return err
		}
		if err := entries.add(element); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) readListExtensions(limit int64) error {
	_, more, err := r.next(limit)
	if err != nil || !more {
		return err
	}
	element, err := r.element(constructed(0), limit)
	if err != nil {
		return err
	}
	var content cryptobyte.String
	if !element.ReadASN1(&content, constructed(0)) {
		return errMalformed
	}
	if err := r.list.readExtensions(content); err != nil {
		return err
	}
	if r.pos != limit {
		return errMalformed
	}
	return nil
}

// readSignature reads what follows the signed part. The algorithm there is the
// same as inside, byte for byte (section 5.1.1.2).
func (r *reader) readSignature(inner []byte, limit int64) error {
	outer, err := r.element(asn1.SEQUENCE, limit)
	if err != nil {
		return err
	}
	if !bytes.Equal(outer, inner) {
		return refuse(Malformed, "parsing CRL: signature algorithms inside and outside differ")
	}
	element, err := r.element(asn1.BIT_STRING, limit)
	if err != nil {
		return err
	}
	var content []byte
	if !element.ReadASN1BitStringAsBytes(&content) || r.pos != limit {
		return refuse(Malformed, "parsing CRL: malformed signature")
	}
	r.list.signature = bytes.Clone(content)
	return r.ended()
}
