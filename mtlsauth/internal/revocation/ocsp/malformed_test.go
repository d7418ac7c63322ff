package ocsp_test

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// A response of which one entry cannot be read clears no certificate, whichever entry that is
// and whatever the others say.
func TestOneEntryThatCannotBeRead(t *testing.T) {
	w := newWorld()
	leave := func(at ...int) func(entry *node) {
		return func(entry *node) {
			for _, n := range at[:len(at)-1] {
				entry = entry.children[n]
			}
			last := at[len(at)-1]
			entry.children = append(entry.children[:last:last], entry.children[last+1:]...)
		}
	}
	for _, test := range []struct {
		name   string
		change func(entry *node)
	}{
		{"another tag", func(entry *node) { entry.tag = 0x31 }},
		{"without CertID", leave(0)},
		{"without the hash algorithm", leave(0, 0)},
		{"a hash algorithm without OID", leave(0, 0, 0)},
		{"without issuerNameHash", leave(0, 1)},
		{"without issuerKeyHash", leave(0, 2)},
		{"without serial number", leave(0, 3)},
		{"without certStatus", leave(1)},
		{"a status that there is not", func(entry *node) { entry.children[1] = &node{tag: 0x83} }},
		{"good, and something within", func(entry *node) { entry.children[1] = &node{tag: 0x80, content: []byte{5, 0}} }},
		{"revoked without a time", func(entry *node) { entry.children[1] = &node{tag: 0xa1} }},
		{"without thisUpdate", func(entry *node) { entry.children = entry.children[:2] }},
		{"singleExtensions as a primitive", func(entry *node) { entry.children = append(entry.children, &node{tag: 0x81}) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, at := range []int{0, 1} {
				r := w.response(pki.OCSPGood)
				r.Singles = append(r.Singles, pki.Single(w.another, pki.OCSPGood))
				if at == 0 {
					r.Singles[0], r.Singles[1] = r.Singles[1], r.Singles[0]
				}
				r.Edit = edit(func(data *node) { test.change(data.children[2].children[at]) })
				answer, err := w.judge(t, r)
				wantVerdict(t, answer, err, "malformed")
			}
		})
	}
}

// What is wrong outside of entries.
func TestResponsesThatCannotBeRead(t *testing.T) {
	w := newWorld()
	for _, test := range []struct {
		name   string
		change func(data *node)
	}{
		{"without responses", func(data *node) { data.children = data.children[:2] }},
		{"an empty responderID by key", func(data *node) { data.children[0].children = nil }},
		{"responderID by key with a string", func(data *node) { data.children[0].children[0].tag = asn1.UTF8String }},
		{"a version without a number", func(data *node) { insert(data, 0, &node{tag: 0xa0}) }},
		{"without producedAt", func(data *node) { data.children = append(data.children[:1:1], data.children[2:]...) }},
		{"extensions as a primitive", func(data *node) { data.children = append(data.children, &node{tag: 0x81}) }},
	} {
		r := w.response(pki.OCSPGood)
		r.Edit = edit(test.change)
		if answer, err := w.judge(t, r); verdict(answer, err) != "malformed" {
			t.Errorf("%s: got %s (%v), want malformed", test.name, verdict(answer, err), err)
		}
	}
	for name, certs := range map[string]*node{
		"certs that are no SEQUENCE": {tag: 0xa0, children: []*node{{tag: asn1.OCTET_STRING}}},
		"certs twice":                {tag: 0xa0, children: []*node{{tag: asn1.SEQUENCE}, {tag: asn1.SEQUENCE}}},
		"no certs":                   {tag: 0xa0},
		"a certificate that is none": {tag: 0xa0, children: []*node{{tag: asn1.SEQUENCE, children: []*node{{tag: asn1.OCTET_STRING}}}}},
	} {
		root := parseNodes(w.response(pki.OCSPGood).DER())[0]
		octets := root.children[1].children[0].children[1]
		basic := parseNodes(octets.content)[0]
		basic.children = append(basic.children, certs)
		octets.content = basic.der()
		answer, err := judge(t, root.der(), w.ca.Read(), w.client.SerialNumber, w.responderOptions)
		wantVerdictOf(t, name, verdict(answer, err), "malformed")
	}
}

func wantVerdictOf(t *testing.T, name, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %s, want %s", name, got, want)
	}
}

// Reason 0, unspecified, should be left out (RFC 5280, section 5.3.1), and is no less a
// revocation; nor is one that is not known.
func TestReasonsThatShouldNotBeThere(t *testing.T) {
	w := newWorld()
	for reason, want := range map[byte]string{0: "revoked", 7: "revoked", 127: "revoked", 255: "malformed"} {
		r := w.response(pki.OCSPRevoked)
		r.Singles[0].Reason = 1
		r.Edit = edit(func(data *node) {
			data.children[2].children[0].children[1].children[1].children[0].content = []byte{reason}
		})
		answer, err := w.judge(t, r)
		wantVerdictOf(t, "reason "+string('0'+rune(reason%10)), verdict(answer, err), want)
	}
}

// A revocation from the future counts from now on: what takes it back must not have to wait
// for that time, and the delegate's certificate must last until now alone.
func TestARevocationFromTheFuture(t *testing.T) {
	w := newWorld()
	soon := w.ca.OCSPSigner("soon over", pki.Valid(now.Add(-time.Hour), now.Add(time.Hour)))
	for _, signer := range []*pki.Certificate{w.ca, soon} {
		r := w.response(pki.OCSPRevoked)
		r.Signer, r.ProducedAt, r.Singles[0].ThisUpdate = signer, now.Add(2*time.Hour), now.Add(2*time.Hour)
		answer, err := judgeLasting(t, r.DER(), w.ca.Read(), w.client.SerialNumber, w.responderOptions)
		if wantVerdict(t, answer, err, "revoked"); answer.ThisUpdate.After(now) {
			t.Errorf("thisUpdate is %v, now is %v", answer.ThisUpdate, now)
		}
	}
}

// A configured responder signs in its own name.
func TestOwnRespondersInAnothersName(t *testing.T) {
	w := newWorld()
	own := pki.NewCA("own", pki.ExtKeyUsage(x509.ExtKeyUsageOCSPSigning), usage(x509.KeyUsageDigitalSignature))
	o := w.responderOptions
	o.Responders = append(o.Responders, own.Read())
	for _, byName := range []bool{false, true} {
		r := w.delegated(own)
		r.ByName, r.ResponderID = byName, w.otherCA
		answer, err := judge(t, r.DER(), w.ca.Read(), w.client.SerialNumber, o)
		wantVerdict(t, answer, err, "unauthorized")
	}
}

// every calls f for every element below root, root included.
func every(root *node, path string, f func(path string, n *node)) {
	f(path, root)
	for i, child := range root.children {
		every(child, path+"."+string(rune('0'+i)), f)
	}
}

// otherTag is a tag of the same class and form.
func otherTag(tag asn1.Tag) asn1.Tag {
	switch tag {
	case asn1.SEQUENCE:
		return asn1.SET
	case asn1.OCTET_STRING, asn1.BIT_STRING, asn1.OBJECT_IDENTIFIER:
		return asn1.UTF8String
	}
	return tag ^ 0x0c
}

// An element of another tag is another element: the response is not read as if it had the
// right one.
func TestEveryTag(t *testing.T) {
	w := newWorld()
	for _, status := range []pki.CertStatus{pki.OCSPGood, pki.OCSPRevoked} {
		for _, byName := range []bool{false, true} {
			plain := w.full()
			plain.ByName, plain.Singles[0].Status = byName, status
			var paths []string
			collect := plain
			collect.Edit = edit(func(data *node) { every(data, "0", func(path string, _ *node) { paths = append(paths, path) }) })
			collect.DER()
			for _, at := range paths {
				if byName && strings.HasPrefix(at, "0.0.0.") {
					continue // within the name, which only chooses the key
				}
				r := plain
				r.Edit = edit(func(data *node) {
					every(data, "0", func(path string, n *node) {
						if path == at {
							n.tag = otherTag(n.tag)
						}
					})
				})
				if answer, err := w.judge(t, r); err == nil {
					t.Errorf("%v, by name %v, another tag at %s: got %+v", status, byName, at, answer)
				}
			}
		}
	}
	delegated := w.full()
	delegated.Signer = w.delegate
	root := parseNodes(delegated.DER())[0]
	octets := root.children[1].children[0].children[1]
	basic := parseNodes(octets.content)[0]
	outside := append([]*node{root, root.children[0], root.children[1]}, root.children[1].children[0], root.children[1].children[0].children[0], octets)
	inside := append([]*node{basic}, basic.children...)
	inside = append(inside, basic.children[1].children[0], basic.children[3].children[0])
	for i, n := range append(outside, inside...) {
		was := n.tag
		n.tag = otherTag(was)
		octets.content = basic.der()
		if answer, err := judge(t, root.der(), w.ca.Read(), w.client.SerialNumber, w.responderOptions); err == nil {
			t.Errorf("another tag at %d outside ResponseData: got %+v", i, answer)
		}
		n.tag = was
	}
	octets.content = basic.der()
	if _, err := judge(t, root.der(), w.ca.Read(), w.client.SerialNumber, w.responderOptions); err != nil {
		t.Fatal(err)
	}
}
