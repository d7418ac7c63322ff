package konglog

import (
	"log/slog"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/authn"
)

// TestLineAboutACertificate: what could not be read has its fingerprint alone.
func TestLineAboutACertificate(t *testing.T) {
	read := authn.Subject{Name: "CN=a", Issuer: "CN=ca", Serial: "0f", Fingerprint: [32]byte{1}}
	for _, test := range []struct {
		name       string
		d          *authn.Decision
		want, miss []string
	}{
		{"read", &authn.Decision{Reason: authn.Expired, Subject: read, About: "CN=old, serial 01", LeftOut: 2},
			[]string{`subject="CN=a" issuer="CN=ca" serial="0f" fingerprint="01000`, ` about="CN=old, serial 01"`, ` chain_left_out="2"`}, nil},
		{"no subject", &authn.Decision{Reason: authn.Expired, Subject: authn.Subject{Issuer: "CN=ca", Serial: "0f", Fingerprint: [32]byte{1}}},
			[]string{`subject="" issuer="CN=ca"`}, []string{"about=", "chain_left_out="}},
		{"unreadable", &authn.Decision{Reason: authn.Unreadable, Subject: authn.Subject{Fingerprint: [32]byte{1}}},
			[]string{`fingerprint="01000`}, []string{"subject=", "issuer=", "serial="}},
		{"nothing", authn.Deny(authn.NoneSent, nil), nil, []string{"subject=", "fingerprint="}},
	} {
		line := new(Log).about(test.d, slog.LevelInfo, Context{Resumed: func() string { return "" }}).Text
		for _, want := range test.want {
			if !strings.Contains(line, want) {
				t.Errorf("%s: no %s in %s", test.name, want, line)
			}
		}
		for _, miss := range test.miss {
			if strings.Contains(line, miss) {
				t.Errorf("%s: %s in %s", test.name, miss, line)
			}
		}
	}
}
