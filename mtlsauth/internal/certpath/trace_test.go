package certpath_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certpath"
)

// told validates, and returns a line for each step: the path by the serial numbers of its
// certificates, the check, and its error.
func told(q tuple) (lines []string, err error) {
	leaf, err := parse(q.leaf)
	if err != nil {
		return nil, err
	}
	trust := certpath.NewTrust(parseEach(q.configured), certpath.TrustOptions{})
	o := certpath.Options{Now: now, Trace: func(s certpath.Step) {
		var serials []string
		for _, c := range s.Path {
			serials = append(serials, c.SerialNumber().String())
		}
		line := strings.Join(serials, "<") + " " + s.Check.String()
		if s.Err != nil {
			line += ": " + s.Err.Err.Error()
		}
		lines = append(lines, line)
	}}
	_, err = trust.Validate(leaf, parseEach(q.presented), o)
	return lines, err
}

// numbered gives a certificate a serial number, by which told names it.
func numbered(c forged, n int64, extensions ...[]byte) forged {
	c.serial = serialNumber(n)
	c.extensions = slices.Concat(c.extensions, extensions)
	return c
}

// What is told of a search: each check of the leaf, of each candidate and of each path.
func TestTrace(t *testing.T) {
	root, other, inter, client := newParty("root", p256()), newParty("root", p256()), newParty("inter", p256()), newParty("client", p256())
	rootDER := numbered(caBy(root, root), 1).sign(root.signer)
	otherDER := numbered(caBy(other, other), 2).sign(other.signer)
	interDER := numbered(caBy(root, inter), 3).sign(root.signer)
	ofLeaf := []string{"9 validity period", "9 critical extensions", "9 key", "9 extended key usage", "9 a client's certificate"}
	ofRoot := func(path string) []string {
		return []string{path + " may issue", path + " signature", path + " path length", path + " name constraints", path + " certificate policies"}
	}
	for _, test := range []struct {
		name string
		q    tuple
		want []string
	}{
		{"one level", tuple{leaf: numbered(clientBy(root, client), 9).sign(root.signer), configured: [][]byte{rootDER}},
			slices.Concat(ofLeaf, []string{"9 issuer known", "9 signature algorithm"}, ofRoot("9<1"))},
		{"another of its issuer's name first", tuple{leaf: numbered(clientBy(root, client), 9).sign(root.signer), configured: [][]byte{otherDER, rootDER}},
			slices.Concat(ofLeaf, []string{"9 issuer known", "9 signature algorithm", "9<2 may issue", "9<2 signature: its key does not verify the signature"}, ofRoot("9<1"))},
		{"another of its issuer's name behind it", tuple{leaf: numbered(clientBy(root, client), 9).sign(root.signer), configured: [][]byte{rootDER, otherDER}},
			slices.Concat(ofLeaf, []string{"9 issuer known", "9 signature algorithm"}, ofRoot("9<1"), []string{"9<2 may issue", "9<2 signature: its key does not verify the signature"})},
		{"two levels", tuple{leaf: numbered(clientBy(inter, client), 9).sign(inter.signer), presented: [][]byte{interDER}, configured: [][]byte{rootDER}},
			slices.Concat(ofLeaf, []string{"9 issuer known", "9 signature algorithm", "9<3 may issue", "9<3 signature", "9<3 issuer known", "9<3 signature algorithm"}, ofRoot("9<3<1"))},
		{"no issuer", tuple{leaf: numbered(clientBy(inter, client), 9).sign(inter.signer), configured: [][]byte{rootDER}},
			slices.Concat(ofLeaf, []string{"9 issuer known: no certificate of its issuer is configured, or was sent"})},
		{"no issuer above", tuple{leaf: numbered(clientBy(inter, client), 9).sign(inter.signer), presented: [][]byte{interDER}, configured: [][]byte{numbered(caBy(client, client), 4).sign(client.signer)}},
			slices.Concat(ofLeaf, []string{"9 issuer known", "9 signature algorithm", "9<3 may issue", "9<3 signature", "9<3 issuer known: no certificate of its issuer is configured, or was sent"})},
		{"a root that is not configured", tuple{leaf: numbered(clientBy(inter, client), 9).sign(inter.signer), presented: [][]byte{numbered(caBy(inter, inter), 5).sign(inter.signer)}, configured: [][]byte{rootDER}},
			slices.Concat(ofLeaf, []string{"9 issuer known", "9 signature algorithm", "9<5 may issue", "9<5 signature", "9<5 issuer known: no certificate of its issuer is configured, or was sent"})},
		{"a trust anchor itself", tuple{leaf: rootDER, configured: [][]byte{rootDER}},
			[]string{"1 validity period", "1 critical extensions", "1 key", "1 extended key usage", "1 certificate policies", "1 a trust anchor itself"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, _ := told(test.q); !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// TestOrderIsOfOneSearch: what fits one client is not first for the next.
func TestOrderIsOfOneSearch(t *testing.T) {
	a, b, client := newParty("ca", p256()), newParty("ca", p256()), newParty("client", p256())
	trust := certpath.NewTrust(parseEach([][]byte{caBy(a, a).sign(a.signer), caBy(b, b, extSubjectKeyID([]byte("b"))).sign(b.signer)}), certpath.TrustOptions{})
	first := func(extensions ...[]byte) (id string) {
		leaf := parseEach([][]byte{clientBy(a, client, extensions...).sign(a.signer)})[0]
		tried := 0
		if _, err := trust.Validate(leaf, nil, certpath.Options{Now: now, Trace: func(s certpath.Step) {
			if s.Check == certpath.IssuerCheck {
				if tried++; tried == 1 {
					id = string(s.Path[1].SubjectKeyId)
				}
			}
		}}); err != nil {
			t.Error(err)
		}
		return id
	}
	if id := first(extAuthorityKeyID([]byte("b"))); id != "b" {
		t.Errorf("the first one tried has key identifier %q, want b", id)
	}
	if id := first(); id != "" {
		t.Errorf("then the first one tried has key identifier %q, want the one without, which comes first", id)
	}
}

// In which order certificates of the issuer's name are tried: the key identifier first, then
// issuer and serial number of the authority key identifier, then validity, then the
// configured before the presented, then as they come.
func TestOrderOfCandidates(t *testing.T) {
	subject, elsewhere, client := newParty("ca", p256()), newParty("elsewhere", p256()), newParty("client", p256())
	ski := func(id string) []byte { return extensionDER("2.5.29.14", false, tlv(0, 4, false, []byte(id))) }
	aki := func(parts ...[]byte) []byte { return extensionDER("2.5.29.35", false, sequence(parts...)) }
	keyID := func(id string) []byte { return context(0, false, []byte(id)) }
	named := func(p *party, serial byte) [][]byte {
		return [][]byte{context(1, true, context(4, true, p.name)), context(2, false, []byte{serial})}
	}
	// ca is a certificate of the name under another key, which did not sign.
	ca := func(serial int64, extensions ...[]byte) forged {
		namesake := newParty("ca", p256())
		return numbered(caBy(namesake, namesake), serial, extensions...)
	}
	expired := func(c forged) forged {
		c.validity = validFor(now.Add(-48*time.Hour), now.Add(-24*time.Hour))
		return c
	}
	for _, test := range []struct {
		name                  string
		aki                   []byte
		configured, presented []forged
		want                  string
	}{
		{"as they come", nil, []forged{ca(1), ca(2)}, []forged{ca(3), ca(4)}, "1 2 3 4"},
		{"by key identifier", aki(keyID("k")), []forged{ca(1, ski("x")), ca(2), ca(3, ski("k"))}, nil, "3 2 1"},
		{"by key identifier, what is presented", aki(keyID("k")), []forged{ca(1, ski("x"))}, []forged{ca(2, ski("k"))}, "2 1"},
		{"no key identifier is asked for", nil, []forged{ca(1, ski("x")), ca(2)}, nil, "1 2"},
		{"by issuer and serial number", aki(named(subject, 2)...), []forged{ca(1), ca(2)}, nil, "2 1"},
		{"by serial number, of another issuer", aki(named(elsewhere, 2)...), []forged{ca(1), ca(2)}, nil, "1 2"},
		{"by issuer, of another serial number", aki(named(subject, 7)...), []forged{ca(1), ca(2)}, nil, "1 2"},
		{"a name that is no directoryName", aki(context(1, true, dnsBase("ca")), context(2, false, []byte{2})), []forged{ca(1), ca(2)}, nil, "1 2"},
		{"the key identifier before the serial number", aki(append([][]byte{keyID("k")}, named(subject, 1)...)...), []forged{ca(1, ski("x")), ca(2, ski("k"))}, nil, "2 1"},
		{"the serial number where the key identifier fits both", aki(append([][]byte{keyID("k")}, named(subject, 2)...)...), []forged{ca(1, ski("k")), ca(2, ski("k"))}, nil, "2 1"},
		{"the key identifier, with another serial number, before a serial number", aki(append([][]byte{keyID("k")}, named(subject, 2)...)...), []forged{ca(1), ca(2), ca(3, ski("k"))}, nil, "3 2 1"},
		{"an expired one before another key identifier", aki(keyID("k")), []forged{ca(1, ski("x")), expired(ca(2))}, nil, "2 1"},
		{"valid ones first", nil, []forged{expired(ca(1)), ca(2)}, nil, "2 1"},
		{"valid ones that are presented before an expired one that is configured", nil, []forged{expired(ca(1))}, []forged{ca(2)}, "2 1"},
		{"the serial number before validity", aki(named(subject, 1)...), []forged{ca(2), expired(ca(1))}, nil, "1 2"},
		{"no serial number is asked for", aki(keyID("k")), []forged{expired(ca(1)), ca(2)}, nil, "2 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			leaf := clientBy(subject, client)
			if test.aki != nil {
				leaf.extensions = slices.Concat(leaf.extensions, [][]byte{test.aki})
			}
			q := tuple{leaf: leaf.sign(subject.signer)}
			for _, c := range test.configured {
				q.configured = append(q.configured, c.sign(subject.signer))
			}
			for _, c := range test.presented {
				q.presented = append(q.presented, c.sign(subject.signer))
			}
			var order []string
			lines, _ := told(q)
			for _, line := range lines {
				path, check, _ := strings.Cut(line, " ")
				if _, candidate, ok := strings.Cut(path, "<"); ok && strings.HasPrefix(check, certpath.IssuerCheck.String()) {
					order = append(order, candidate)
				}
			}
			if got := strings.Join(order, " "); got != test.want {
				t.Errorf("got %s, want %s, of\n%s", got, test.want, strings.Join(lines, "\n"))
			}
		})
	}
}
