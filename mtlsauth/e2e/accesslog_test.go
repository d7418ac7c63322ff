package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// Kong's serialized log tells of every request who it was and why, of those that pass too,
// also where the decision was made for an earlier request.
func TestTheAccessLog(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	matched := trusted([]string{idA}, object{"skip_consumer_lookup": false})
	r := newRig(t, cas{idA: root}, routes{
		"/echo":    trusted([]string{idA}),
		"/alice":   matched,
		"/default": trusted([]string{idA}, object{"anonymous": idAlice}),
	}, with(t, consumers(consumer(idAlice, "alice"))))
	alice, mallory, expired := root.Client("alice"), pki.NewCA("else").Client("mallory"), root.Client("old", pki.Expired())
	about := func(reason string, cert *pki.Certificate, more ...string) map[string]any {
		sum := sha256.Sum256(cert.Certificate.Raw)
		record := map[string]any{
			"reason": reason, "subject": cert.Certificate.Subject.String(), "issuer": cert.Certificate.Issuer.String(),
			"serial": cert.Certificate.SerialNumber.Text(16), "fingerprint": hex.EncodeToString(sum[:]),
			"not_after": cert.Certificate.NotAfter.UTC().Format(time.RFC3339),
		}
		for i := 0; i+1 < len(more); i += 2 {
			record[more[i]] = more[i+1]
		}
		return record
	}
	for _, test := range []struct {
		name, path string
		cert       *pki.Certificate
		status     int
		want       map[string]any
	}{
		{"a pass by the certificate", "/echo", alice, 200, about("passed", alice, "ca_certificate", idA)},
		{"a pass with a consumer", "/alice", alice, 200, about("passed", alice, "ca_certificate", idA, "consumer", idAlice)},
		{"an issuer that is not trusted", "/echo", mallory, 401, about("issuer_not_found", mallory)},
		{"an expired one", "/echo", expired, 401, about("expired", expired)},
		{"none sent", "/echo", nil, 401, map[string]any{"reason": "none_sent"}},
		{"no consumer matches", "/alice", root.Client("bob"), 401, nil},
		{"the anonymous consumer", "/default", nil, 200, map[string]any{"reason": "none_sent", "consumer": idAlice}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := r.client(test.cert)
			for range 2 { // the second has a cached decision
				a := r.ask(c, r.URLTLS()+test.path)
				if a.status != test.status {
					t.Fatalf("got %d %s, want %d", a.status, a.message, test.status)
				}
				got := r.record(a).MTLSAuth
				if test.want == nil {
					if got["reason"] != "no_consumer" || got["ca_certificate"] != idA || got["consumer"] != nil {
						t.Errorf("the record is %v", got)
					}
				} else if !maps.Equal(got, test.want) {
					t.Errorf("the record is\n%v\nwant\n%v", fmt.Sprint(got), test.want)
				}
			}
		})
	}
}
