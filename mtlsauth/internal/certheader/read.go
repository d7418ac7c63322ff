package certheader

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxValue bounds what is read of one header, in bytes.
const maxValue = 64 << 10

// Read returns the certificates that a proxy handed over. It is an *[Error] where there may
// be one that is not to be believed or cannot be read; and no error, and no Leaf, where
// there is none.
//
// The header has to come exactly once and in the configured spelling: nginx, and so Kong,
// takes _ and - for the same, so that a client could send the other spelling past a proxy
// that replaces its own.
func (s *Settings) Read(r Request) (Certificates, error) {
	if s.SecureSource && !r.Trusted {
		if slices.ContainsFunc(r.Lines, func(line Line) bool { return sameFolded(line.Name, s.Name) }) {
			return Certificates{}, &Error{Token: UntrustedPeer, Header: s.Name, Detail: "the TCP peer is not in Kong's trusted_ips"}
		}
		return Certificates{}, nil
	}
	lines, err := lines(r, s.Name)
	if err != nil || len(lines) == 0 {
		return Certificates{}, err
	}
	value, err := single(s.Name, lines)
	if err != nil || isNone(s.Format, value) {
		return Certificates{}, err
	}
	leaf, err := decode(s.Format, value)
	if err != nil {
		return Certificates{}, refused(err, s.Name, value)
	}
	if len(leaf) == 0 { // XFCC without a certificate
		return Certificates{}, nil
	}
	certs := Certificates{Leaf: leaf[0], Chain: leaf[1:]}
	if err := s.readChain(&certs, r); err != nil {
		return Certificates{}, err
	}
	if err := s.verified(r); err != nil {
		return Certificates{}, err
	}
	return certs, nil
}

// readChain adds what the chain's header has.
func (s *Settings) readChain(certs *Certificates, r Request) error {
	if s.ChainName == "" {
		return nil
	}
	lines, err := lines(r, s.ChainName)
	if err != nil || len(lines) == 0 {
		return err
	}
	var value string
	if s.Format == RFC9440 { // which may be split (RFC 8941, section 4.2)
		value = strings.Join(lines, ",")
	} else if value, err = single(s.ChainName, lines); err != nil {
		return err
	}
	value = trim(value)
	if isNone(s.Format, value) {
		return nil
	}
	if len(value) > maxValue {
		return refused(&Error{Token: TooLarge}, s.ChainName, value)
	}
	chain, err := decodeChain(s.Format, value)
	if err != nil {
		return refused(err, s.ChainName, value)
	}
	certs.Chain = append(certs.Chain, chain...)
	return nil
}

// verified refuses what the proxy itself has not verified. Its verdict admits nothing.
func (s *Settings) verified(r Request) error {
	if s.VerificationName == "" {
		return nil
	}
	lines, err := lines(r, s.VerificationName)
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		return &Error{Token: NotVerified, Header: s.VerificationName, Detail: "it was not sent"}
	}
	value, err := single(s.VerificationName, lines)
	if err != nil {
		return err
	}
	if !slices.Contains(s.VerificationValues, value) {
		return refused(&Error{Token: NotVerified, Detail: "its value is not among verification_header_values"}, s.VerificationName, value)
	}
	return nil
}

// lines returns the values of a header, which must come in its own spelling alone.
func lines(r Request, name string) (values []string, err error) {
	for _, line := range r.Lines {
		if !sameFolded(line.Name, name) {
			continue
		}
		if !strings.EqualFold(line.Name, name) {
			return nil, &Error{Token: Twin, Header: name, Detail: fmt.Sprintf("it came as %q", strings.ToLower(line.Name))}
		}
		values = append(values, line.Value)
	}
	if r.Incomplete {
		return nil, &Error{Token: TooMany, Header: name, Detail: "it may be among those that were not read"}
	}
	return values, nil
}

// single returns the one value of a header, without space around it.
func single(name string, lines []string) (string, error) {
	if len(lines) > 1 {
		return "", &Error{Token: Duplicate, Header: name, Detail: fmt.Sprintf("it came %d times", len(lines))}
	}
	value := trim(lines[0])
	if len(value) > maxValue {
		return "", refused(&Error{Token: TooLarge}, name, value)
	}
	return value, nil
}

// refused completes an error about a value.
func refused(err error, name, value string) error {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Token: BadEncoding, Detail: err.Error()}
	}
	e.Header, e.Fingerprint = name, sha256.Sum256([]byte(value))
	e.Detail = strings.TrimPrefix(fmt.Sprintf("%s; it has %d bytes", e.Detail, len(value)), "; ")
	return e
}

// trim takes the space away that is not part of a field's value (RFC 9110, section 5.5).
func trim(value string) string { return strings.Trim(value, " \t") }

// caddyPlaceholder begins the text that Caddy sends in place of a certificate where there is
// none (seen with 2.11.1).
const caddyPlaceholder = "{http.request.tls.client."

// isNone tells whether a proxy sends this value where it has no certificate.
func isNone(format Format, value string) bool {
	switch value {
	case "", "(null)": // HAProxy; Apache httpd
		return true
	case "::": // an empty Byte Sequence, of a template with an empty variable
		return format == RFC9440
	}
	if format == RFC9440 && len(value) > 1 && value[0] == ':' && value[len(value)-1] == ':' {
		value = value[1 : len(value)-1]
	}
	name, ok := strings.CutPrefix(value, caddyPlaceholder)
	return ok && len(name) > 1 && strings.IndexByte(name, '}') == len(name)-1
}
