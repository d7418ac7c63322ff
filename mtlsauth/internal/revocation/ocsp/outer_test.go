package ocsp_test

import (
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/revocation/ocsp"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func TestUnsuccessful(t *testing.T) {
	w := newWorld()
	for status, want := range map[int]string{
		1: "malformedRequest", 2: "internalError", 3: "tryLater", 4: "4", 5: "sigRequired", 6: "unauthorized", 77: "77",
	} {
		answer, err := w.judge(t, pki.OCSPResponse{ResponseStatus: status})
		wantVerdict(t, answer, err, "unsuccessful")
		if err != nil && !strings.HasSuffix(err.Error(), "responseStatus is "+want) {
			t.Errorf("status %d: got %q", status, err)
		}
	}
	good := w.response(pki.OCSPGood).DER()
	for name, c := range map[string]struct {
		change func(root *node)
		want   string
	}{
		"tryLater with an answer":   {func(n *node) { n.children[0].content = []byte{3} }, "unsuccessful"},
		"successful without answer": {func(n *node) { n.children = n.children[:1] }, "malformed"},
		"another response type":     {func(n *node) { n.children[1].children[0].children[0].content[8] = 9 }, "malformed"},
		"status as INTEGER":         {func(n *node) { n.children[0].tag = 2 }, "malformed"},
		"status empty":              {func(n *node) { n.children[0].content = nil }, "malformed"},
		"answer not wrapped":        {func(n *node) { n.children[1] = n.children[1].children[0] }, "malformed"},
	} {
		answer, err := judge(t, edit(c.change)(good), w.ca.Read(), w.client.SerialNumber, w.responderOptions)
		if got := verdict(answer, err); got != c.want {
			t.Errorf("%s: got %s (%v), want %s", name, got, err, c.want)
		}
	}
}

// TestUnknownAlgorithm: an algorithm that is not known is refused by its name.
func TestUnknownAlgorithm(t *testing.T) {
	w := newWorld()
	der := rewrap(t, w.response(pki.OCSPGood).DER(), func(*node) {}, func(n *node) { n.children[1].children[0].content[6] = 9 })
	answer, err := judge(t, der, w.ca.Read(), w.client.SerialNumber, w.responderOptions)
	wantVerdict(t, answer, err, "weak_algorithm")
}

func TestMaxSize(t *testing.T) {
	w := newWorld()
	for _, c := range []struct {
		size int
		want string
	}{{ocsp.MaxSize, "good"}, {ocsp.MaxSize + 1, "malformed"}} {
		r := w.response(pki.OCSPGood)
		// Embedded in a direct response, where it is of no use.
		pad := func(n int) [][]byte { return [][]byte{(&node{tag: 0x30, content: make([]byte, n)}).der()} }
		r.Certificates = pad(c.size - 1000)
		r.Certificates = pad(c.size - 1000 + c.size - len(r.DER()))
		der := r.DER()
		// The length of an ECDSA signature varies.
		for len(der) != c.size {
			der = r.DER()
		}
		answer, err := judge(t, der, w.ca.Read(), w.client.SerialNumber, w.responderOptions)
		wantVerdict(t, answer, err, c.want)
	}
}
