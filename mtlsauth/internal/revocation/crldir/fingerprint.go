package crldir

import (
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"io"
)

// fingerprint is the digest of a list's DER in base64, which is what a PEM file
// holds: one list is known as one in either form.
type fingerprint [sha256.Size]byte

// fingerprinter takes the fingerprint of a file while it is read. It relies on
// crl.Read to accept nothing but DER, or one PEM block, strictly encoded, with
// white space around it.
type fingerprinter struct {
	hash   hash.Hash
	base64 io.WriteCloser // of DER; nil for PEM or where nothing has been read
	begun  bool
	dashes bool // within a line that begins with a dash
}

func newFingerprinter() *fingerprinter { return &fingerprinter{hash: sha256.New()} }

func (f *fingerprinter) Write(p []byte) (int, error) {
	rest := p
	if !f.begun {
		for len(rest) > 0 && isSpace(rest[0]) {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			return len(p), nil
		}
		f.begun = true
		if rest[0] != '-' {
			f.base64 = base64.NewEncoder(base64.StdEncoding, f.hash)
		}
	}
	if f.base64 != nil {
		_, err := f.base64.Write(rest)
		return len(p), err
	}
	f.text(rest)
	return len(p), nil
}

// text digests what of PEM is neither white space nor one of the lines around
// the base64.
func (f *fingerprinter) text(p []byte) {
	from := 0
	flush := func(to int) {
		f.hash.Write(p[from:to])
		from = to + 1
	}
	for i, c := range p {
		switch {
		case f.dashes:
			f.dashes = c != '\n'
			from = i + 1
		case c == '-':
			f.dashes = true
			flush(i)
		case isSpace(c):
			flush(i)
		}
	}
	if from < len(p) {
		flush(len(p))
	}
}

func (f *fingerprinter) sum() fingerprint {
	if f.base64 != nil {
		f.base64.Close() // a hash takes everything
	}
	return fingerprint(f.hash.Sum(nil))
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
