package ocsp_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// entries makes entries about the client from text: status, thisUpdate and
// nextUpdate in minutes from now, "-" for none. A status with a "*" is about
// another certificate.
func (w world) entries(t *testing.T, text string) []pki.OCSPSingle {
	t.Helper()
	var out []pki.OCSPSingle
	for one := range strings.SplitSeq(text, ", ") {
		var status, next string
		var this int
		if _, err := fmt.Sscanf(one, "%s %d %s", &status, &this, &next); err != nil {
			t.Fatalf("%q: %v", one, err)
		}
		s := pki.Single(w.client, map[string]pki.CertStatus{"good": pki.OCSPGood, "unknown": pki.OCSPUnknown}[status])
		switch strings.TrimSuffix(status, "*") {
		case "revoked":
			s.Status = pki.OCSPRevoked
		case "hold":
			s.Status, s.Reason = pki.OCSPRevoked, 6
		}
		if strings.HasSuffix(status, "*") {
			s.Serial = w.another.SerialNumber
		}
		s.ThisUpdate, s.NoNextUpdate = now.Add(time.Duration(this)*time.Minute), next == "-"
		if !s.NoNextUpdate {
			var minutes int
			if _, err := fmt.Sscan(next, &minutes); err != nil {
				t.Fatalf("%q: %v", one, err)
			}
			s.NextUpdate = now.Add(time.Duration(minutes) * time.Minute)
		}
		out = append(out, s)
	}
	return out
}

// TestSeveralEntries holds in whatever order the entries come.
func TestSeveralEntries(t *testing.T) {
	w := newWorld()
	for _, c := range []struct{ entries, judged, lasting string }{
		// Others are passed over, whatever they say.
		{"good* -1 60", "other_certificate", "other_certificate"},
		{"good -1 60, revoked* -1 60", "good", "stale"},
		{"revoked -1 60, good* 0 60", "revoked", "revoked"},
		{"good* -1 60, revoked* -2 60", "other_certificate", "other_certificate"},
		{"unknown -1 60, good* 0 60", "unknown", "stale"},

		// The latest counts.
		{"good -1 60, revoked -2 60", "good", "stale"},
		{"revoked -1 60, good -2 60", "revoked", "revoked"},
		{"unknown -1 60, good -2 60", "unknown", "stale"},
		{"good -1 60, unknown -2 60, revoked -3 60", "good", "stale"},

		// At the same time the worst.
		{"good -1 60, revoked -1 60", "revoked", "revoked"},
		{"good -1 60, unknown -1 60", "unknown", "stale"},
		{"unknown -1 60, revoked -1 60", "revoked", "revoked"},
		{"hold -1 60, revoked -1 60", "revoked", "revoked"},
		{"good -1 60, hold -1 60", "revoked", "revoked"},
		{"good -1 60, unknown -1 60, hold -1 60", "revoked", "revoked"},

		// Stale ones are passed over, and those that have not come.
		{"good -100 -50, good -1 60", "good", "stale"},
		{"good -100 -50, revoked -1 60", "revoked", "revoked"},
		{"revoked -100 -50, good -1 60", "good", "stale"},
		{"good -10 -5, good -60 60", "good", "stale"},
		{"good -10 -5, revoked -60 60", "revoked", "revoked"},
		{"unknown -10 -5, good -60 60", "good", "stale"},
		{"hold -10 -5, good -60 60", "good", "stale"},
		{"good 10 60, good -1 60", "good", "stale"},
		{"good 10 60, revoked -1 60", "revoked", "revoked"},
		{"revoked 10 60, good -1 60", "not_yet_valid", "revoked"},
		{"hold 10 60, good -1 60", "not_yet_valid", "revoked"},

		// A final revocation is not taken back by what is older.
		{"revoked -10 -5, good -60 60", "stale", "revoked"},
		{"revoked -60 -5, good -60 60", "stale", "revoked"},
		{"revoked -10 -5, hold -60 60", "stale", "revoked"},
		{"revoked -10 -5, revoked -60 60", "stale", "revoked"},
		{"revoked -60 -5, revoked -60 60", "revoked", "revoked"},

		// None is usable.
		{"good -100 -50", "stale", "stale"},
		{"revoked -100 -50", "stale", "revoked"},
		{"good 10 60", "not_yet_valid", "stale"},
		{"revoked 10 60", "not_yet_valid", "revoked"},
		{"good 10 60, good -100 -50", "not_yet_valid", "stale"},
		{"good -61 -, good -100 -50", "stale", "stale"},

		// What clears no certificate does not take a revocation back.
		{"good 10 60, revoked -100 -50", "not_yet_valid", "revoked"},
		{"good -10 -5, revoked -100 -50", "stale", "revoked"},
		{"unknown -10 -5, revoked -100 -50", "stale", "revoked"},
		{"good -10 -5, hold -100 60", "revoked", "revoked"},
		{"good -10 -5, hold -100 -50", "stale", "stale"},
		{"hold -10 -5, revoked -100 -50", "stale", "revoked"},
		{"good -59 -, revoked -100 -50", "good", "stale"},
	} {
		entries := w.entries(t, c.entries)
		for range len(entries) {
			entries = append(entries[1:], entries[0])
			for _, order := range [][]pki.OCSPSingle{entries, reversed(entries)} {
				r := w.response(pki.OCSPGood)
				r.Singles = order
				answer, err := w.judge(t, r)
				if got := verdict(answer, err); got != c.judged {
					t.Errorf("%s: got %s (%v), want %s", c.entries, got, err, c.judged)
				}
				answer, err = judgeLasting(t, r.DER(), w.ca.Read(), w.client.SerialNumber, w.responderOptions)
				if got := verdict(answer, err); got != c.lasting {
					t.Errorf("%s, lasting: got %s (%v), want %s", c.entries, got, err, c.lasting)
				}
			}
		}
	}
}

func reversed[T any](in []T) []T {
	out := slices.Clone(in)
	slices.Reverse(out)
	return out
}
