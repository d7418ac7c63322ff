package certheader

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// decodeXFCC reads Envoy's x-forwarded-client-cert: one element, of pairs of key and value.
// It returns no certificate where the element has none.
//
// Envoy writes values of By, URI and DNS as they are, so that a client that chooses a SAN of its
// certificate can write pairs and whole elements after them, whose Hash fits. Hence an
// element must be the only one and must not have a key twice, and Hash, which Envoy writes
// before any SAN, must be that of the certificate.
func decodeXFCC(value string) ([][]byte, error) {
	if value[0] == '{' || value[0] == '[' {
		return nil, &Error{Token: XFCCJSON, Detail: "JSON is not read"}
	}
	pairs, err := parseXFCC(value)
	if err != nil {
		return nil, err
	}
	if pairs["cert"] == "" && pairs["chain"] == "" {
		return nil, nil
	}
	var cert, chain [][]byte
	if text := pairs["cert"]; text != "" {
		if cert, err = decodeURLEncoded(text); err != nil {
			return nil, fmt.Errorf("key Cert: %w", err)
		}
		if len(cert) != 1 {
			return nil, errors.New("key Cert: it has several certificates")
		}
	}
	if text := pairs["chain"]; text != "" {
		if chain, err = decodeURLEncoded(text); err != nil {
			return nil, fmt.Errorf("key Chain: %w", err)
		}
		if cert != nil && !bytes.Equal(cert[0], chain[0]) {
			return nil, errors.New("key Chain: its first certificate is not that of Cert")
		}
		cert = chain
	}
	hash, err := hex.DecodeString(pairs["hash"])
	if sum := sha256.Sum256(cert[0]); err != nil || !bytes.Equal(hash, sum[:]) {
		return nil, &Error{Token: HashMismatch, Detail: "Hash is not the SHA-256 of the certificate"}
	}
	return cert, nil
}

// xfccKeys are Envoy's keys in lower case, and whether one may come again.
var xfccKeys = map[string]bool{"by": true, "hash": false, "cert": false, "chain": false, "subject": false, "uri": true, "dns": true}

// parseXFCC returns the values of the one element by their keys in lower case.
func parseXFCC(value string) (map[string]string, error) {
	pairs := make(map[string]string)
	for rest := value; ; {
		key, after, ok := strings.Cut(rest, "=")
		if !ok {
			return nil, errors.New("a pair has no =")
		}
		key = strings.ToLower(key)
		mayRepeat, known := xfccKeys[key]
		if !known {
			return nil, errors.New("it has a key that Envoy does not write")
		}
		if _, seen := pairs[key]; seen && !mayRepeat {
			return nil, &Error{Token: XFCCRepeat, Detail: "the element has " + key + " twice"}
		}
		text, after, err := xfccValue(after)
		if err != nil {
			return nil, err
		}
		pairs[key] = text
		if after == "" {
			return pairs, nil
		}
		if after[0] == ',' {
			return nil, &Error{Token: XFCCElements, Detail: "it has more than one element, of which the client may have written any"}
		}
		rest = after[1:] // after ;
	}
}

// xfccValue reads a value, in quotes or not, up to the comma, the semicolon or the end.
func xfccValue(rest string) (text, after string, err error) {
	if !strings.HasPrefix(rest, `"`) {
		n := strings.IndexAny(rest, ",;")
		if n < 0 {
			n = len(rest)
		}
		if strings.Contains(rest[:n], `"`) {
			return "", "", errors.New("a value has a quotation mark within it")
		}
		return rest[:n], rest[n:], nil
	}
	var b strings.Builder
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '\\' && i+1 < len(rest):
			i++
			b.WriteByte(rest[i])
		case c == '"':
			after = rest[i+1:]
			if after != "" && after[0] != ',' && after[0] != ';' {
				return "", "", errors.New("there is something after a quotation mark")
			}
			return b.String(), after, nil
		default:
			b.WriteByte(c)
		}
	}
	return "", "", errors.New("a quotation mark is not closed")
}
