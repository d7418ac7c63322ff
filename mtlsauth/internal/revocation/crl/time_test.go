package crl_test

import (
	"bytes"
	"testing"

	"mtls-auth/mtlsauth/internal/revocation/crl"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// TestReadTimes gives the second time of the header, nextUpdate, other forms.
func TestReadTimes(t *testing.T) {
	ca := pki.NewCA("ca")
	for text, want := range map[string]string{
		"\x17\x0d491231235959Z":       "2049-12-31 23:59:59 +0000 UTC",
		"\x17\x0d500101000000Z":       "1950-01-01 00:00:00 +0000 UTC",
		"\x17\x0d240229000000Z":       "2024-02-29 00:00:00 +0000 UTC",
		"\x18\x0f20240229000000Z":     "2024-02-29 00:00:00 +0000 UTC",
		"\x18\x0f21000228000000Z":     "2100-02-28 00:00:00 +0000 UTC",
		"\x18\x0f21000229000000Z":     "malformed",
		"\x17\x0d230229000000Z":       "malformed",
		"\x17\x0d240431000000Z":       "malformed",
		"\x17\x0d240001000000Z":       "malformed",
		"\x17\x0d241301000000Z":       "malformed",
		"\x17\x0d240100000000Z":       "malformed",
		"\x17\x0d240101240000Z":       "malformed",
		"\x17\x0d240101006000Z":       "malformed",
		"\x17\x0d240101000060Z":       "malformed",
		"\x17\x0d2401010000000":       "malformed",
		"\x17\x0d2401 1000000Z":       "malformed",
		"\x17\x0dx40101000000Z":       "malformed",
		"\x18\x0fx0240101000000Z":     "malformed",
		"\x18\x0f2x240101000000Z":     "malformed",
		"\x17\x0b2401010000Z":         "malformed",
		"\x17\x112401010000000100":    "malformed",
		"\x17\x11240101000000+0100":   "malformed",
		"\x18\x1120240101000000.5Z":   "2024-01-01 00:00:00 +0000 UTC",
		"\x18\x1020240101000000.Z":    "malformed",
		"\x18\x1220240101000000.5+Z":  "malformed",
		"\x18\x1320240101000000+0100": "malformed",
	} {
		list := pki.CRL{Issuer: ca, NoNextUpdate: true, NoKeyID: true, Edit: func(content []byte) []byte {
			i := bytes.LastIndexByte(content, 'Z') + 1
			return append(bytes.Clone(content[:i]), append([]byte(text), content[i:]...)...)
		}}
		l, err := crl.Read(bytes.NewReader(list.DER()), crl.ReadOptions{})
		got := flawOf(l, err)
		if got == "" {
			got = l.NextUpdate.String()
		}
		if got != want {
			t.Errorf("%q: got %s (%v), want %s", text[2:], got, err, want)
		}
	}
}
