//go:build !race

package certpath_test

import (
	"bufio"
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/testing/suites"
)

// share says how many of the suite's certificates a run takes: one in so many,
// and all of them with ORACLE_FULL.
const share = 6

func chosen(what string) bool {
	if os.Getenv("ORACLE_FULL") != "" {
		return true
	}
	h := fnv.New32()
	h.Write([]byte(what))
	return h.Sum32()%share == 0
}

// TestFieldAgainstOpenSSL issues certificates of the field again, with a key
// and a CA of our own, and asks about paths of the field as they are.
func TestFieldAgainstOpenSSL(t *testing.T) {
	o := newOracle(t)
	folder := suites.Folder(t, "field", "path validation goes without certificates of the field,")
	all := &tuples{TB: t}
	all.corpus(unpack(t, folder, "corpus.xz"))
	all.paths(unpack(t, folder, "chains.xz"))
	all.opensslSuite(unpack(t, folder, "openssl-suite.xz"))
	compare(t, o, all.all, classes)
}

func unpack(t *testing.T, folder, name string) []byte {
	t.Helper()
	data, err := exec.Command("xz", "-dc", filepath.Join(folder, name)).Output()
	if err != nil {
		t.Skipf("SUITE NOT RUN: xz: %v", err)
	}
	return data
}

func (t *tuples) corpus(data []byte) {
	keys := [3]crypto.Signer{p256(), p256(), p256()}
	root, leaf := newParty("the oracle's root", keys[0]), newParty("client", keys[2])
	goodRoot := caBy(root, root).sign(root.signer)
	counted := map[string]int{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, len(data))
	for lines.Scan() {
		source, text, _ := strings.Cut(lines.Text(), " ")
		der, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		counted[source]++
		what := fmt.Sprintf("%s %d", source, counted[source])
		if strings.HasSuffix(source, ":key") {
			if chosen(what) {
				f := clientBy(root, leaf)
				f.key = der
				t.add("field key/"+what, f.sign(root.signer), nil, goodRoot)
			}
			continue
		}
		f, ok := readForged(der)
		if !ok {
			continue // BER, which is not read (X.690, section 11)
		}
		f.validity = validFor(now.Add(-time.Hour), now.Add(24*time.Hour))
		as := func(issuer []byte, key []byte, extensions [][]byte) forged {
			g := f
			g.issuer, g.key, g.extensions = issuer, key, extensions
			return g
		}
		const extKeyUsage = "2.5.29.37"
		one := &party{signerOf(keys[1]), f.subject, publicKeyInfo(keys[1].Public())}
		below := clientBy(one, leaf).sign(one.signer)
		for place, add := range map[string]func(name string){
			"client": func(name string) {
				t.add(name, as(root.name, leaf.spki, f.extensions).sign(root.signer), nil, goodRoot)
			},
			"client, for clients": func(name string) {
				t.add(name, as(root.name, leaf.spki, append(without(f.extensions, extKeyUsage), extClientAuth)).sign(root.signer), nil, goodRoot)
			},
			"intermediate": func(name string) {
				t.add(name, below, [][]byte{as(root.name, one.spki, f.extensions).sign(root.signer)}, goodRoot)
			},
			"intermediate, configured": func(name string) {
				t.add(name, below, nil, goodRoot, as(root.name, one.spki, without(f.extensions, extKeyUsage)).sign(root.signer))
			},
			"root": func(name string) {
				t.add(name, below, nil, as(f.subject, one.spki, f.extensions).sign(one.signer))
			},
			"name": func(name string) {
				t.add(name, below, nil, caBy(one, one).sign(one.signer))
			},
		} {
			if chosen(what + place) {
				add("field " + place + "/" + what)
			}
		}
	}
}

// without leaves out the authority key identifier, which is of another issuer,
// and extensions of one kind.
func without(extensions [][]byte, dotted string) (out [][]byte) {
	for _, e := range extensions {
		if !bytes.Contains(e, oid(dotted)) && !bytes.Contains(e, oid("2.5.29.35")) {
			out = append(out, e)
		}
	}
	return out
}

// readForged takes a certificate of the corpus apart: it has neither key nor
// signature.
func readForged(der []byte) (forged, bool) {
	input := cryptobyte.String(der)
	var fields cryptobyte.String
	if !input.ReadASN1(&fields, asn1.SEQUENCE) {
		return forged{}, false
	}
	var f forged
	element := func(to *[]byte) bool {
		var e cryptobyte.String
		ok := fields.ReadAnyASN1Element(&e, nil)
		*to = e
		return ok
	}
	context0 := asn1.Tag(0).ContextSpecific().Constructed()
	if fields.PeekASN1Tag(context0) && !element(&f.version) {
		return forged{}, false
	}
	if !element(&f.serial) || !element(&f.issuer) || !element(&f.validity) || !element(&f.subject) {
		return forged{}, false
	}
	for !fields.Empty() {
		var e cryptobyte.String
		var tag asn1.Tag
		if !fields.ReadAnyASN1Element(&e, &tag) {
			return forged{}, false
		}
		if tag != asn1.Tag(3).ContextSpecific().Constructed() {
			f.uniqueIDs = append(f.uniqueIDs, e...)
			continue
		}
		whole := e
		var wrapped, list cryptobyte.String
		ok := e.ReadASN1(&wrapped, tag) && wrapped.ReadASN1(&list, asn1.SEQUENCE)
		f.extensions = [][]byte{}
		for ok && !list.Empty() {
			var one cryptobyte.String
			if ok = list.ReadAnyASN1Element(&one, nil); !ok {
				break
			}
			if !bytes.Contains(one, oid("2.5.29.35")) {
				f.extensions = append(f.extensions, one)
			}
		}
		if !ok { // what is broken stays as it is
			f.extensions, f.uniqueIDs = nil, append(f.uniqueIDs, whole...)
		}
	}
	return f, true
}

// paths asks about paths of the field, at a time that is inside the validity of
// all certificates where there is one, else inside the client's.
func (t *tuples) paths(data []byte) {
	var file struct {
		Certs  []string `json:"certs"`
		Tuples [][]any  `json:"tuples"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	ders := make([][]byte, len(file.Certs))
	for i, text := range file.Certs {
		var err error
		if ders[i], err = base64.StdEncoding.DecodeString(text); err != nil {
			t.Fatal(err)
		}
	}
	list := func(v any) (out [][]byte) {
		for _, i := range v.([]any) {
			out = append(out, ders[int(i.(float64))])
		}
		return out
	}
	for i, fields := range file.Tuples {
		q := tuple{name: fmt.Sprintf("field path/%v %d", fields[0], i), leaf: ders[int(fields[1].(float64))], presented: list(fields[2]), configured: list(fields[3])}
		from, to := validity(q.leaf)
		q.at = from.Add(to.Sub(from) / 2)
		for _, der := range slices.Concat(q.presented, q.configured) {
			a, b := validity(der)
			if a.After(from) {
				from = a
			}
			if b.Before(to) {
				to = b
			}
		}
		if from.Before(to) {
			q.at = from.Add(to.Sub(from) / 2)
		}
		q.at = q.at.Truncate(time.Second)
		if q.at.Year() < 1971 || q.at.Year() > 2100 {
			continue // the oracle's time has 32 bits
		}
		t.all = append(t.all, q)
	}
}

// validity reads the validity of a certificate.
func validity(der []byte) (from, to time.Time) {
	cert, err := parse(der)
	if err != nil {
		return time.Time{}, now
	}
	return cert.NotBefore, cert.NotAfter
}

// opensslSuite asks about the cases of OpenSSL's own 25-test_verify.t.
func (t *tuples) opensslSuite(data []byte) {
	var cases []struct {
		Title string   `json:"title"`
		No    string   `json:"no"`
		Leaf  string   `json:"leafder"`
		CAs   []string `json:"cas"`
		Chain []string `json:"chain"`
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	decode := func(texts ...string) (out [][]byte) {
		for _, text := range texts {
			der, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, der)
		}
		return out
	}
	for _, c := range cases {
		if c.No == "" && c.Leaf != "" {
			t.add("openssl suite/"+c.Title, decode(c.Leaf)[0], decode(c.Chain...), decode(c.CAs...)...)
		}
	}
}

// TestMutationsAgainstOpenSSL changes bytes of what is signed, and signs it
// again.
func TestMutationsAgainstOpenSSL(t *testing.T) {
	o := newOracle(t)
	const seed, count = 1, 1500
	random := rand.New(rand.NewPCG(seed, 0))
	all := &tuples{TB: t}
	root, one, leaf := newParty("root", p256()), newParty("one", p256()), newParty("client", p256())
	nc := extensionDER("2.5.29.30", true, sequence(permitted(dnsBase("example.com"), context(4, true, sequence())), excluded(emailBase("example.org"))))
	policies := extensionDER("2.5.29.32", false, sequence(sequence(oid("1.2.3.4"))))
	points := extensionDER("2.5.29.31", false, sequence(sequence(context(0, true, context(0, true, context(6, false, []byte("http://example.com/crl")))))))
	certs := []struct {
		f  forged
		by *party
	}{
		{clientBy(one, leaf, extAuthorityKeyID(keyID(one)), extSAN(false, dnsBase("a.example.com"), emailBase("a@example.com"), uriBase("spiffe://example.com/a")), policies, points), one},
		{caBy(root, one, nc, policies, extSubjectKeyID(keyID(one)), extAuthorityKeyID(keyID(root))), root},
		{caBy(root, root, extSubjectKeyID(keyID(root)), extClientAuth), root},
	}
	for i := range count {
		var ders [3][]byte
		changed := random.IntN(3)
		for j, c := range certs {
			if j == changed {
				c.f.mutate = func(tbs []byte) []byte { return mutated(random, tbs) }
			}
			ders[j] = c.f.sign(c.by.signer)
		}
		all.add(fmt.Sprintf("mutation/%s %d", []string{"client", "intermediate", "root"}[changed], i), ders[0], [][]byte{ders[1]}, ders[2])
	}
	compare(t, o, all.all, classes)
}

// mutated changes one or two things of DER: a bit or a byte anywhere, or an
// element is left out, doubled or swapped with the next.
func mutated(random *rand.Rand, der []byte) []byte {
	der = bytes.Clone(der)
	for range 1 + random.IntN(2) {
		at := random.IntN(len(der))
		if random.IntN(4) > 0 { // names, dates and keys are mostly at the beginning
			at = len(der) - 1 - random.IntN(len(der)/2)
		}
		switch random.IntN(4) {
		case 0:
			der[at] ^= 1 << random.IntN(8)
		case 1:
			der[at] = byte(random.Uint32())
		case 2:
			der = rearranged(random, der)
		case 3:
			der[at]++
		}
	}
	return der
}

// rearranged drops, doubles or swaps an element somewhere, lengths put right.
func rearranged(random *rand.Rand, der []byte) []byte {
	input := cryptobyte.String(der)
	var content cryptobyte.String
	var tag asn1.Tag
	if !input.ReadAnyASN1(&content, &tag) || !input.Empty() || tag&0x20 == 0 {
		return der
	}
	var elements [][]byte
	for !content.Empty() {
		var e cryptobyte.String
		if !content.ReadAnyASN1Element(&e, nil) {
			return der
		}
		elements = append(elements, e)
	}
	if len(elements) == 0 {
		return der
	}
	i := random.IntN(len(elements))
	switch random.IntN(6) {
	case 0:
		elements = slices.Delete(elements, i, i+1)
	case 1:
		elements = slices.Insert(elements, i, elements[i])
	case 2:
		j := random.IntN(len(elements))
		elements[i], elements[j] = elements[j], elements[i]
	default:
		elements[i] = rearranged(random, elements[i])
	}
	var b cryptobyte.Builder
	b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(slices.Concat(elements...)) })
	return b.BytesOrPanic()
}
