package certificate_test

import (
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/certificate"
)

func TestParseOID(t *testing.T) {
	for dotted, want := range map[string]certificate.OID{
		"1.3.6.1.5.5.7.3.2":         certificate.ExtKeyUsageClientAuth,
		"2.5.29.32.0":               certificate.AnyPolicy,
		"2.16.840.1.101.3.2.1.48.1": "\x60\x86\x48\x01\x65\x03\x02\x01\x30\x01",
		"0.0":                       "\x00",
		"1.39":                      "\x4f",
		"2.999":                     "\x88\x37",
		"2.25.340282366920938463463374607431768211455": certificate.OID("\x69\x83" + strings.Repeat("\xff", 17) + "\x7f"),
	} {
		if got, ok := certificate.ParseOID(dotted); !ok || got != want || got.String() != dotted {
			t.Errorf("%s: got %q (%v), want %q", dotted, got, ok, want)
		}
	}
	for _, wrong := range []string{
		"", "1", "1.", ".1", "1..2", "1.2.", "01.2", "1.02", "3.1", "0.40", "1.40", "1.-2", "+1.2", "1.2 ", "1.2a", "clientAuth", "1,2",
		"1.2." + strings.Repeat("9", 200), "1.2" + strings.Repeat(".1", 64), strings.Repeat("1.", 1<<16) + "1",
	} {
		if got, ok := certificate.ParseOID(wrong); ok || got != "" {
			t.Errorf("%.40q: got %q, want none", wrong, got)
		}
	}
}
