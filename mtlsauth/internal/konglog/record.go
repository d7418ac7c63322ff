package konglog

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"strings"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
)

// RecordKey is the key in Kong's serialized log under which logging plugins find a
// [Record].
const RecordKey = "mtls_auth"

// Record is what Kong's serialized log tells of a decision, of those that pass too, by
// the names of the fields. A field that is not known is absent.
type Record map[string]string

// RecordOf returns the record of a decision: reason, subject and issuer (RFC 4514), serial
// (hexadecimal), fingerprint (SHA-256), not_after (RFC 3339), and the ids of the trust
// anchor (ca_certificate) and of the consumer. Texts are cut as those of log lines are.
func RecordOf(d *authn.Decision) Record {
	r := Record{
		"reason":         d.Reason.String(),
		"subject":        d.Subject.Name,
		"issuer":         d.Subject.Issuer,
		"serial":         d.Subject.Serial,
		"ca_certificate": d.CA,
	}
	if d.Subject.Fingerprint != [sha256.Size]byte{} {
		r["fingerprint"] = hex.EncodeToString(d.Subject.Fingerprint[:])
	}
	if !d.Subject.NotAfter.IsZero() {
		r["not_after"] = d.Subject.NotAfter.UTC().Format(time.RFC3339)
	}
	if d.Consumer != nil {
		r["consumer"] = d.Consumer.ID
	}
	maps.DeleteFunc(r, func(_, value string) bool { return value == "" })
	for name, value := range r {
		r[name] = strings.ToValidUTF8(cut(value, maxValue), "\uFFFD")
	}
	return r
}
