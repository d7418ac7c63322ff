//go:build !race

package certpath_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// families are the kinds of certificates that were met where others had
// trouble, each as a whole: not the case that was met.
var families = []func(*tuples){
	stringTypes, issuerNames, malformedExtensions, serialNumbers, pssSalts, sameName, generations,
	usages, pathLengths, nameConstraintForms, times, chains,
}

// stringTypes puts every ASN.1 string type, with what it may hold and what it
// may not, into every attribute: of the client, and of its CA.
func stringTypes(t *tuples) {
	root := newParty("root", p256())
	rootDER := caBy(root, root).sign(root.signer)
	types := map[string]int{
		"utf8": 12, "numeric": 18, "printable": 19, "t61": 20, "videotex": 21, "ia5": 22, "graphic": 25, "visible": 26,
		"general": 27, "universal": 28, "bmp": 30, "bits": 3, "octets": 4, "integer": 2, "null": 5, "oid": 6, "boolean": 1,
	}
	values := map[string]string{
		"plain": "abcd", "digits": "0123", "odd": "a*@_&b", "latin1": "M\xfcller", "utf8": "M\xc3\xbcller", "empty": "",
		"odd length": "abc", "control": "a\x00b\n", "surrogate": "\xd8\x00\xdc\x00", "bits": "\x00\xff\x0f\x00", "spaces": "  a  b ",
	}
	attributes := map[string]string{
		"CN": "2.5.4.3", "O": "2.5.4.10", "C": "2.5.4.6", "serialNumber": "2.5.4.5", "email": "1.2.840.113549.1.9.1",
		"DC": "0.9.2342.19200300.100.1.25", "uniqueIdentifier": "2.5.4.45", "unknown": "1.3.6.1.4.1.99999.18446744073709551615.7",
	}
	leafKey := p256()
	for typeName, tag := range types {
		for valueName, value := range values {
			for attributeName, id := range attributes {
				name := rdns(attribute(id, tag, value))
				leaf := &party{signerOf(leafKey), name, publicKeyInfo(leafKey.Public())}
				what := fmt.Sprintf("string/%s %s %s", attributeName, typeName, valueName)
				t.add(what, clientBy(root, leaf).sign(root.signer), nil, rootDER)
				if attributeName == "CN" || attributeName == "uniqueIdentifier" {
					ca := &party{root.signer, name, root.spki}
					client := newParty("client", leafKey)
					t.add(what+", of the CA", clientBy(ca, client).sign(ca.signer), nil, caBy(ca, ca).sign(ca.signer))
				}
			}
		}
	}
}

// issuerNames spells the name of the issuer otherwise than the CA spells its
// own: RFC 5280, section 7.1, compares what is written, not how.
func issuerNames(t *tuples) {
	key, leafKey := p256(), p256()
	spellings := map[string][]byte{}
	for typeName, tag := range map[string]int{"utf8": 12, "printable": 19, "ia5": 22, "t61": 20, "bmp": 30, "universal": 28, "visible": 26} {
		for name, value := range map[string]string{
			"plain": "Example CA", "upper": "EXAMPLE CA", "spaces": " Example   CA ", "other": "Example CB", "joined": "ExampleCA", "tab": "Example\tCA",
		} {
			switch tag {
			case 30:
				value = widen(value, 1)
			case 28:
				value = widen(value, 3)
			}
			spellings[typeName+" "+name] = rdns(attribute("2.5.4.6", 19, "DE"), attribute("2.5.4.3", tag, value))
		}
	}
	utf8 := func(value string) []byte {
		return rdns(attribute("2.5.4.6", 19, "DE"), attribute("2.5.4.3", 12, value))
	}
	spellings["umlaut"], spellings["upper umlaut"], spellings["decomposed"] = utf8("\u00e4"), utf8("\u00c4"), utf8("a\u0308")
	spellings["long s"], spellings["hidden"] = utf8("Example\u017f CA"), utf8("Example\u00ad CA")
	spellings["empty"] = sequence()
	spellings["one RDN"] = sequence(tlv(0, asn1.TagSet, true, attribute("2.5.4.6", 19, "DE"), attribute("2.5.4.3", 12, "Example CA")))
	spellings["one RDN, unsorted"] = sequence(tlv(0, asn1.TagSet, true, attribute("2.5.4.3", 12, "Example CA"), attribute("2.5.4.6", 19, "DE")))
	spellings["reversed"] = rdns(attribute("2.5.4.3", 12, "Example CA"), attribute("2.5.4.6", 19, "DE"))
	for name, subject := range spellings {
		for other, issuer := range spellings {
			ca, as := &party{signerOf(key), subject, publicKeyInfo(key.Public())}, &party{signerOf(key), issuer, publicKeyInfo(key.Public())}
			leaf := newParty("client", leafKey)
			t.add("issuer name/"+name+" as "+other, clientBy(as, leaf).sign(ca.signer), nil, caBy(ca, ca).sign(ca.signer))
		}
	}
}

// widen writes ASCII with so many zero bytes before each character.
func widen(s string, zeros int) string {
	var out strings.Builder
	for i := range len(s) {
		out.WriteString(strings.Repeat("\x00", zeros) + s[i:i+1])
	}
	return out.String()
}

// malformedExtensions breaks one extension at a time, critical and not, in the
// client's certificate, an intermediate that is sent, and the root.
func malformedExtensions(t *tuples) {
	dns := context(2, false, []byte("a.example.com"))
	dn := context(4, true, rdns(attribute("2.5.4.3", 12, "x")))
	policy := sequence(oid("1.2.3.4"))
	point := sequence(context(0, true, context(0, true, context(6, false, []byte("http://example.com/crl")))))
	pointOf := func(field []byte) []byte {
		return sequence(sequence(context(0, true, context(0, true, context(6, false, []byte("http://a/")))), field))
	}
	good := map[string][]byte{
		"2.5.29.14":               tlv(0, 4, false, []byte("subject key id")),
		"2.5.29.15":               {3, 2, 1, 0x86},
		"2.5.29.17":               sequence(dns, dn),
		"2.5.29.18":               sequence(dns),
		"2.5.29.19":               sequence([]byte{1, 1, 0xff}),
		"2.5.29.30":               sequence(permitted(dnsBase("example.com"))),
		"2.5.29.31":               sequence(point),
		"2.5.29.32":               sequence(policy),
		"2.5.29.33":               sequence(sequence(oid("1.2.3.4"), oid("1.2.3.5"))),
		"2.5.29.35":               sequence(context(0, false, []byte("authority key id"))),
		"2.5.29.36":               sequence(context(1, false, []byte{1})),
		"2.5.29.37":               sequence(oid("1.3.6.1.5.5.7.3.2")),
		"2.5.29.46":               sequence(point),
		"2.5.29.54":               {2, 1, 1},
		"2.5.29.9":                sequence(sequence(oid("2.5.4.3"), tlv(0, asn1.TagSet, true, tlv(0, 12, false, []byte("x"))))),
		"2.5.29.16":               sequence(context(0, false, []byte("20200101000000Z"))),
		"1.3.6.1.5.5.7.1.1":       sequence(sequence(oid("1.3.6.1.5.5.7.48.1"), context(6, false, []byte("http://example.com")))),
		"1.3.6.1.5.5.7.1.11":      sequence(sequence(oid("1.3.6.1.5.5.7.48.1"), context(6, false, []byte("http://example.com")))),
		"1.3.6.1.5.5.7.1.3":       sequence(sequence(oid("0.4.0.1862.1.1"))),
		"1.3.6.1.5.5.7.1.7":       sequence(sequence([]byte{4, 2, 0, 1}, null)),
		"1.3.6.1.5.5.7.1.8":       sequence(context(0, true, null)),
		"1.3.6.1.5.5.7.1.14":      sequence(sequence(oid("1.3.6.1.5.5.7.21.1"))),
		"1.3.6.1.5.5.7.1.24":      sequence([]byte{2, 1, 5}),
		"1.3.6.1.5.5.7.48.1.5":    null,
		"2.16.840.1.113730.1.1":   {3, 2, 7, 0x80},
		"2.16.840.1.113730.1.13":  tlv(0, 22, false, []byte("a comment")),
		"1.3.6.1.4.1.11129.2.4.2": tlv(0, 4, false, []byte{0, 0}),
		"1.3.6.1.4.1.11129.2.4.3": null,
		"1.3.6.1.4.1.311.21.7":    sequence(oid("1.3.6.1.4.1.311.21.8.1"), []byte{2, 1, 100}),
		"1.3.6.1.4.1.311.21.10":   sequence(sequence(oid("1.3.6.1.5.5.7.3.2"))),
		"1.3.6.1.4.1.311.25.2":    sequence(context(0, true, oid("1.3.6.1.4.1.311.25.2.1"), context(0, true, tlv(0, 4, false, []byte("S-1-5"))))),
		"1.2.3.4.5":               {1, 2, 3},
	}
	// More ways to break the ones that have parts.
	special := map[string]map[string][]byte{
		"2.5.29.15": {"no bits": {3, 1, 0}, "zero bits": {3, 2, 7, 0}, "unused bits of 8": {3, 2, 8, 0x80}, "padded": {3, 3, 0, 0x86, 0}, "unknown bits": {3, 3, 0, 0, 0x3f}, "nine bits": {3, 3, 7, 0x86, 0x80}},
		"2.5.29.17": {
			"one of two broken":  sequence(dns, context(4, true, []byte{1, 2})),
			"unknown form":       sequence(dns, context(9, false, []byte("x"))),
			"address of 5":       sequence(dns, context(7, false, []byte{1, 2, 3, 4, 5})),
			"beyond ASCII":       sequence(dns, context(2, false, []byte("b\xc3\xbccher.example"))),
			"constructed":        sequence(context(2, true, tlv(0, 22, false, []byte("a.example.com")))),
			"UPN as ia5":         sequence(dns, context(0, true, oid("1.3.6.1.4.1.311.20.2.3"), context(0, true, tlv(0, 22, false, []byte("u@corp"))))),
			"otherName of three": sequence(dns, context(0, true, oid("1.2.3"), context(0, true, null), null)),
			"odd URI":            sequence(context(6, false, []byte("http://%zz/ a"))),
			"empty DNS":          sequence(context(2, false)),
			"empty dirName":      sequence(context(4, true, sequence())),
			"x400":               sequence(dns, context(3, true, null)),
			"ediParty":           sequence(dns, context(5, true, context(1, true, tlv(0, 12, false, []byte("x"))))),
			"registeredID":       sequence(dns, context(8, false, []byte{42, 3})),
			"broken ID":          sequence(dns, context(8, false, []byte{0x80})),
		},
		"2.5.29.19": {
			"TRUE of 1": sequence([]byte{1, 1, 1}), "FALSE": sequence([]byte{1, 1, 0}), "FALSE and path length": sequence([]byte{1, 1, 0}, []byte{2, 1, 0}),
			"path length first": sequence([]byte{2, 1, 0}, []byte{1, 1, 0xff}), "path length alone": sequence([]byte{2, 1, 0}),
			"a third element": sequence([]byte{1, 1, 0xff}, []byte{2, 1, 3}, null), "negative path length": sequence([]byte{1, 1, 0xff}, []byte{2, 1, 0xff}),
			"long path length": sequence([]byte{1, 1, 0xff}, tlv(0, 2, false, []byte("\x01"+strings.Repeat("\x00", 9)))), "padded path length": sequence([]byte{1, 1, 0xff}, []byte{2, 2, 0, 3}),
			"BOOLEAN of two": sequence([]byte{1, 2, 0xff, 0xff}),
		},
		"2.5.29.30": {
			"email @host": sequence(permitted(emailBase("@example.com"))), "trailing dot": sequence(permitted(dnsBase("example.com."))), "star": sequence(excluded(dnsBase("*.example.org"))),
			"no mask": sequence(permitted(ipBase(10, 0, 0, 0))), "mask with holes": sequence(permitted(ipBase(10, 0, 0, 0, 255, 0, 255, 0))),
			"both empty": sequence(), "permitted empty": sequence(context(0, true)), "unknown form": sequence(excluded(context(9, false, []byte("x")))),
			"minimum": sequence(context(0, true, sequence(dnsBase("example.com"), context(0, false, []byte{1})))), "maximum": sequence(context(0, true, sequence(dnsBase("example.com"), context(1, false, []byte{1})))),
			"broken dirName": sequence(excluded(context(4, true, []byte{1, 2}))), "UPN": sequence(permitted(otherName("corp"))), "URI with a port": sequence(permitted(uriBase("example.com:443"))),
			"excluded before permitted": sequence(excluded(dnsBase("b.org")), permitted(dnsBase("a.example.com"))),
		},
		"2.5.29.31": {
			"relative": sequence(sequence(context(0, true, context(1, true, attribute("2.5.4.3", 12, "x"))))), "one of two broken": sequence(point, sequence(context(0, true, context(0, true, context(6, true, null))))),
			"reasons": sequence(sequence(context(0, true, context(0, true, context(6, false, []byte("http://a/")))), context(1, false, []byte{7, 0x80}))), "cRLIssuer alone": sequence(sequence(context(2, true, dn))), "empty point": sequence(sequence()),
			"reasons of no octet": pointOf(context(1, false, nil)), "reasons with 9 unused bits": pointOf(context(1, false, []byte{9, 6})), "reasons with one octet": pointOf(context(1, false, []byte{1})),
			"reasons with unused bits set": pointOf(context(1, false, []byte{1, 7})), "reasons of 8 octets": pointOf(context(1, false, []byte("\x00\x06\x00\x00\x00\x00\x00\x01"))),
			"relative of no attribute": sequence(sequence(context(0, true, context(1, true)))), "relative of no pair": sequence(sequence(context(0, true, context(1, true, null)))),
			"17 points": sequence(slices.Repeat([][]byte{point}, 17)...), "cRLIssuer of no name": pointOf(context(2, true)), "no points": sequence(),
		},
		"2.5.29.32": {"twice": sequence(policy, policy), "any": sequence(sequence(oid("2.5.29.32.0"))), "empty": sequence(), "odd qualifier": sequence(sequence(oid("1.2.3.4"), sequence(sequence(oid("1.2.3"), null)))), "one of two broken": sequence(policy, sequence(null))},
		"2.5.29.33": {"any": sequence(sequence(oid("2.5.29.32.0"), oid("1.2.3.4")))},
		"2.5.29.35": {"issuer and serial": sequence(context(1, true, dn), context(2, false, []byte{1})), "issuer alone": sequence(context(1, true, dn)), "serial alone": sequence(context(2, false, []byte{1})), "all": sequence(context(0, false, []byte("x")), context(1, true, dn), context(2, false, []byte{1}))},
		"2.5.29.36": {"explicit now": sequence(context(0, false, []byte{0})), "explicit later": sequence(context(0, false, []byte{9})), "empty": sequence(), "long": sequence(context(0, false, []byte("\x01"+strings.Repeat("\x00", 9)))), "negative": sequence(context(0, false, []byte{0xff}))},
		"2.5.29.37": {"empty": sequence(), "any": sequence(oid("2.5.29.37.0")), "twice": sequence(oid("1.3.6.1.5.5.7.3.2"), oid("1.3.6.1.5.5.7.3.2")), "server": sequence(oid("1.3.6.1.5.5.7.3.1")), "unknown too": sequence(oid("1.3.6.1.5.5.7.3.2"), oid("1.2.3.99")), "one of two broken": sequence(oid("1.3.6.1.5.5.7.3.2"), null), "large arcs": sequence(oid("1.3.6.1.5.5.7.3.2"), oid("2.25.340282366920938463463374607431768211455"))},
		"2.5.29.54": {"negative": {2, 1, 0xff}, "zero": {2, 1, 0}},
	}
	for id, value := range good {
		ways := map[string][]byte{
			"good": value, "no content": {}, "NULL": null, "empty sequence": sequence(), "bytes after": slices.Concat(value, []byte{5, 0}),
			"cut short": value[:len(value)-1], "another tag": append([]byte{value[0] ^ 0x40}, value[1:]...), "garbage": []byte("\xff\x01garbage"),
		}
		if len(value) > 1 && value[1] < 0x80 {
			ways["long form of the length"] = slices.Concat([]byte{value[0], 0x81}, value[1:])
		}
		for way, broken := range special[id] {
			ways[way] = broken
		}
		for way, broken := range ways {
			for _, critical := range []bool{true, false} {
				t.withExtension(fmt.Sprintf("extension/%s %s, critical %v", id, way, critical), id, extensionDER(id, critical, broken))
			}
		}
		t.withExtension("extension/"+id+" twice", id, slices.Concat(extensionDER(id, false, value), extensionDER(id, false, value)))
		t.withExtension("extension/"+id+" critical written FALSE", id, sequence(oid(id), []byte{1, 1, 0}, tlv(0, 4, false, value)))
		t.withExtension("extension/"+id+" critical of 1", id, sequence(oid(id), []byte{1, 1, 1}, tlv(0, 4, false, value)))
	}
}

// withExtension adds tuples with this extension in the place of the usual one
// of its kind.
func (t *tuples) withExtension(name, id string, extension []byte) {
	root, one, leaf := newParty("root", extensionKeys[0]), newParty("one", extensionKeys[1]), newParty("client", extensionKeys[2])
	put := func(f forged) forged {
		want := oid(id)
		f.extensions = slices.DeleteFunc(slices.Clone(f.extensions), func(e []byte) bool { return strings.Contains(string(e), string(want)) })
		f.extensions = append(f.extensions, extension)
		return f
	}
	// Names for constraints to apply to.
	san := extSAN(false, context(2, false, []byte("a.example.com")))
	var sans [][]byte
	if id != "2.5.29.17" {
		sans = append(sans, san)
	}
	goodRoot, goodOne, goodLeaf := caBy(root, root).sign(root.signer), caBy(root, one).sign(root.signer), clientBy(one, leaf, sans...).sign(one.signer)
	t.add(name+", client", put(clientBy(root, leaf)).sign(root.signer), nil, goodRoot)
	t.add(name+", intermediate sent", goodLeaf, [][]byte{put(caBy(root, one)).sign(root.signer)}, goodRoot)
	t.add(name+", root", goodLeaf, [][]byte{goodOne}, put(caBy(root, root)).sign(root.signer))
}

var extensionKeys = [3]crypto.Signer{p256(), p256(), p256()}

// serialNumbers go from -2^160 to 2^160 and beyond, in DER and not.
func serialNumbers(t *tuples) {
	root, one, leaf := newParty("root", p256()), newParty("one", p256()), newParty("client", p256())
	serials := map[string][]byte{"none": {2, 0}, "padded": {2, 2, 0, 1}, "padded negative": {2, 2, 0xff, 0xff}, "of another type": {4, 1, 1}}
	for _, shift := range []uint{0, 7, 8, 63, 64, 127, 158, 159, 160, 161, 240, 800} {
		n := new(big.Int).Lsh(big.NewInt(1), shift)
		for name, n := range map[string]*big.Int{
			"2^%d": n, "-2^%d": new(big.Int).Neg(n), "2^%d-1": new(big.Int).Sub(n, big.NewInt(1)), "-2^%d-1": new(big.Int).Sub(new(big.Int).Neg(n), big.NewInt(1)),
		} {
			serials[fmt.Sprintf(name, shift)] = mustMarshal(n)
		}
	}
	for name, serial := range serials {
		with := func(f forged) forged { f.serial = serial; return f }
		goodRoot, goodOne, goodLeaf := caBy(root, root).sign(root.signer), caBy(root, one).sign(root.signer), clientBy(one, leaf).sign(one.signer)
		t.add("serial/"+name+", client", with(clientBy(root, leaf)).sign(root.signer), nil, goodRoot)
		t.add("serial/"+name+", intermediate", goodLeaf, [][]byte{with(caBy(root, one)).sign(root.signer)}, goodRoot)
		t.add("serial/"+name+", root", goodLeaf, [][]byte{goodOne}, with(caBy(root, root)).sign(root.signer))
	}
	for name, change := range map[string]func(*forged){
		"version 1":                 func(f *forged) { f.version, f.extensions = nil, nil },
		"version 1 with extensions": func(f *forged) { f.version = nil },
		"version 2":                 func(f *forged) { f.version, f.extensions = context(0, true, []byte{2, 1, 1}), nil },
		"version 2 with extensions": func(f *forged) { f.version = context(0, true, []byte{2, 1, 1}) },
		"version 4":                 func(f *forged) { f.version = context(0, true, []byte{2, 1, 3}) },
		"version 1 written out":     func(f *forged) { f.version, f.extensions = context(0, true, []byte{2, 1, 0}), nil },
		"version 3 without":         func(f *forged) { f.extensions = nil },
		"empty list of extensions":  func(f *forged) { f.extensions = [][]byte{} },
		"unique identifiers": func(f *forged) {
			f.uniqueIDs = slices.Concat(context(1, false, []byte{0, 1}), context(2, false, []byte{0, 2}))
		},
		"unique identifiers, swapped": func(f *forged) {
			f.uniqueIDs = slices.Concat(context(2, false, []byte{0, 1}), context(1, false, []byte{0, 2}))
		},
		"unique identifier, odd bits": func(f *forged) { f.uniqueIDs = context(1, false, []byte{9, 1}) },
		"a field after extensions": func(f *forged) {
			f.mutate = func(tbs []byte) []byte { return reseal(tbs, func(b []byte) []byte { return append(b, 5, 0) }) }
		},
		"empty subject":      func(f *forged) { f.subject = sequence() },
		"empty RDN":          func(f *forged) { f.subject = sequence(tlv(0, asn1.TagSet, true)) },
		"attribute of three": func(f *forged) { f.subject = rdns(sequence(oid("2.5.4.3"), tlv(0, 12, false, []byte("x")), null)) },
		"subject is a set":   func(f *forged) { f.subject = tlv(0, asn1.TagSet, true) },
		"seconds left out": func(f *forged) {
			f.validity = sequence(tlv(0, 23, false, []byte("2001010000Z")), tlv(0, 23, false, []byte("4901010000Z")))
		},
		"offset": func(f *forged) {
			f.validity = sequence(tlv(0, 23, false, []byte("200101000000+0100")), tlv(0, 23, false, []byte("490101000000Z")))
		},
		"fraction": func(f *forged) {
			f.validity = sequence(tlv(0, 24, false, []byte("20200101000000.5Z")), tlv(0, 23, false, []byte("490101000000Z")))
		},
		"GeneralizedTime before 2050": func(f *forged) {
			f.validity = sequence(tlv(0, 24, false, []byte("20200101000000Z")), tlv(0, 24, false, []byte("20400101000000Z")))
		},
		"year 9999": func(f *forged) {
			f.validity = sequence(tlv(0, 23, false, []byte("500101000000Z")), tlv(0, 24, false, []byte("99991231235959Z")))
		},
		"year 0": func(f *forged) {
			f.validity = sequence(tlv(0, 24, false, []byte("00000101000000Z")), tlv(0, 24, false, []byte("99991231235959Z")))
		},
		"day 31 of April": func(f *forged) {
			f.validity = sequence(tlv(0, 23, false, []byte("200431000000Z")), tlv(0, 23, false, []byte("490101000000Z")))
		},
		"leap second": func(f *forged) {
			f.validity = sequence(tlv(0, 23, false, []byte("161231235960Z")), tlv(0, 23, false, []byte("490101000000Z")))
		},
		"over before it begins": func(f *forged) { f.validity = validFor(now.Add(time.Hour), now.Add(-time.Hour)) },
		"time as a string": func(f *forged) {
			f.validity = sequence(tlv(0, 12, false, []byte("200101000000Z")), tlv(0, 12, false, []byte("490101000000Z")))
		},
	} {
		with := func(f forged) forged { change(&f); return f }
		goodRoot, goodOne := caBy(root, root).sign(root.signer), caBy(root, one).sign(root.signer)
		t.add("form/"+name+", client", with(clientBy(root, leaf)).sign(root.signer), nil, goodRoot)
		changedOne := with(caBy(root, one))
		sub := &party{one.signer, changedOne.subject, one.spki}
		t.add("form/"+name+", intermediate", clientBy(sub, leaf).sign(one.signer), [][]byte{changedOne.sign(root.signer)}, goodRoot)
		changedRoot := with(caBy(root, root))
		up := &party{root.signer, changedRoot.subject, root.spki}
		changedRoot.issuer = changedRoot.subject
		t.add("form/"+name+", root", clientBy(up, leaf).sign(root.signer), [][]byte{goodOne}, changedRoot.sign(root.signer))
	}
}

// reseal changes the content of a SEQUENCE.
func reseal(der []byte, change func([]byte) []byte) []byte {
	var outer asn1.RawValue
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		panic(err)
	}
	return sequence(change(outer.Bytes))
}

// pssSalts signs with every length of salt, and declares another one.
func pssSalts(t *tuples) {
	key := rsaSigner(2048, 0)
	root, leaf := newParty("root", key), newParty("client", p256())
	hashes := []struct {
		hash crypto.Hash
		id   string
	}{{crypto.SHA256, "2.16.840.1.101.3.4.2.1"}, {crypto.SHA384, "2.16.840.1.101.3.4.2.2"}, {crypto.SHA512, "2.16.840.1.101.3.4.2.3"}}
	algorithm := func(hash, mgf string, salt int, parameters ...[]byte) []byte {
		return sequence(oid("1.2.840.113549.1.1.10"), sequence(slices.Concat([][]byte{
			context(0, true, sequence(oid(hash), null)),
			context(1, true, sequence(oid("1.2.840.113549.1.1.8"), sequence(oid(mgf), null))),
			context(2, true, mustMarshal(salt)),
		}, parameters)...))
	}
	for _, h := range hashes {
		longest := 256 - h.hash.Size() - 2
		for _, salt := range []int{0, 1, 8, 20, 28, 32, 48, 64, 100, longest - 1, longest} {
			by := signer{key, algorithm(h.id, h.id, salt), h.hash, &rsa.PSSOptions{SaltLength: salt, Hash: h.hash}}
			if salt == 0 {
				// crypto/rsa takes a length of 0 for the longest.
				by.options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: h.hash}
			}
			t.add(fmt.Sprintf("pss/%v salt %d", h.hash, salt), clientBy(root, leaf).sign(by), nil, caBy(root, root).sign(by))
			by.algorithm = algorithm(h.id, h.id, salt+1)
			t.add(fmt.Sprintf("pss/%v salt %d, one more declared", h.hash, salt), clientBy(root, leaf).sign(by), nil, caBy(root, root).sign(signerOf(key)))
		}
		by := signer{key, algorithm(h.id, h.id, 32, context(3, true, []byte{2, 1, 1})), h.hash, &rsa.PSSOptions{SaltLength: 32, Hash: h.hash}}
		t.add(fmt.Sprintf("pss/%v trailer field written", h.hash), clientBy(root, leaf).sign(by), nil, caBy(root, root).sign(signerOf(key)))
		by.algorithm = algorithm(h.id, h.id, 32, context(3, true, []byte{2, 1, 2}))
		t.add(fmt.Sprintf("pss/%v another trailer field", h.hash), clientBy(root, leaf).sign(by), nil, caBy(root, root).sign(signerOf(key)))
	}
}

// sameName configures n CAs of one name, of which one issued the client's
// certificate: as roots, and as intermediates below one root.
func sameName(t *tuples) {
	kinds := map[string]func(i int) crypto.Signer{
		"P-256":    func(int) crypto.Signer { return p256() },
		"P-384":    func(int) crypto.Signer { return newECDSA(elliptic.P384()) },
		"P-521":    func(int) crypto.Signer { return newECDSA(elliptic.P521()) },
		"RSA 2048": func(i int) crypto.Signer { return rsaSigner(2048, i%8) },
	}
	top := newParty("top", p256())
	topDER := caBy(top, top).sign(top.signer)
	leaf := newParty("client", p256())
	for kind, key := range kinds {
		for _, count := range []int{2, 5, 30, 100} {
			if kind == "RSA 2048" && count > 5 {
				continue
			}
			var cas []*party
			for i := range count {
				cas = append(cas, newParty("ca", key(i)))
			}
			for _, identified := range []bool{true, false} {
				var roots, intermediates [][]byte
				for _, ca := range cas {
					var more [][]byte
					if identified {
						more = append(more, extSubjectKeyID(keyID(ca)))
					}
					roots = append(roots, caBy(ca, ca, more...).sign(ca.signer))
					intermediates = append(intermediates, caBy(top, ca, more...).sign(top.signer))
				}
				for place, i := range map[string]int{"first": 0, "middle": count / 2, "last": count - 1} {
					var more [][]byte
					if identified {
						more = append(more, extAuthorityKeyID(keyID(cas[i])))
					}
					der := clientBy(cas[i], leaf, more...).sign(cas[i].signer)
					what := fmt.Sprintf("same name/%d %s, the %s, identified %v", count, kind, place, identified)
					t.add(what+", roots", der, nil, roots...)
					t.add(what+", intermediates", der, nil, append([][]byte{topDER}, intermediates...)...)
					if count <= 10 {
						t.add(what+", sent", der, intermediates, topDER)
					}
				}
			}
		}
	}
}

// generations are two certificates of an intermediate, renewed with its key or
// with another, or cross-signed, of which one may be over, configured or sent.
func generations(t *tuples) {
	keys := map[string]func() crypto.Signer{"P-256": p256, "P-521": func() crypto.Signer { return newECDSA(elliptic.P521()) }}
	for kind, key := range keys {
		root, other := newParty("root", key()), newParty("other root", key())
		roots := [][]byte{caBy(root, root, extSubjectKeyID(keyID(root))).sign(root.signer), caBy(other, other, extSubjectKeyID(keyID(other))).sign(other.signer)}
		old := newParty("ca", key())
		for name, renewed := range map[string]*party{"same key": old, "new key": newParty("ca", key())} {
			for _, by := range []*party{root, other} {
				for _, ids := range []bool{true, false} {
					with := func(p *party, id func([]byte) []byte) (out [][]byte) {
						if ids {
							out = append(out, id(keyID(p)))
						}
						return out
					}
					first := caBy(root, old, append(with(old, extSubjectKeyID), with(root, extAuthorityKeyID)...)...)
					second := caBy(by, renewed, append(with(renewed, extSubjectKeyID), with(by, extAuthorityKeyID)...)...)
					for over, validity := range map[string][]byte{"valid": first.validity, "over": validFor(now.Add(-48*time.Hour), now.Add(-time.Hour)), "not begun": validFor(now.Add(time.Hour), now.Add(48*time.Hour))} {
						first.validity = validity
						a, b := first.sign(root.signer), second.sign(by.signer)
						for from, issuer := range map[string]*party{"old": old, "new": renewed} {
							leaf := clientBy(issuer, newParty("client", p256()), with(issuer, extAuthorityKeyID)...).sign(issuer.signer)
							what := fmt.Sprintf("generations/%s, %s, from %s, old is %s, other root %v, identified %v", kind, name, from, over, by == other, ids)
							t.add(what+", both configured", leaf, nil, append(slices.Clone(roots), a, b)...)
							t.add(what+", both sent", leaf, [][]byte{a, b}, roots...)
							t.add(what+", both sent, new first", leaf, [][]byte{b, a}, roots...)
							t.add(what+", old configured, new sent", leaf, [][]byte{b}, append(slices.Clone(roots), a)...)
							t.add(what+", new configured, old sent", leaf, [][]byte{a}, append(slices.Clone(roots), b)...)
							t.add(what+", old alone", leaf, [][]byte{a}, roots...)
							t.add(what+", new alone, one root", leaf, [][]byte{b}, roots[0])
						}
					}
				}
			}
		}
	}
}

// usages combines key usage, extended key usage and basic constraints, of the
// client, of an intermediate and of the root.
func usages(t *tuples) {
	keyUsages := map[string][]byte{"no ku": nil, "signature": {3, 2, 7, 0x80}, "agreement": {3, 2, 3, 8}, "encipherment": {3, 2, 5, 0x20}, "nonrepudiation": {3, 2, 6, 0x40}, "certSign": {3, 2, 2, 4}, "cRLSign": {3, 2, 1, 2}, "signature and certSign": {3, 2, 2, 0x84}, "none": {3, 1, 0}}
	extended := map[string][]byte{
		"no eku": nil, "client": sequence(oid("1.3.6.1.5.5.7.3.2")), "server": sequence(oid("1.3.6.1.5.5.7.3.1")), "both": sequence(oid("1.3.6.1.5.5.7.3.1"), oid("1.3.6.1.5.5.7.3.2")),
		"any": sequence(oid("2.5.29.37.0")), "any and server": sequence(oid("2.5.29.37.0"), oid("1.3.6.1.5.5.7.3.1")), "smart card": sequence(oid("1.3.6.1.4.1.311.20.2.2")), "gated crypto": sequence(oid("2.16.840.1.113730.4.1")), "empty": sequence(),
	}
	basic := map[string][]byte{"no bc": nil, "not a CA": sequence(), "a CA": sequence([]byte{1, 1, 0xff})}
	root, one, leaf := newParty("root", p256()), newParty("one", p256()), newParty("client", p256())
	goodRoot, goodOne, goodLeaf := caBy(root, root).sign(root.signer), caBy(root, one).sign(root.signer), clientBy(one, leaf).sign(one.signer)
	for ku, usage := range keyUsages {
		for eku, list := range extended {
			for bc, constraints := range basic {
				for _, critical := range []bool{true, false} {
					extensions := [][]byte{}
					for id, value := range map[string][]byte{"2.5.29.15": usage, "2.5.29.37": list, "2.5.29.19": constraints} {
						if value != nil {
							extensions = append(extensions, extensionDER(id, critical, value))
						}
					}
					what := fmt.Sprintf("usage/%s, %s, %s, critical %v", ku, eku, bc, critical)
					t.add(what+", client", usual(root, leaf, extensions...).sign(root.signer), nil, goodRoot)
					t.add(what+", intermediate", goodLeaf, [][]byte{usual(root, one, extensions...).sign(root.signer)}, goodRoot)
					t.add(what+", root", goodLeaf, [][]byte{goodOne}, usual(root, root, extensions...).sign(root.signer))
				}
			}
		}
	}
}

// pathLengths puts path length constraints on a root and two intermediates, of
// which one may be self-issued.
func pathLengths(t *tuples) {
	lengths := map[string][]byte{"none": nil, "0": {2, 1, 0}, "1": {2, 1, 1}, "2": {2, 1, 2}}
	ca := func(issuer, subject *party, length []byte) []byte {
		return usual(issuer, subject, extCertSign, extensionDER("2.5.29.19", true, sequence([]byte{1, 1, 0xff}, length))).sign(issuer.signer)
	}
	root, one, leaf := newParty("root", p256()), newParty("one", p256()), newParty("client", p256())
	for other, two := range map[string]*party{"two": newParty("two", p256()), "self-issued": newParty("one", p256())} {
		for l0, rootLength := range lengths {
			for l1, oneLength := range lengths {
				for l2, twoLength := range lengths {
					t.add(fmt.Sprintf("path length/root %s, one %s, %s %s", l0, l1, other, l2),
						clientBy(two, leaf).sign(two.signer), [][]byte{ca(one, two, twoLength), ca(root, one, oneLength)}, ca(root, root, rootLength))
				}
			}
		}
	}
	for depth := range 12 {
		issuer := root
		var sent [][]byte
		for i := range depth {
			next := newParty(fmt.Sprint("level ", i), p256())
			sent = append(sent, caBy(issuer, next).sign(issuer.signer))
			issuer = next
		}
		t.add(fmt.Sprintf("path length/%d intermediates", depth), clientBy(issuer, leaf).sign(issuer.signer), sent, caBy(root, root).sign(root.signer))
		slices.Reverse(sent)
		t.add(fmt.Sprintf("path length/%d intermediates, as sent", depth), clientBy(issuer, leaf).sign(issuer.signer), sent, caBy(root, root).sign(root.signer))
	}
}

// nameConstraintForms holds names of all kinds against constraints of all
// kinds.
func nameConstraintForms(t *tuples) {
	dn := func(attributes ...[]byte) []byte { return context(4, true, rdns(attributes...)) }
	o := func(s string) []byte { return attribute("2.5.4.10", 12, s) }
	bases := map[string][]byte{
		"dns": dnsBase("example.com"), "dns dot": dnsBase(".example.com"), "dns all": dnsBase(""), "dns upper": dnsBase("EXAMPLE.com"), "dns star": dnsBase("*.example.com"), "dns end dot": dnsBase("example.com."), "dns space": dnsBase(" example.com"),
		"email box": emailBase("a@example.com"), "email host": emailBase("example.com"), "email dot": emailBase(".example.com"), "email at": emailBase("@example.com"), "email all": emailBase(""), "email upper": emailBase("A@example.com"),
		"uri": uriBase("example.com"), "uri dot": uriBase(".example.com"), "uri all": uriBase(""), "uri port": uriBase("example.com:443"), "uri scheme": uriBase("https://example.com"),
		"ip": ipBase(10, 1, 0, 0, 255, 255, 0, 0), "ip all": ipBase(0, 0, 0, 0, 0, 0, 0, 0), "ip holes": ipBase(10, 0, 0, 1, 255, 0, 0, 255), "ip no mask": ipBase(10, 1, 0, 0), "ip6": ipBase(append(append([]byte{0x20, 1}, make([]byte, 14)...), append([]byte{255, 255}, make([]byte, 14)...)...)...),
		"dn": dn(o("Kong")), "dn printable": dn(attribute("2.5.4.10", 19, "kong")), "dn all": dn(), "dn two": dn(o("Kong"), attribute("2.5.4.11", 12, "x")),
		"upn": otherName("corp"), "id": context(8, false, []byte{42, 3}), "x400": context(3, true, null), "edi": context(5, true, context(1, true, tlv(0, 12, false, []byte("x")))),
	}
	names := map[string][]byte{
		"dns in": dnsBase("a.example.com"), "dns self": dnsBase("example.com"), "dns out": dnsBase("a.example.org"), "dns star": dnsBase("*.example.com"), "dns up": dnsBase("*.com"), "dns end dot": dnsBase("a.example.com."), "dns empty": dnsBase(""), "dns odd": dnsBase("a_b.example.com"), "dns beyond": dnsBase("\xc3\xa4.example.com"),
		"email in": emailBase("a@example.com"), "email case": emailBase("A@EXAMPLE.com"), "email sub": emailBase("a@mail.example.com"), "email out": emailBase("a@example.org"), "email odd": emailBase("example.com"), "email quoted": emailBase(`"a"@example.com`),
		"uri in": uriBase("https://example.com/x"), "uri sub": uriBase("https://a.example.com:8443/"), "uri out": uriBase("https://example.org/"), "uri urn": uriBase("urn:uuid:1"), "uri ip": uriBase("https://10.1.0.1/"), "uri user": uriBase("https://example.com@example.org/"), "uri spiffe": uriBase("spiffe://example.com/a"),
		"ip in": ipBase(10, 1, 2, 3), "ip out": ipBase(10, 2, 0, 1), "ip6": ipBase(append([]byte{0x20, 1, 0xd, 0xb8}, make([]byte, 12)...)...), "ip odd": ipBase(10, 1, 0),
		"dn in": dn(o("Kong"), attribute("2.5.4.3", 12, "x")), "dn out": dn(o("Other")), "upn": otherName("u@corp"), "id": context(8, false, []byte{42, 3}), "none": nil,
	}
	subjects := map[string][]byte{
		"in": rdns(o("Kong"), attribute("2.5.4.3", 12, "client")), "empty": sequence(),
		"host": rdns(o("Kong"), attribute("2.5.4.3", 12, "a.example.org")), "email": rdns(o("Kong"), attribute("1.2.840.113549.1.9.1", 22, "a@example.org")), "email utf8": rdns(o("Kong"), attribute("1.2.840.113549.1.9.1", 12, "a@example.org")),
		"other": rdns(o("Other")),
	}
	root, one := newParty("root", p256()), newParty("one", p256())
	one.name = rdns(o("Kong"), attribute("2.5.4.3", 12, "one"))
	rootDER, leafKey := caBy(root, root).sign(root.signer), p256()
	for base, tree := range bases {
		for form, constraint := range map[string][]byte{"permitted": permitted(tree), "excluded": excluded(tree)} {
			intermediate := caBy(root, one, extensionDER("2.5.29.30", true, sequence(constraint))).sign(root.signer)
			for name, san := range names {
				for subject, subjectDER := range subjects {
					if subject != "in" && name != "none" && name != "dns in" && name != "email in" {
						continue
					}
					leaf := &party{signerOf(leafKey), subjectDER, publicKeyInfo(leafKey.Public())}
					var more [][]byte
					if san != nil {
						more = append(more, extSAN(subject == "empty", san))
					}
					t.add(fmt.Sprintf("name constraints/%s %s, name %s, subject %s", form, base, name, subject), clientBy(one, leaf, more...).sign(one.signer), [][]byte{intermediate}, rootDER)
				}
			}
		}
	}
}

// times puts each certificate of a path before, into and after its validity.
func times(t *tuples) {
	root, one, leaf := newParty("root", p256()), newParty("one", p256()), newParty("client", p256())
	periods := map[string][]byte{"now": validFor(now.Add(-time.Hour), now.Add(time.Hour)), "over": validFor(now.Add(-2*time.Hour), now.Add(-time.Hour)), "not begun": validFor(now.Add(time.Hour), now.Add(2*time.Hour)), "never": validFor(now.Add(time.Hour), now.Add(-time.Hour))}
	for a, rootPeriod := range periods {
		for b, onePeriod := range periods {
			for c, leafPeriod := range periods {
				with := func(f forged, period []byte) forged { f.validity = period; return f }
				t.add(fmt.Sprintf("time/root %s, one %s, client %s", a, b, c), with(clientBy(one, leaf), leafPeriod).sign(one.signer),
					[][]byte{with(caBy(root, one), onePeriod).sign(root.signer)}, with(caBy(root, root), rootPeriod).sign(root.signer))
			}
		}
	}
}

// chains sends what belongs to the path, and what does not, in any order.
func chains(t *tuples) {
	root, one, two, leaf, stranger := newParty("root", p256()), newParty("one", p256()), newParty("two", p256()), newParty("client", p256()), newParty("stranger", p256())
	certs := map[string][]byte{
		"root": caBy(root, root).sign(root.signer), "one": caBy(root, one).sign(root.signer), "two": caBy(one, two).sign(one.signer), "leaf": clientBy(two, leaf).sign(two.signer),
		"stranger": caBy(stranger, stranger).sign(stranger.signer), "forged two": caBy(one, &party{stranger.signer, two.name, stranger.spki}).sign(stranger.signer), "forged root": caBy(root, &party{stranger.signer, root.name, stranger.spki}).sign(stranger.signer), "cross": caBy(stranger, root).sign(stranger.signer), "loop": caBy(two, one).sign(two.signer), "rubbish": []byte("rubbish"),
	}
	for _, sent := range []string{"", "two one", "one two", "leaf two one root", "two", "one", "root one two", "two one stranger", "stranger two one", "forged two,two one", "two forged two,one", "forged two,one", "forged root,two one", "cross two one stranger", "loop two one", "two one loop", "rubbish two one", "two two one one"} {
		var presented [][]byte
		for _, name := range strings.FieldsFunc(strings.NewReplacer("forged two,", "forged-two ", "forged root,", "forged-root ", "forged two", "forged-two").Replace(sent), func(r rune) bool { return r == ' ' }) {
			presented = append(presented, certs[strings.ReplaceAll(name, "-", " ")])
		}
		for _, configured := range []string{"root", "root one", "root two", "root one two", "one", "stranger", "root stranger", "stranger root", "rubbish root"} {
			var cas [][]byte
			for name := range strings.FieldsSeq(configured) {
				cas = append(cas, certs[name])
			}
			t.add("chain/"+sent+" below "+configured, certs["leaf"], presented, cas...)
		}
	}
	// Each end of a path as the client's certificate.
	for _, name := range []string{"root", "one", "two", "stranger"} {
		t.add("chain/"+name+" as a client", certs[name], [][]byte{certs["one"]}, certs["root"])
	}
	// What cannot be a signature.
	zero := sequence([]byte{2, 1, 0}, []byte{2, 1, 0})
	for name, signature := range map[string][]byte{"empty": {}, "zero": zero, "one": sequence([]byte{2, 1, 1}, []byte{2, 1, 1}), "odd bits": nil} {
		var parts struct{ TBS, Algorithm, Signature asn1.RawValue }
		if _, err := asn1.Unmarshal(certs["leaf"], &parts); err != nil {
			panic(err)
		}
		bits := bitString(signature)
		if name == "odd bits" {
			bits = slices.Clone(parts.Signature.FullBytes)
			bits[len(bits)-len(parts.Signature.Bytes)] = 1
		}
		t.add("signature/"+name, sequence(parts.TBS.FullBytes, parts.Algorithm.FullBytes, bits), [][]byte{certs["two"], certs["one"]}, certs["root"])
	}
	_ = ecdsa.PublicKey{}
}
