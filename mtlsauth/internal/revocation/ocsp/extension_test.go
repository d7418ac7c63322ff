package ocsp_test

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

var (
	oidNonce = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
	oidSCTs  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 5}
)

func TestExtensions(t *testing.T) {
	w := newWorld()
	var many []pkix.Extension
	for i := range 33 {
		many = append(many, extension(asn1.ObjectIdentifier{1, 2, 3, i}, false, 5, 0))
	}
	for _, c := range []struct {
		name       string
		extensions []pkix.Extension
		want       string
	}{
		{"nonce", []pkix.Extension{extension(oidNonce, false, 4, 1, 1)}, "good"},
		{"critical nonce", []pkix.Extension{extension(oidNonce, true, 4, 1, 1)}, "good"},
		{"not critical", []pkix.Extension{extension(oidSCTs, false, 4, 0), extension(oidStrange, false)}, "good"},
		{"critical", []pkix.Extension{extension(oidStrange, true, 5, 0)}, "critical"},
		{"critical after others", []pkix.Extension{extension(oidNonce, false, 4, 1, 1), extension(oidStrange, true, 5, 0), extension(oidSCTs, false)}, "critical"},
		{"twice the same", []pkix.Extension{extension(oidStrange, false, 5, 0), extension(oidNonce, false), extension(oidStrange, false, 5, 0)}, "malformed"},
		{"as many as may be", many[:32], "good"},
		{"too many", many, "malformed"},
	} {
		for name, place := range map[string]func(*pki.OCSPResponse){
			"response": func(r *pki.OCSPResponse) { r.Extensions = c.extensions },
			"entry":    func(r *pki.OCSPResponse) { r.Singles[0].Extensions = c.extensions },
		} {
			r := w.response(pki.OCSPGood)
			place(&r)
			answer, err := w.judge(t, r)
			if got := verdict(answer, err); got != c.want {
				t.Errorf("%s in the %s: got %s (%v), want %s", c.name, name, got, err, c.want)
			}
		}
	}
}

// TestExtensionsOfOthers: what is wrong with an entry for another certificate is
// nothing to this one.
func TestExtensionsOfOthers(t *testing.T) {
	w := newWorld()
	for _, c := range []struct {
		name       string
		extensions []pkix.Extension
		want       string
	}{
		{"critical", []pkix.Extension{extension(oidStrange, true, 5, 0)}, "good"},
		{"twice the same", []pkix.Extension{extension(oidStrange, false), extension(oidStrange, false)}, "good"},
	} {
		r := w.response(pki.OCSPGood)
		other := pki.Single(w.another, pki.OCSPGood)
		other.Extensions = c.extensions
		r.Singles = append(r.Singles, other)
		answer, err := w.judge(t, r)
		if got := verdict(answer, err); got != c.want {
			t.Errorf("%s: got %s (%v), want %s", c.name, got, err, c.want)
		}
	}
	// Of two entries for this one, the second does not help over the first.
	r := w.response(pki.OCSPGood)
	critical := pki.Single(w.client, pki.OCSPRevoked)
	critical.Extensions = []pkix.Extension{extension(oidStrange, true, 5, 0)}
	r.Singles = append(r.Singles, critical)
	answer, err := w.judge(t, r)
	wantVerdict(t, answer, err, "critical")
}

func TestExtensionForms(t *testing.T) {
	w := newWorld()
	boolean := func(b ...byte) *node { return &node{tag: 1, content: b} }
	octets := &node{tag: 4, content: []byte{5, 0}}
	for _, c := range []struct {
		name   string
		change func(extensions *node)
		want   string
	}{
		{"as it was", func(*node) {}, "good"},
		{"none in the sequence", func(e *node) { e.children = nil }, "malformed"},
		{"written FALSE", func(e *node) { insert(e.children[0], 1, boolean(0)) }, "good"},
		{"written TRUE", func(e *node) { insert(e.children[0], 1, boolean(0xff)) }, "critical"},
		{"a boolean of 1", func(e *node) { insert(e.children[0], 1, boolean(1)) }, "malformed"},
		{"a boolean of two bytes", func(e *node) { insert(e.children[0], 1, boolean(0, 0)) }, "malformed"},
		{"two booleans", func(e *node) { insert(e.children[0], 1, boolean(0), boolean(0)) }, "malformed"},
		{"no value", func(e *node) { e.children[0].children = e.children[0].children[:1] }, "malformed"},
		{"two values", func(e *node) { insert(e.children[0], 2, octets) }, "malformed"},
		{"empty identifier", func(e *node) { e.children[0].children[0].content = nil }, "malformed"},
		{"not a sequence", func(e *node) { e.tag = 0x31 }, "malformed"},
	} {
		r := w.response(pki.OCSPGood)
		r.Extensions = []pkix.Extension{extension(oidStrange, false, 5, 0)}
		r.Edit = edit(func(data *node) { c.change(data.children[3].children[0]) })
		answer, err := w.judge(t, r)
		if got := verdict(answer, err); got != c.want {
			t.Errorf("%s: got %s (%v), want %s", c.name, got, err, c.want)
		}
	}
}
