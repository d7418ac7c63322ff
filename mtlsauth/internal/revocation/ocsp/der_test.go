package ocsp_test

import (
	"bytes"
	"crypto/x509/pkix"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/revocation/ocsp"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// full is a response with everything that may be left out.
func (w world) full() pki.OCSPResponse {
	r := w.response(pki.OCSPRevoked)
	r.Singles[0].Reason = 1
	r.Singles[0].Extensions = []pkix.Extension{extension(oidSCTs, false, 4, 0)}
	r.Extensions = []pkix.Extension{extension(oidNonce, false, 4, 1, 1)}
	return r
}

// visit calls f for every constructed element below root, root included.
func visit(root *node, path string, f func(path string, n *node)) {
	if root.tag&0x20 == 0 {
		return
	}
	f(path, root)
	for i, child := range root.children {
		visit(child, path+"."+string(rune('0'+i)), f)
	}
}

// TestNothingTrails puts an element at the end of every constructed one, and
// has the signature fit.
func TestNothingTrails(t *testing.T) {
	w := newWorld()
	for _, byName := range []bool{false, true} {
		plain := w.full()
		plain.ByName = byName
		if answer, err := w.judge(t, plain); err != nil || answer.Status != ocsp.Revoked {
			t.Fatalf("%+v, %v", answer, err)
		}
		var paths []string
		collect := plain
		collect.Edit = edit(func(data *node) { visit(data, "0", func(path string, _ *node) { paths = append(paths, path) }) })
		collect.DER()
		if len(paths) < 12 {
			t.Fatalf("only %d elements", len(paths))
		}
		for _, at := range paths {
			if byName && strings.HasPrefix(at, "0.0.0") {
				continue // responderID only chooses the key
			}
			r := plain
			r.Edit = edit(func(data *node) {
				visit(data, "0", func(path string, n *node) {
					if path == at {
						n.children = append(n.children, &node{tag: 5})
					}
				})
			})
			if answer, err := w.judge(t, r); err == nil {
				t.Errorf("NULL at the end of %s: got %+v", at, answer)
			}
		}
	}
}

// TestNothingTrailsOutside does the same around what is signed.
func TestNothingTrailsOutside(t *testing.T) {
	w := newWorld()
	r := w.full()
	r.Signer = w.delegate
	der := r.DER()
	basic := parseNodes(der)[0].children[1].children[0].children[1].content
	if got := rewrap(t, der, func(*node) {}, func(*node) {}); !bytes.Equal(got, der) {
		t.Fatal("taking apart and putting together is not the identity")
	}
	null := &node{tag: 5}
	count := 0
	visit(parseNodes(der)[0], "0", func(at string, _ *node) {
		count++
		changed := rewrap(t, der, func(root *node) {
			visit(root, "0", func(path string, n *node) {
				if path == at {
					insert(n, len(n.children), null)
				}
			})
		}, func(*node) {})
		if answer, err := ocsp.Judge(changed, w.ca.Read(), w.client.SerialNumber, w.responderOptions); err == nil {
			t.Errorf("NULL at the end of OCSPResponse %s: got %+v", at, answer)
		}
	})
	visit(parseNodes(basic)[0], "0", func(at string, _ *node) {
		if count++; at == "0.1" {
			return // NULL as the parameters of ECDSA, which package signature reads
		}
		changed := rewrap(t, der, func(*node) {}, func(root *node) {
			visit(root, "0", func(path string, n *node) {
				if path == at {
					insert(n, len(n.children), null)
				}
			})
		})
		if answer, err := ocsp.Judge(changed, w.ca.Read(), w.client.SerialNumber, w.responderOptions); err == nil {
			t.Errorf("NULL at the end of BasicOCSPResponse %s: got %+v", at, answer)
		}
	})
	if count < 30 {
		t.Errorf("only %d elements", count)
	}
	for name, changed := range map[string][]byte{
		"after the response":    append(bytes.Clone(der), 5, 0),
		"a byte after":          append(bytes.Clone(der), 0),
		"the last byte missing": der[:len(der)-1],
		"nothing":               nil,
		"after BasicOCSPResponse": edit(func(n *node) {
			octets := n.children[1].children[0].children[1]
			octets.content = append(bytes.Clone(octets.content), 5, 0)
		})(der),
		"unused bits":               rewrap(t, der, func(*node) {}, func(n *node) { n.children[2].content[0] = 1 }),
		"all bits of a byte":        rewrap(t, der, func(*node) {}, func(n *node) { n.children[2].content[0] = 8 }),
		"indefinite length":         append([]byte{0x30, 0x80}, append(bytes.Clone(der[4:]), 0, 0)...),
		"length of a byte too many": append([]byte{0x30, 0x83, 0}, der[2:]...),
	} {
		answer, err := judge(t, changed, w.ca.Read(), w.client.SerialNumber, w.responderOptions)
		if got := verdict(answer, err); got != "malformed" {
			t.Errorf("%s: got %s (%v)", name, got, err)
		}
	}
}

// rewrap changes OCSPResponse, and the BasicOCSPResponse within.
func rewrap(t *testing.T, der []byte, outer, inner func(*node)) []byte {
	t.Helper()
	return edit(func(root *node) {
		octets := root.children[1].children[0].children[1]
		octets.content = edit(inner)(octets.content)
		outer(root)
	})(der)
}

// TestForms changes one element and has the signature fit.
func TestForms(t *testing.T) {
	w := newWorld()
	single := func(data *node) *node { return data.children[2].children[0] }
	wrapped := func(tag asn1.Tag, number byte) *node {
		return &node{tag: 0xa0, children: []*node{{tag: tag, content: []byte{number}}}}
	}
	for _, c := range []struct {
		name   string
		change func(data *node)
		want   string
	}{
		{"as it was", func(*node) {}, "revoked"},
		{"version v1 written", func(d *node) { insert(d, 0, wrapped(2, 0)) }, "revoked"},
		{"version v2", func(d *node) { insert(d, 0, wrapped(2, 1)) }, "malformed"},
		{"version -1", func(d *node) { insert(d, 0, wrapped(2, 0xff)) }, "malformed"},
		{"version empty", func(d *node) { insert(d, 0, &node{tag: 0xa0}) }, "malformed"},
		{"version and something after", func(d *node) {
			version := wrapped(2, 0)
			insert(version, 1, &node{tag: 5})
			insert(d, 0, version)
		}, "malformed"},
		{"version in two bytes", func(d *node) { insert(d, 0, &node{tag: 0xa0, children: []*node{{tag: 2, content: []byte{0, 0}}}}) }, "malformed"},
		{"responderID without tag", func(d *node) { d.children[0] = d.children[0].children[0] }, "malformed"},
		{"responderID [3]", func(d *node) { d.children[0].tag = 0xa3 }, "malformed"},
		{"key as name", func(d *node) { d.children[0].tag = 0xa1 }, "malformed"},
		{"no responses", func(d *node) { d.children[2].children = nil }, "other_certificate"},
		{"responses missing", func(d *node) { d.children = append(d.children[:2:2], d.children[3:]...) }, "malformed"},
		{"producedAt missing", func(d *node) { d.children = append(d.children[:1:1], d.children[2:]...) }, "malformed"},
		{"a NULL among responses", func(d *node) { insert(d.children[2], 1, &node{tag: 5}) }, "malformed"},
		{"status [3]", func(d *node) { single(d).children[1].tag = 0xa3 }, "malformed"},
		{"status NULL", func(d *node) { single(d).children[1] = &node{tag: 5} }, "malformed"},
		{"status good with content", func(d *node) { single(d).children[1] = &node{tag: 0x80, content: []byte{0}} }, "malformed"},
		{"status good, constructed", func(d *node) { single(d).children[1] = &node{tag: 0xa0} }, "malformed"},
		{"status good", func(d *node) { single(d).children[1] = &node{tag: 0x80} }, "good"},
		{"status unknown with content", func(d *node) { single(d).children[1] = &node{tag: 0x82, content: []byte{0}} }, "malformed"},
		{"revoked without time", func(d *node) { single(d).children[1].children = nil }, "malformed"},
		{"revoked without reason", func(d *node) { s := single(d).children[1]; s.children = s.children[:1] }, "revoked"},
		{"reason as INTEGER", func(d *node) { single(d).children[1].children[1].children[0].tag = 2 }, "malformed"},
		{"reason below zero", func(d *node) { single(d).children[1].children[1].children[0].content = []byte{0xff} }, "malformed"},
		{"reason empty", func(d *node) { single(d).children[1].children[1].children = nil }, "malformed"},
		{"no thisUpdate", func(d *node) { s := single(d); s.children = append(s.children[:2:2], s.children[3:]...) }, "malformed"},
		{"thisUpdate as UTCTime", func(d *node) {
			this := single(d).children[2]
			this.tag, this.content = 0x17, this.content[2:]
		}, "malformed"},
		{"nextUpdate without tag", func(d *node) { single(d).children[3] = single(d).children[3].children[0] }, "malformed"},
		{"nextUpdate empty", func(d *node) { single(d).children[3].children = nil }, "malformed"},
		{"serial number in a byte too many", func(d *node) {
			serial := single(d).children[0].children[3]
			serial.content = append([]byte{0}, serial.content...)
			if serial.content[1] >= 0x80 {
				serial.content = append([]byte{0}, serial.content...)
			}
		}, "malformed"},
		{"serial number empty", func(d *node) { single(d).children[0].children[3].content = nil }, "malformed"},
		{"CertID without serial number", func(d *node) { id := single(d).children[0]; id.children = id.children[:3] }, "malformed"},
		{"extensions under [2]", func(d *node) { d.children[3].tag = 0xa2 }, "malformed"},
	} {
		r := w.full()
		r.Edit = edit(c.change)
		answer, err := w.judge(t, r)
		if got := verdict(answer, err); got != c.want {
			t.Errorf("%s: got %s (%v), want %s", c.name, got, err, c.want)
		}
	}
}
