package clientcert

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
)

const (
	pemType  = "CERTIFICATE"
	pemBegin = "-----BEGIN"
)

var (
	beginLine = []byte("-----BEGIN " + pemType + "-----\n")
	anyEnd    = []byte("\n-----END ")
	endLine   = []byte("\n-----END " + pemType + "-----")
)

// decode is pem.Decode, at a third of its cost for what OpenSSL writes, and so
// what nginx hands over: a certificate that the text begins with. Base64 has no
// character that a header, another line of a block or a space is known by, so
// that what decodes here is what pem.Decode returns; all else is left to it.
func decode(text []byte) (block *pem.Block, rest []byte) {
	if der, rest, ok := decodePlain(text); ok {
		return &pem.Block{Type: pemType, Bytes: der}, rest
	}
	return pem.Decode(text)
}

func decodePlain(text []byte) (der, rest []byte, ok bool) {
	body, ok := bytes.CutPrefix(text, beginLine)
	if !ok {
		return nil, nil, false
	}
	end := bytes.Index(body, anyEnd)
	if end < 0 {
		return nil, nil, false
	}
	rest, ok = bytes.CutPrefix(body[end:], endLine)
	if !ok || len(rest) > 0 && rest[0] != '\n' {
		return nil, nil, false
	}
	der = make([]byte, base64.StdEncoding.DecodedLen(end))
	n, err := base64.StdEncoding.Decode(der, body[:end])
	if err != nil {
		return nil, nil, false
	}
	return der[:n], bytes.TrimPrefix(rest, []byte("\n")), true
}
