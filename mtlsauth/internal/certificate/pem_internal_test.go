package certificate

import (
	"bytes"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
)

const plain = "-----BEGIN CERTIFICATE-----\nMIIB\nAAAA\n-----END CERTIFICATE-----\n"

// odd are texts near the plain form, each with what is not plain about it.
var odd = map[string]string{
	"no text":             "",
	"CRLF":                strings.ReplaceAll(plain, "\n", "\r\n"),
	"space":               strings.Replace(plain, "MIIB", "MI IB", 1),
	"header":              strings.Replace(plain, "MIIB", "A: b\n\nMIIB", 1),
	"colon in the base64": strings.Replace(plain, "MIIB", "MI:B", 1),
	"nothing in it":       "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
	"an empty line in it": "-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----\n",
	"no last line":        strings.TrimSuffix(plain, "\n"),
	"space after it":      strings.TrimSuffix(plain, "\n") + " \n",
	"text after it":       strings.TrimSuffix(plain, "\n") + "x\n",
	"another end first":   strings.Replace(plain, "AAAA", "-----END X-----", 1),
	"begun twice":         strings.Replace(plain, "AAAA\n", plain, 1),
	"broken base64":       strings.Replace(plain, "AAAA", "AAA", 1) + plain,
	"padding within":      strings.Replace(plain, "MIIB", "MI==", 1) + plain,
	"another type":        strings.ReplaceAll(plain, "CERTIFICATE", "X509 CRL"),
	"two types":           strings.Replace(plain, "END CERTIFICATE", "END X509 CRL", 1),
	"text before":         "x\n" + plain,
	"two":                 plain + plain,
	"two, a line between": plain + "\n" + plain,
}

func same(t *testing.T, name string, text []byte) {
	t.Helper()
	got, rest := DecodePEM(text)
	want, wantRest := pem.Decode(text)
	switch {
	case (got == nil) != (want == nil):
		t.Errorf("%s: got %v, pem.Decode %v", name, got, want)
	case got != nil && (got.Type != want.Type || len(got.Headers) != len(want.Headers) || !bytes.Equal(got.Bytes, want.Bytes)):
		t.Errorf("%s: got %v, pem.Decode %v", name, got, want)
	case !bytes.Equal(rest, wantRest):
		t.Errorf("%s: left %q, pem.Decode %q", name, rest, wantRest)
	}
}

func TestDecodeIsPEM(t *testing.T) {
	if _, rest, ok := decodePlain([]byte(plain + "x")); !ok || string(rest) != "x" {
		t.Errorf("what OpenSSL writes is not plain: %v, %q", ok, rest)
	}
	same(t, "plain", []byte(plain))
	for name, text := range odd {
		same(t, name, []byte(text))
	}
	// Each byte of it replaced by each that means something.
	for i := range len(plain) {
		for _, c := range "\n\r\t -:=+AE\x00" {
			text := []byte(plain + plain)
			text[i] = byte(c)
			same(t, string(text), text)
			same(t, string(text)+", inserted", slices.Insert([]byte(plain+plain), i, byte(c)))
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(plain))
	for _, text := range odd {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { same(t, "fuzzed", text) })
}
