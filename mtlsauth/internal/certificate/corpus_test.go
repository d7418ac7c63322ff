package certificate_test

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/signature"
	"mtls-auth/mtlsauth/internal/testing/pki"
	"mtls-auth/mtlsauth/internal/testing/suites"
)

// corpus is certificates of public sources, by a name that tells where from.
type corpus map[string][]byte

func unpack(t testing.TB, file string) []byte {
	t.Helper()
	folder := suites.Folder(t, "field", "certificates are read")
	data, err := exec.Command("xz", "-dc", filepath.Join(folder, file)).Output()
	if err != nil {
		t.Skipf("SUITE NOT RUN: xz: %v", err)
	}
	return data
}

// field adds the certificates of the field. Those without key and signature get
// one of ours; the signature does not fit, which reading does not ask.
func (c corpus) field(t testing.TB) {
	made := pki.NewSelfSigned("made")
	var parts struct{ algorithm, signature cryptobyte.String }
	input := cryptobyte.String(made.Raw)
	input.ReadASN1(&input, asn1.SEQUENCE)
	input.SkipASN1(asn1.SEQUENCE)
	input.ReadASN1Element(&parts.algorithm, asn1.SEQUENCE)
	parts.signature = input

	lines := bufio.NewScanner(bytes.NewReader(unpack(t, "corpus.xz")))
	lines.Buffer(nil, 1<<24)
	for n := 0; lines.Scan(); n++ {
		source, text, _ := strings.Cut(lines.Text(), " ")
		der, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("%s %d", source, n)
		key := cryptobyte.String(made.RawSubjectPublicKeyInfo)
		var tbs []byte
		if strings.HasSuffix(source, ":key") {
			tbs = bytes.Replace(elements(made.RawTBSCertificate), key, der, 1)
		} else {
			// What stands before and behind the key; anything may be malformed.
			fields := cryptobyte.String(elements(der))
			var version, serial, names, field cryptobyte.String
			if fields.PeekASN1Tag(asn1.Tag(0).ContextSpecific().Constructed()) {
				fields.ReadASN1Element(&version, asn1.Tag(0).ContextSpecific().Constructed())
			}
			if !fields.ReadASN1Element(&serial, asn1.INTEGER) {
				continue
			}
			for range 3 {
				if !fields.ReadASN1Element(&field, asn1.SEQUENCE) {
					break
				}
				names = append(names, field...)
			}
			tbs = slices.Concat(version, serial, parts.algorithm, names, key, fields)
		}
		c[name] = sequence(sequence(tbs), parts.algorithm, parts.signature)
	}
	var chains struct{ Certs []string }
	if err := json.Unmarshal(unpack(t, "chains.xz"), &chains); err != nil {
		t.Fatal(err)
	}
	for i, text := range chains.Certs {
		der, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		c[fmt.Sprintf("chains %d", i)] = der
	}
}

func (c corpus) others(t testing.TB) {
	if folder, present := suites.Find(t, "pkits"); present {
		files, _ := filepath.Glob(filepath.Join(folder, "*", "*.crt"))
		for _, file := range files {
			der, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c["pkits "+filepath.Base(file)] = der
		}
	}
}

// elements returns the content of a SEQUENCE.
func elements(der []byte) []byte {
	input, content := cryptobyte.String(der), cryptobyte.String(nil)
	input.ReadASN1(&content, asn1.SEQUENCE)
	return content
}

func sequence(content ...[]byte) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, c := range content {
			b.AddBytes(c)
		}
	})
	return b.BytesOrPanic()
}

// reasons say why we read what another does not, or the other way round, by a
// part of the error.
type reasons map[string]string

func (r reasons) explain(err error) bool {
	for part := range r {
		if strings.Contains(err.Error(), part) {
			return true
		}
	}
	return false
}

var (
	// What crypto/x509 refuses and we read.
	x509Refuses = reasons{
		"invalid RDNSequence":                 "attributes are of any type, and nothing but an octet out of place",
		"invalid version":                     "nothing depends on it",
		"malformed version":                   "nothing depends on it",
		"negative serial number":              "RFC 5280, section 4.1.2.2: to be handled gracefully",
		"inner and outer signature algorithm": "refused where the signature is asked for: not that of a trust anchor",
		"malformed extension critical field":  "TRUE that is not FF",
		"invalid basic constraints":           "TRUE that is not FF, and pathLenConstraint of any size",

		// The rest is read where the key cannot be used.
		"invalid ECDSA parameters":        "no named curve",
		"unsupported elliptic curve":      "named as what it is",
		"P256 point not on curve":         "cannot be used",
		"P521 point not on curve":         "cannot be used",
		"invalid P256 element encoding":   "cannot be used",
		"invalid P224 point encoding":     "cannot be used",
		"invalid uncompressed public key": "compressed, or it cannot be used",
		"RSA key missing NULL parameters": "they say nothing",
		"invalid RSA":                     "cannot be used, or its exponent is longer than an int",
		"RSA modulus is not a positive":   "no octet before the highest bit, as OpenSSL reads it",
		"DSA parameter":                   "not used",
		"malformed subjectPublicKey":      "bits that do not count",
		"malformed OID":                   "of an algorithm that is not known, then",
		"malformed parameters":            "of an algorithm: they are refused where it is used",

		// Extensions that validation does not need, or only under constraints.
		"SAN ":                           "not a name to match",
		"cannot parse URI":               "not a name to match",
		"cannot parse IP address":        "not a name to match",
		"invalid subject alternative":    "no names",
		"invalid NameConstraints":        "refused as an issuer",
		"empty name constraints":         "refused as an issuer",
		"IP constraint contained":        "a constraint that refuses all names of its kind",
		" constraint ":                   "a constraint that refuses all names of its kind",
		"invalid constraint value":       "a constraint that refuses all names of its kind",
		"invalid certificate policies":   "no policies",
		"invalid policy constraints":     "asks for no policy",
		"invalid policy mappings":        "no mapping",
		"invalid inhibit any policy":     "the strictest",
		"key identifier":                 "a hint; refused where it is critical",
		"authority info access":          "no addresses; refused where it is critical",
		"invalid CRL distribution point": "no addresses; refused where it is critical",
		"malformed extension OID field":  "of a kind that is not known, then",
	}
	// What we refuse and OpenSSL's parser, which is less than its validation,
	// reads.
	weRefuse = reasons{
		"malformed signature":           "bits that do not count make two readings",
		"malformed notBefore":           "OpenSSL takes any text for a time until it compares",
		"malformed notAfter":            "OpenSSL takes any text for a time until it compares",
		"comes twice":                   "contract; OpenSSL asks it of some, when it validates",
		"malformed extension 2.5.29.15": "OpenSSL finds it invalid when it validates",
		"malformed extension 2.5.29.19": "OpenSSL finds it invalid when it validates",
		"malformed extension 2.5.29.37": "OpenSSL finds it invalid when it validates",
	}
)

// TestCorpus compares what is read of the certificates of the field with
// crypto/x509, field by field, and what can be read at all against that and
// OpenSSL's parser.
func TestCorpus(t *testing.T) {
	c := corpus{}
	c.field(t)
	c.others(t)
	count := map[string]int{}
	for name, der := range c {
		cert, err := certificate.Parse(der)
		x, errX := x509.ParseCertificate(der)
		switch {
		case err == nil && errX == nil:
			count["both"]++
			if fields := unexplained(cert, x); len(fields) > 0 {
				t.Errorf("%s: other than crypto/x509 reads them: %v", name, fields)
			}
			continue
		case err == nil:
			count["crypto/x509 refuses"]++
			if !x509Refuses.explain(errX) {
				t.Errorf("%s: crypto/x509 refuses it: %v", name, errX)
			}
		case errX == nil:
			count["we refuse"]++
			if !passedOver(x) && err.Error() != "malformed signature" {
				t.Errorf("%s: %v, and crypto/x509 reads it", name, err)
			}
		default:
			count["neither"]++
		}
		if err != nil && !testing.Short() && sampled(name) {
			asked := exec.Command("openssl", "x509", "-inform", "DER", "-noout")
			asked.Stdin = bytes.NewReader(der)
			if asked.Run() == nil && isDER(der) && !weRefuse.explain(err) {
				t.Errorf("%s: %v, and OpenSSL reads it", name, err)
			}
		}
	}
	t.Logf("of %d: %v", len(c), count)
}

// children returns the elements inside of an element, and whether there is
// nothing else in it.
func children(element []byte) (out []cryptobyte.String, whole bool) {
	input := cryptobyte.String(element)
	var list, child cryptobyte.String
	input.ReadAnyASN1(&list, nil)
	for !list.Empty() {
		if !list.ReadAnyASN1Element(&child, nil) {
			return out, false
		}
		out = append(out, child)
	}
	return out, input.Empty()
}

// passedOver reports a certificate with something that crypto/x509 passes
// over: more elements in a SEQUENCE than belong there, or data after the value of
// an extension.
func passedOver(x *x509.Certificate) bool {
	over := false
	inside := func(element []byte, most int) []cryptobyte.String {
		out, whole := children(element)
		over = over || !whole || len(out) > most
		return append(out, nil, nil, nil)
	}
	name := func(element []byte) {
		rdns, _ := children(element)
		for _, rdn := range rdns {
			attributes, _ := children(rdn)
			for _, a := range attributes {
				inside(a, 2)
			}
		}
	}
	inside(x.Raw, 3)
	name(x.RawIssuer)
	name(x.RawSubject)
	inside(inside(x.RawSubjectPublicKeyInfo, 2)[0], 2)
	tbs := inside(x.RawTBSCertificate, 10)
	if tbs[0][0] == 0xa0 {
		inside(tbs[0], 1)
		tbs = tbs[1:]
	}
	inside(tbs[3], 2) // validity
	for rest, last := tbs[6:], byte(0); len(rest[0]) > 0; rest = rest[1:] {
		tag := rest[0][0]
		over = over || tag&^0x20 <= last || tag != 0x81 && tag != 0x82 && tag != 0xa3
		if last = tag &^ 0x20; tag != 0xa3 {
			continue
		}
		extensions, _ := children(inside(rest[0], 1)[0])
		for _, e := range extensions {
			fields := inside(e, 3)
			value := fields[1]
			if value[0] == 1 {
				value = fields[2]
			}
			var inner cryptobyte.String
			content := elementContent(value)
			over = over || content.ReadAnyASN1Element(&inner, nil) && !content.Empty()
			if bytes.Equal(fields[0], oid(certificate.OIDBasicConstraints)) {
				inner = elementContent(inner)
				inner.SkipOptionalASN1(asn1.BOOLEAN)
				inner.SkipOptionalASN1(asn1.INTEGER)
				over = over || !inner.Empty()
			}
		}
	}
	return over
}

func elementContent(element cryptobyte.String) (content cryptobyte.String) {
	element.ReadAnyASN1(&content, nil)
	return content
}

// sampled chooses one certificate in four: to start OpenSSL takes its time.
func sampled(name string) bool {
	h := fnv.New32()
	h.Write([]byte(name))
	return h.Sum32()%4 == 0
}

// unexplained are the differences but those that are meant.
func unexplained(c *certificate.Certificate, x *x509.Certificate) []string {
	return slices.DeleteFunc(differences(c, x), func(field string) bool {
		switch field {
		case "PublicKey":
			_, unsupported := c.PublicKey.(signature.UnsupportedKey)
			return unsupported // such as P-224; crypto/rsa refuses long exponents as well
		case "IsCA", "MaxPathLen", "KeyUsage", "ExtKeyUsage", "SubjectKeyId", "AuthorityKeyId", "DNSNames", "EmailAddresses", "IPAddresses", "URIs", "OCSPServer", "IssuingCertificateURL":
			return x.Version < 3 // of which crypto/x509 reads no extensions
		}
		return false
	})
}

// isDER reports whether elements have their shortest lengths, and strings are
// in one piece (X.690, section 10).
func isDER(der cryptobyte.String) bool {
	for !der.Empty() {
		var content cryptobyte.String
		var tag asn1.Tag
		if !der.ReadAnyASN1(&content, &tag) {
			return false
		}
		const constructed = 0x20
		switch base := tag &^ constructed; {
		case tag&constructed == 0:
		case tag < 0x40 && base != asn1.SEQUENCE&^constructed && base != asn1.SET&^constructed, !isDER(content):
			return false
		}
	}
	return true
}
