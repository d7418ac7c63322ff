package certheader

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// decode returns the certificates in a value, the client's first. Only XFCC may have none.
func decode(format Format, value string) ([][]byte, error) {
	switch format {
	case Base64Encoded:
		der, err := decodeBase64Encoded(value)
		return [][]byte{der}, err
	case URLEncoded:
		return decodeURLEncoded(value)
	case RFC9440:
		der, err := parseByteSequenceItem(value)
		return [][]byte{der}, err
	case XFCC:
		return decodeXFCC(value)
	case Base64List:
		return decodeBase64List(value)
	case PEM:
		return decodePEM(value, " \t\r\n")
	}
	return nil, fmt.Errorf("format %q is not known", format)
}

// decodeChain returns the certificates in the value of a chain's header.
func decodeChain(format Format, value string) ([][]byte, error) {
	switch format {
	case Base64Encoded:
		der, err := decodeBase64Encoded(value)
		if err != nil {
			return nil, err
		}
		return split(der)
	case RFC9440:
		return parseByteSequenceList(value)
	}
	return decode(format, value)
}

// decodeBase64Encoded reads base64 on one line; some proxies put it in quotes.
func decodeBase64Encoded(value string) ([]byte, error) {
	if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	der, err := decodeBase64(value)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(string(der), "-----BEGIN") {
		return nil, errors.New("it is base64 of PEM: must be base64 of DER, the text between the lines BEGIN and END alone")
	}
	return der, nil
}

// decodeBase64List reads Traefik's header. A space at a comma is how proxies join two headers
// to one, of which the client may have sent the first.
func decodeBase64List(value string) ([][]byte, error) {
	var list [][]byte
	for item := range strings.SplitSeq(value, ",") {
		der, err := decodeBase64(item)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of the list: %w", len(list)+1, err)
		}
		list = append(list, der)
	}
	return list, nil
}

// decodeBase64 reads base64 (RFC 4648, section 4) whose padding may be missing. Unlike
// encoding/base64 it passes over no line ends.
func decodeBase64(value string) ([]byte, error) {
	digits := strings.TrimRight(value, "=")
	if padding := len(value) - len(digits); padding > 2 || padding > 0 && len(value)%4 != 0 {
		return nil, errors.New("its base64 has padding that does not fit its length")
	}
	for i := range len(digits) {
		if !isBase64(digits[i]) {
			return nil, fmt.Errorf("byte %d is %q, which is not in base64's standard alphabet", i+1, digits[i])
		}
	}
	if digits == "" {
		return nil, errors.New("it has a certificate that is empty")
	}
	der, err := base64.RawStdEncoding.DecodeString(digits)
	if err != nil {
		return nil, errors.New("its base64 is cut off")
	}
	return der, nil
}

func isBase64(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '+' || c == '/'
}

// split takes concatenated DER apart.
func split(der []byte) ([][]byte, error) {
	var list [][]byte
	for rest := cryptobyte.String(der); !rest.Empty(); {
		var one cryptobyte.String
		if !rest.ReadASN1Element(&one, asn1.SEQUENCE) {
			return nil, fmt.Errorf("certificate %d is not DER", len(list)+1)
		}
		list = append(list, one)
	}
	return list, nil
}

// decodeURLEncoded reads percent-encoded PEM.
func decodeURLEncoded(value string) ([][]byte, error) {
	text, err := unescape(value)
	if err != nil {
		return nil, err
	}
	return decodePEM(text, "\r\n")
}

// unescape undoes percent-encoding (RFC 3986, section 2.1), once. A plus stays a plus: AWS
// leaves that of base64 as it is.
func unescape(value string) (string, error) {
	var b strings.Builder
	b.Grow(len(value))
	for i := 0; i < len(value); i++ {
		c := value[i]
		if c == '%' {
			if i+2 >= len(value) {
				return "", errors.New("its percent-encoding is cut off")
			}
			high, low := hexDigit(value[i+1]), hexDigit(value[i+2])
			if high < 0 || low < 0 {
				return "", fmt.Errorf("byte %d is %% and not followed by two hexadecimal digits", i+1)
			}
			if c = byte(high<<4 | low); c == '%' {
				return "", errors.New("it is percent-encoded twice")
			}
			i += 2
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

const (
	pemBegin = "-----BEGIN CERTIFICATE-----"
	pemEnd   = "-----END CERTIFICATE-----"
)

// decodePEM reads blocks of PEM (RFC 7468, section 5) and nothing else, at least one. Between
// lines there may be any of the characters in space.
func decodePEM(text, space string) ([][]byte, error) {
	var list [][]byte
	for rest := strings.Trim(text, space); rest != ""; rest = strings.TrimLeft(rest, space) {
		body, ok := strings.CutPrefix(rest, pemBegin)
		if !ok {
			return nil, fmt.Errorf("certificate %d does not begin with %s", len(list)+1, pemBegin)
		}
		body, after, ok := strings.Cut(body, pemEnd)
		if !ok {
			return nil, fmt.Errorf("certificate %d does not end with %s", len(list)+1, pemEnd)
		}
		der, err := decodeBase64(strings.Map(func(r rune) rune {
			if strings.ContainsRune(space, r) {
				return -1
			}
			return r
		}, body))
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(list)+1, err)
		}
		list = append(list, der)
		rest = after
	}
	if len(list) == 0 {
		return nil, errors.New("it has no certificate")
	}
	return list, nil
}
