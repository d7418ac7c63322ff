package crl

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"io"
)

const (
	pemBegin = "-----BEGIN X509 CRL-----"
	pemEnd   = "-----END X509 CRL-----"

	// maxLeadingSpace bounds the blank lines before a PEM block.
	maxLeadingSpace = 1024
)

// unwrap returns a reader of the DER: the input itself, or where it begins with
// a dash or white space, what the one PEM block in it holds (RFC 7468, section
// 9). A block with headers is refused, and so is anything but white space
// around it.
func unwrap(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 4096)
	for spaces := range maxLeadingSpace {
		first, err := b.ReadByte()
		if err != nil {
			return nil, readError(err)
		}
		if isSpace(first) {
			continue
		}
		if err := b.UnreadByte(); err != nil {
			return nil, err
		}
		if first != '-' && spaces > 0 {
			break
		}
		if first != '-' {
			return b, nil
		}
		if err := pemLine(b, pemBegin); err != nil {
			return nil, err
		}
		return base64.NewDecoder(base64.StdEncoding.Strict(), &pemBody{b: b}), nil
	}
	return nil, refuse(Malformed, "parsing CRL: white space before what is no PEM block")
}

// pemBody reads the lines of a PEM block up to the one that ends it, and fails
// at what comes after that.
type pemBody struct {
	b      *bufio.Reader
	padded bool
	err    error
}

func (p *pemBody) Read(to []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	n := 0
	for n < len(to) {
		c, err := p.b.ReadByte()
		switch {
		case err != nil:
			p.err = readError(err)
			return n, p.err
		case c == '-':
			p.err = p.end()
			return n, p.err
		case c == '=':
			p.padded = true
		case c == '\r' || c == '\n':
			// The decoder would pass over them as well.
			continue
		case p.padded:
			// Which the decoder does not see when its buffer ends there.
			p.err = refuse(Malformed, "parsing CRL: PEM goes on after its padding")
			return n, p.err
		}
		to[n] = c
		n++
	}
	return n, nil
}

func (p *pemBody) end() error {
	if err := p.b.UnreadByte(); err != nil {
		return err
	}
	if err := pemLine(p.b, pemEnd); err != nil {
		return err
	}
	for {
		c, err := p.b.ReadByte()
		if err == io.EOF {
			return io.EOF
		}
		if err != nil {
			return readError(err)
		}
		if !isSpace(c) {
			return refuse(Malformed, "parsing CRL: data after the PEM block")
		}
	}
}

// pemLine takes a line that says exactly this, but for spaces at its end. The
// last line of all may do without a line break.
func pemLine(b *bufio.Reader, want string) error {
	line, err := b.ReadSlice('\n')
	if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
		return readError(err)
	}
	if string(bytes.TrimRight(line, " \t\r\n")) != want {
		return refuse(Malformed, "parsing CRL: not a PEM block of type X509 CRL")
	}
	return nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
