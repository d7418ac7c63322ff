package crl

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
)

const (
	pemBegin = "-----BEGIN "
	pemEnd   = "-----END "
	pemType  = "X509 CRL-----"

	// maxLine bounds a line that is looked at. Longer ones are text, or base64
	// without line breaks.
	maxLine = 4096
)

// Input reads the lists of a file: one in DER, or all blocks of type X509 CRL in
// PEM. Text between blocks, as openssl crl -text writes it, and blocks of other
// types, such as the certificate of the CA, are left aside. A byte order mark and
// white space may come first.
type Input struct {
	b   *bufio.Reader
	der bool
	pem *pemBody
	// Aside counts what was left aside: lines of text, and blocks by their type.
	Text   int
	Blocks map[string]int
	lists  int
}

// NewInput returns an Input that reads from r.
func NewInput(r io.Reader) (*Input, error) {
	in := &Input{b: bufio.NewReaderSize(r, maxLine), Blocks: make(map[string]int)}
	if mark, _ := in.b.Peek(3); string(mark) == "\xef\xbb\xbf" {
		in.b.Discard(3)
	}
	for {
		first, err := in.b.ReadByte()
		if err != nil {
			return nil, readError(err)
		}
		if isSpace(first) {
			continue
		}
		in.der = first == 0x30
		return in, in.b.UnreadByte()
	}
}

// Next reads the next list. At the end of the input it returns io.EOF, but before
// the first list an *Error. After any other error there may be more lists.
func (in *Input) Next(o ReadOptions) (*List, error) {
	if in.der {
		if in.lists > 0 {
			return nil, io.EOF
		}
		in.lists++
		return read(in.b, o)
	}
	if err := in.seek(); err != nil {
		if err == io.EOF && in.lists == 0 {
			err = refuse(Malformed, "neither a CRL in DER nor a PEM block of type X509 CRL")
		}
		return nil, err
	}
	in.lists++
	return read(base64.NewDecoder(base64.StdEncoding, in.pem), o)
}

// seek goes on to the content of the next block.
func (in *Input) seek() error {
	if in.pem != nil { // what the last list left
		if _, err := io.Copy(io.Discard, in.pem); err != nil {
			return err
		}
		in.pem = nil
	}
	other := false
	for {
		line, err := in.line()
		kind, begins := bytes.CutPrefix(line, []byte(pemBegin))
		switch {
		case begins && string(kind) == pemType:
			in.pem = &pemBody{in: in}
			return nil
		case begins:
			other = true
			in.Blocks[string(bytes.TrimRight(kind[:min(len(kind), 40)], "-"))]++
		case bytes.HasPrefix(line, []byte(pemEnd)):
			other = false
		case !other && len(line) > 0:
			in.Text++
		}
		if err != nil {
			return err
		}
	}
}

// line reads a line, or the beginning of a long one, without spaces at its ends.
func (in *Input) line() ([]byte, error) {
	line, err := in.b.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		err = nil
	}
	if err != nil && err != io.EOF {
		err = readError(err)
	}
	return bytes.TrimSpace(line), err
}

// pemBody reads the base64 of a block up to the line that ends it.
type pemBody struct {
	in   *Input
	left []byte
	err  error
}

func (p *pemBody) Read(to []byte) (int, error) {
	for len(p.left) == 0 {
		if p.err != nil {
			return 0, p.err
		}
		line, err := p.in.line()
		switch {
		case bytes.HasPrefix(line, []byte(pemEnd)):
			p.err = io.EOF
			continue
		case err == io.EOF:
			p.err = refusef(Malformed, "parsing CRL: a PEM block without an end: %w", io.ErrUnexpectedEOF)
		case err != nil:
			p.err = err
		case bytes.ContainsRune(line, ':'):
			p.err = refuse(Malformed, "parsing CRL: a PEM block with headers")
			continue
		}
		p.left = line
	}
	n := copy(to, p.left)
	p.left = p.left[n:]
	return n, nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// Aside says what was left aside, "" for nothing.
func (in *Input) Aside() string {
	var out []byte
	if in.Text > 0 {
		out = fmt.Appendf(out, "%d lines of text", in.Text)
	}
	for kind, n := range in.Blocks {
		if len(out) > 0 {
			out = append(out, ", "...)
		}
		out = fmt.Appendf(out, "%d blocks of type %q", n, kind)
	}
	return string(out)
}
