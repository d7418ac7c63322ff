package certheader

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Structured fields (RFC 8941, section 4.2), as far as RFC 9440 needs them. Parameters are
// read and have no meaning.

// parseByteSequenceItem reads an Item that is a Byte Sequence: RFC 9440's Client-Cert.
func parseByteSequenceItem(value string) ([]byte, error) {
	s := structured(strings.Trim(value, " "))
	der, err := s.byteSequence()
	if err != nil {
		return nil, err
	}
	if err := s.parameters(); err != nil {
		return nil, err
	}
	if s != "" {
		return nil, errors.New("there is something after the byte sequence")
	}
	return der, nil
}

// parseByteSequenceList reads a List of Byte Sequences, without inner lists: RFC 9440's
// Client-Cert-Chain, its lines joined.
func parseByteSequenceList(value string) ([][]byte, error) {
	var list [][]byte
	for s := structured(strings.Trim(value, " ")); s != ""; {
		der, err := s.byteSequence()
		if err == nil {
			err = s.parameters()
		}
		if err != nil {
			return nil, fmt.Errorf("certificate %d of the list: %w", len(list)+1, err)
		}
		list = append(list, der)
		s.skip(" \t")
		if s == "" {
			break
		}
		if !s.next(',') {
			return nil, fmt.Errorf("after certificate %d of the list there is no comma", len(list))
		}
		s.skip(" \t")
		if s == "" {
			return nil, errors.New("the list ends with a comma")
		}
	}
	return list, nil
}

// structured is what is left to read of a structured field.
type structured string

func (s *structured) skip(characters string) {
	*s = structured(strings.TrimLeft(string(*s), characters))
}

// next reads one character, if it is this one.
func (s *structured) next(c byte) bool {
	if *s == "" || (*s)[0] != c {
		return false
	}
	*s = (*s)[1:]
	return true
}

// while reads the longest beginning of characters that belong to it.
func (s *structured) while(belongs func(byte) bool) string {
	n := 0
	for n < len(*s) && belongs((*s)[n]) {
		n++
	}
	read := string((*s)[:n])
	*s = (*s)[n:]
	return read
}

// byteSequence reads a Byte Sequence (section 4.2.7) that is not empty.
func (s *structured) byteSequence() ([]byte, error) {
	if !s.next(':') {
		return nil, errors.New("it does not begin with a colon")
	}
	content, rest, ok := strings.Cut(string(*s), ":")
	if !ok {
		return nil, errors.New("there is no colon at its end")
	}
	*s = structured(rest)
	return decodeBase64(content)
}

// parameters reads Parameters (section 4.2.3.2).
func (s *structured) parameters() error {
	for s.next(';') {
		s.skip(" ")
		if *s == "" || !isLower((*s)[0]) && (*s)[0] != '*' {
			return errors.New("a parameter has no name")
		}
		s.while(func(c byte) bool { return isLower(c) || isDigit(c) || strings.IndexByte("_-.*", c) >= 0 })
		if s.next('=') && !s.bareItem() {
			return errors.New("a parameter has a value that cannot be read")
		}
	}
	return nil
}

// bareItem reads a Bare Item (section 4.2.3.1) and tells whether there was one.
func (s *structured) bareItem() bool {
	if *s == "" {
		return false
	}
	switch c := (*s)[0]; {
	case c == '-' || isDigit(c):
		return s.number()
	case c == '"':
		return s.quoted()
	case c == '*' || isLower(c) || 'A' <= c && c <= 'Z':
		s.while(func(c byte) bool {
			return isLower(c) || 'A' <= c && c <= 'Z' || isDigit(c) || strings.IndexByte("!#$%&'*+-.^_`|~:/", c) >= 0
		})
		return true
	case c == ':':
		content, rest, ok := strings.Cut(string((*s)[1:]), ":")
		*s = structured(rest)
		_, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(content, "="))
		return ok && err == nil && !strings.ContainsAny(content, "\r\n")
	case c == '?':
		*s = (*s)[1:]
		return s.next('0') || s.next('1')
	}
	return false
}

// number reads an Integer or a Decimal (section 4.2.4).
func (s *structured) number() bool {
	s.next('-')
	whole := s.while(isDigit)
	if !s.next('.') {
		return len(whole) > 0 && len(whole) <= 15
	}
	part := s.while(isDigit)
	return len(whole) > 0 && len(whole) <= 12 && len(part) > 0 && len(part) <= 3
}

// quoted reads a String (section 4.2.5).
func (s *structured) quoted() bool {
	s.next('"')
	for *s != "" {
		switch c := (*s)[0]; {
		case c == '"':
			*s = (*s)[1:]
			return true
		case c == '\\':
			if len(*s) < 2 || (*s)[1] != '"' && (*s)[1] != '\\' {
				return false
			}
			*s = (*s)[2:]
		case c < ' ' || c > '~':
			return false
		default:
			*s = (*s)[1:]
		}
	}
	return false
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
