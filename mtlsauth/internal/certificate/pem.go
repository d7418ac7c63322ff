package certificate

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

const pemBegin = "-----BEGIN"

var (
	beginLine = []byte("-----BEGIN CERTIFICATE-----\n")
	anyEnd    = []byte("\n-----END ")
	endLine   = []byte("\n-----END CERTIFICATE-----")
)

// DecodePEM is pem.Decode, at a third of its cost for what OpenSSL writes, and so
// what nginx hands over: a certificate that the text begins with. Base64 has no
// character that a header, another line of a block or a space is known by, so
// that what decodes here is what pem.Decode returns; all else is left to it.
func DecodePEM(text []byte) (block *pem.Block, rest []byte) {
	if der, rest, ok := decodePlain(text); ok {
		return &pem.Block{Type: "CERTIFICATE", Bytes: der}, rest
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

// InBlock returns the certificate in a PEM block: one without headers that is
// labelled CERTIFICATE (RFC 7468, section 5), X509 CERTIFICATE (an older name)
// or TRUSTED CERTIFICATE, OpenSSL's form, whose trust settings after the
// certificate are left out. Other blocks hold none.
func InBlock(block *pem.Block) (der []byte, ok bool) {
	if block == nil || len(block.Headers) > 0 {
		return nil, false
	}
	switch block.Type {
	case "CERTIFICATE", "X509 CERTIFICATE":
		return block.Bytes, true
	case "TRUSTED CERTIFICATE":
		var first, settings cryptobyte.String
		s := cryptobyte.String(block.Bytes)
		if s.ReadASN1Element(&first, asn1.SEQUENCE) && (s.Empty() || s.ReadASN1(&settings, asn1.SEQUENCE) && s.Empty()) {
			return first, true
		}
	}
	return nil, false
}
