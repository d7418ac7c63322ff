package authn

import (
	"bytes"
	"testing"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// Serial numbers that no CA should give (RFC 5280, section 4.1.2.2) are written as OpenSSL's
// BN_bn2hex writes them.
func TestOddSerialNumbers(t *testing.T) {
	der := pki.NewSelfSigned("a", pki.Serial(0x7f)).Raw
	for content, want := range map[byte]string{0x7f: "7F", 0: "00", 0xff: "-01", 0x80: "-80"} {
		odd, err := certificate.Parse(bytes.Replace(bytes.Clone(der), []byte{2, 1, 0x7f}, []byte{2, 1, content}, 1))
		if err != nil {
			t.Fatal(err)
		}
		if got := serialNumber(odd); got != want {
			t.Errorf("%#x: %q, want %q", content, got, want)
		}
	}
}
