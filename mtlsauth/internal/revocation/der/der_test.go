package der_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"mtls-auth/mtlsauth/internal/revocation/der"
)

// element encodes a short element.
func element(tag byte, content string) string {
	return string([]byte{tag, byte(len(content))}) + content
}

const utc, generalized = 0x17, 0x18

func TestReadTime(t *testing.T) {
	for _, test := range []struct {
		name string
		tag  byte
		text string
		want string // RFC 3339; empty for an error
	}{
		{"UTCTime", utc, "260229235959Z", ""}, // no leap year
		{"UTCTime of a leap year", utc, "240229235959Z", "2024-02-29T23:59:59Z"},
		{"UTCTime's first year", utc, "500101000000Z", "1950-01-01T00:00:00Z"},
		{"UTCTime's last year", utc, "491231235959Z", "2049-12-31T23:59:59Z"},
		{"UTCTime without seconds", utc, "2601010000Z", ""},
		{"UTCTime of another zone", utc, "260101000000+0100", ""},
		{"UTCTime without a zone", utc, "260101000000", ""},
		{"UTCTime with a fraction", utc, "260101000000.5Z", ""},
		{"GeneralizedTime", generalized, "20260131235959Z", "2026-01-31T23:59:59Z"},
		{"GeneralizedTime of the year 0", generalized, "00000101000000Z", "0000-01-01T00:00:00Z"},
		{"no end", generalized, "99991231235959Z", "9999-12-31T23:59:59Z"},
		{"a century that is no leap year", generalized, "21000229000000Z", ""},
		{"a century that is one", generalized, "20000229000000Z", "2000-02-29T00:00:00Z"},
		{"a fraction", generalized, "20260131235959.123Z", "2026-01-31T23:59:59Z"},
		{"a fraction after a comma", generalized, "20260131235959,1Z", "2026-01-31T23:59:59Z"},
		{"a fraction of no digits", generalized, "20260131235959.Z", ""},
		{"a fraction without a zone", generalized, "20260131235959.5", ""},
		{"without seconds", generalized, "202601312359Z", ""},
		{"month 0", generalized, "20260031235959Z", ""},
		{"month 13", generalized, "20261331235959Z", ""},
		{"day 0", generalized, "20260100235959Z", ""},
		{"April 31", generalized, "20260431235959Z", ""},
		{"hour 24", generalized, "20260131245959Z", ""},
		{"minute 60", generalized, "20260131236059Z", ""},
		{"second 60", generalized, "20260131235960Z", ""},
		{"a sign for a digit", generalized, "20260131-35959Z", ""},
		{"a letter for a digit", generalized, "2026013123595xZ", ""},
		{"empty", generalized, "", ""},
		{"another type", 0x0c, "20260131235959Z", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := cryptobyte.String(element(test.tag, test.text) + "rest")
			got, ok := der.ReadTime(&s)
			if ok != (test.want != "") || ok && (got.Format(time.RFC3339) != test.want || got.Location() != time.UTC) {
				t.Errorf("got %v, %v, want %q", got, ok, test.want)
			}
			if ok && string(s) != "rest" {
				t.Errorf("left %q, want what follows", s)
			}
			again := cryptobyte.String(element(test.tag, test.text))
			if skipped := der.SkipTime(&again); skipped != ok {
				t.Errorf("skipped: %v, read: %v", skipped, ok)
			}
		})
	}
}

func TestReadExtension(t *testing.T) {
	const (
		sequence, boolean, octets, oid = 0x30, 0x01, 0x04, 0x06
		crlNumber                      = "\x55\x1d\x14"
	)
	id := func(content string) string { return element(oid, content) }
	value := element(octets, "value")
	for _, test := range []struct {
		name     string
		content  string
		critical bool
		ok       bool
	}{
		{"as DER has it", id(crlNumber) + value, false, true},
		{"critical", id(crlNumber) + element(boolean, "\xff") + value, true, true},
		{"FALSE written out", id(crlNumber) + element(boolean, "\x00") + value, false, true},
		{"a TRUE of BER", id(crlNumber) + element(boolean, "\x01") + value, false, false},
		{"a long identifier", id("\x2b\x06\x01\x04\x01\x83\xb2\x03\x01") + value, false, true},
		{"an identifier that does not end", id("\x2b\x06\x81") + value, false, false},
		{"an identifier of id-ce that does not end", id("\x55\x1d\x94") + value, false, false},
		{"an empty identifier", id("") + value, false, false},
		{"no identifier", value, false, false},
		{"no value", id(crlNumber), false, false},
		{"a value of another type", id(crlNumber) + element(0x0c, "value"), false, false},
		{"more", id(crlNumber) + value + value, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := cryptobyte.String(element(sequence, test.content) + "rest")
			e, ok := der.ReadExtension(&s)
			if ok != test.ok || e.Critical != test.critical {
				t.Fatalf("got %+v, %v, want critical %v, %v", e, ok, test.critical, test.ok)
			}
			if ok && (string(e.Value) != "value" || !strings.Contains(test.content, string(e.OID)) || string(s) != "rest") {
				t.Errorf("got %+v, left %q", e, s)
			}
		})
	}
}
