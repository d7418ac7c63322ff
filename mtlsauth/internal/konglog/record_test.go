package konglog

import (
	"maps"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/consumer"
)

func TestRecordHasWhatIsKnown(t *testing.T) {
	subject := authn.Subject{Name: "CN=a", Issuer: "CN=ca", Serial: "0f", Fingerprint: [32]byte{0xab}, NotAfter: time.Unix(1_800_000_000, 0)}
	fingerprint := "ab" + strings.Repeat("0", 62)
	for _, test := range []struct {
		name string
		d    *authn.Decision
		want Record
	}{
		{"a pass", &authn.Decision{Reason: authn.Passed, Subject: subject, CA: "id", Consumer: &consumer.Consumer{ID: "c", Username: "a"}},
			Record{"reason": "passed", "subject": "CN=a", "issuer": "CN=ca", "serial": "0f", "fingerprint": fingerprint, "not_after": "2027-01-15T08:00:00Z", "ca_certificate": "id", "consumer": "c"}},
		{"unreadable", &authn.Decision{Reason: authn.Unreadable, Subject: authn.Subject{Fingerprint: subject.Fingerprint}},
			Record{"reason": "unreadable", "fingerprint": fingerprint}},
		{"none sent", authn.Deny(authn.NoneSent, nil), Record{"reason": "none_sent"}},
		{"a long subject that is not UTF-8", &authn.Decision{Reason: authn.Passed, Subject: authn.Subject{Name: "\xff" + strings.Repeat("x", 300)}},
			Record{"reason": "passed", "subject": strings.Repeat("x", 255) + "…"}},
	} {
		if got := RecordOf(test.d); !maps.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}
