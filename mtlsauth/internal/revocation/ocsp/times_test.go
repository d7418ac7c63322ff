package ocsp_test

import (
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/ocsp"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func TestTimes(t *testing.T) {
	w := newWorld()
	const second, none = time.Second, time.Duration(1<<63 - 1)
	for _, c := range []struct {
		name                 string
		produced, this, next time.Duration // from now
		want                 string
	}{
		{"now", 0, 0, time.Hour, "good"},
		{"thisUpdate ahead by the skew", 0, ocsp.Skew, time.Hour, "good"},
		{"thisUpdate ahead by more", 0, ocsp.Skew + second, time.Hour, "not_yet_valid"},
		{"producedAt ahead by the skew", ocsp.Skew, 0, time.Hour, "good"},
		{"producedAt ahead by more", ocsp.Skew + second, 0, time.Hour, "not_yet_valid"},
		{"produced long after thisUpdate", 0, -48 * time.Hour, time.Hour, "good"},
		{"produced long ago", -48 * time.Hour, -48 * time.Hour, time.Hour, "good"},
		{"nextUpdate now", 0, -time.Hour, 0, "good"},
		{"nextUpdate a second ago", 0, -time.Hour, -second, "stale"},
		{"nextUpdate equals thisUpdate", 0, 0, 0, "good"},
		{"nextUpdate before thisUpdate", 0, second, 0, "malformed"},
		{"no nextUpdate, new", 0, 0, none, "good"},
		{"no nextUpdate, as old as may be", 0, -ocsp.MaxAge, none, "good"},
		{"no nextUpdate, older", 0, -ocsp.MaxAge - second, none, "stale"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := w.response(pki.OCSPGood)
			r.ProducedAt = now.Add(c.produced)
			s := &r.Singles[0]
			s.ThisUpdate, s.NextUpdate, s.NoNextUpdate = now.Add(c.this), now.Add(c.next), c.next == none
			answer, err := w.judge(t, r)
			wantVerdict(t, answer, err, c.want)
			if err != nil {
				return
			}
			until := now.Add(c.next)
			if c.next == none {
				until = now.Add(c.this).Add(ocsp.MaxAge)
			}
			if !answer.ThisUpdate.Equal(now.Add(c.this)) || !answer.Until.Equal(until) {
				t.Errorf("got %+v, want until %v", answer, until)
			}
		})
	}
}

// TestFractionOfASecond: nextUpdate is over with its second.
func TestFractionOfASecond(t *testing.T) {
	w := newWorld()
	r := w.response(pki.OCSPGood)
	r.Singles[0].ThisUpdate, r.Singles[0].NextUpdate = now.Add(-time.Hour), now
	w.responderOptions.Now = now.Add(time.Nanosecond)
	answer, err := w.judge(t, r)
	wantVerdict(t, answer, err, "stale")
}

// TestUntilOfDelegate: an answer ends with the certificate of who signed it.
func TestUntilOfDelegate(t *testing.T) {
	w := newWorld()
	for _, c := range []struct {
		name           string
		notAfter, want time.Duration
	}{
		{"delegate ends first", 10 * time.Minute, 10 * time.Minute},
		{"answer ends first", 3 * time.Hour, time.Hour},
	} {
		r := w.delegated(w.ca.OCSPSigner("d", pki.Valid(now.Add(-time.Hour), now.Add(c.notAfter))))
		r.Singles[0].ThisUpdate = now
		answer, err := w.judge(t, r)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := answer.Until.Sub(now); got != c.want {
			t.Errorf("%s: until %v from now, want %v", c.name, got, c.want)
		}
	}
}

// TestTimeForms changes the text of producedAt and signs it.
func TestTimeForms(t *testing.T) {
	w := newWorld()
	const form = "20060102150405Z"
	for _, c := range []struct{ text, want string }{
		{now.UTC().Format(form), "good"},
		{now.UTC().Format("20060102150405.0Z"), "good"},
		{now.UTC().Format("20060102150405.123Z"), "good"},
		{now.UTC().Format("200601021504Z"), "malformed"},
		{now.UTC().Format("20060102150405"), "malformed"},
		{now.UTC().Format("20060102150405+0000"), "malformed"},
		{now.UTC().Format("060102150405Z"), "malformed"},
		{now.UTC().Format("2006010215040") + "5z", "malformed"},
		{now.UTC().Format("2006010215") + "60" + "00Z", "malformed"},
		{now.UTC().Format("200601021504") + "60Z", "malformed"},
		{"20250230000000Z", "malformed"},
		{"20250013000000Z", "malformed"},
		{"2025+113000000Z", "malformed"},
		{"2025 113000000Z", "malformed"},
		{"2025011300000.Z", "malformed"},
		{"2025011300.000Z", "malformed"},
		{now.UTC().Format("20060102150405") + ".Z", "malformed"},
		{now.UTC().Format("20060102150405") + ".5+Z", "malformed"},
		{"", "malformed"},
	} {
		r := w.response(pki.OCSPGood)
		r.Edit = edit(func(data *node) { data.children[1].content = []byte(c.text) })
		answer, err := w.judge(t, r)
		if got := verdict(answer, err); got != c.want {
			t.Errorf("%q: got %s (%v), want %s", c.text, got, err, c.want)
		}
	}
}
