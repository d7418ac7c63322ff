package crl_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"
	"testing/iotest"

	"mtls-auth/mtlsauth/internal/revocation/crl"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func idCE(arc int, critical bool, value []byte) pkix.Extension {
	return pkix.Extension{Id: []int{2, 5, 29, arc}, Critical: critical, Value: value}
}

// TestRead breaks a good list in one way each.
func TestRead(t *testing.T) {
	ca := pki.NewCA("ca")
	rsa := pki.NewCA("rsa", pki.RSA(2048))
	unknown := pkix.Extension{Id: []int{1, 2, 3, 4}, Value: []byte{5, 0}}
	critical := pkix.Extension{Id: []int{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}
	entry := func(extensions ...pkix.Extension) []pki.CRLEntry {
		return []pki.CRLEntry{{Serial: big.NewInt(1)}, {Serial: big.NewInt(2), Extensions: extensions}}
	}
	good := pki.CRL{Issuer: ca, Entries: entry()}
	with := func(change func(*pki.CRL)) []byte {
		c := good
		change(&c)
		return c.DER()
	}
	extended := func(x ...pkix.Extension) []byte {
		return with(func(c *pki.CRL) { c.Extensions = x })
	}
	edited := func(old, new string) []byte {
		return with(func(c *pki.CRL) {
			c.Edit = func(content []byte) []byte {
				if !bytes.Contains(content, []byte(old)) {
					t.Fatalf("no %q to edit", old)
				}
				return bytes.Replace(content, []byte(old), []byte(new), 1)
			}
		})
	}
	long := pki.CRL{Issuer: ca, RawEntries: pki.Serials(20, 16)}.DER() // 30 82
	numberedAs := func(value string) []byte {
		return with(func(c *pki.CRL) {
			c.NoNumber, c.Extensions = true, []pkix.Extension{idCE(20, false, []byte(value))}
		})
	}
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"good", good.DER(), ""},
		{"no entries", pki.CRL{Issuer: ca}.DER(), ""},
		{"PEM", good.PEM(), ""},
		{"RSA", pki.CRL{Issuer: rsa}.DER(), ""},
		{"RSA-PSS", pki.CRL{Issuer: rsa, PSS: true}.DER(), ""},
		{"SHA-384", with(func(c *pki.CRL) { c.Hash = crypto.SHA384 }), ""},
		{"SHA-1", with(func(c *pki.CRL) { c.Hash = crypto.SHA1 }), ""},
		{"unknown algorithm", edited("\x2a\x86\x48\xce\x3d\x04\x03\x02", "\x2a\x86\x48\xce\x3d\x04\x03\x05"), "weak_algorithm"},
		{"another algorithm inside", edited("\x2a\x86\x48\xce\x3d\x04\x03\x02", "\x2a\x86\x48\xce\x3d\x04\x03\x03"), "malformed"},
		{"version 1", edited("\x02\x01\x01", ""), "version"},
		{"version 3", edited("\x02\x01\x01", "\x02\x01\x02"), "version"},
		{"issuer that is no Name", edited(string(ca.RawSubject), "\x30\x03\x02\x01\x01"), "malformed"},
		{"empty issuer", edited(string(ca.RawSubject), "\x30\x00"), ""},
		{"length with an octet too many", append([]byte("\x30\x83\x00"), long[2:]...), "malformed"},
		{"length in the long form", lengthened(good), "malformed"},
		{"indefinite length", append(append([]byte("\x30\x80"), long[4:]...), 0, 0), "malformed"},
		{"no times", with(func(c *pki.CRL) {
			c.NoNextUpdate = true
			c.Edit = func(content []byte) []byte {
				i := bytes.Index(content, []byte("\x17\x0d"))
				return append(bytes.Clone(content[:i]), content[i+15:]...)
			}
		}), "malformed"},
		{"nothing", nil, "malformed"},
		{"trailing byte", append(good.DER(), 0), "malformed"},
		{"twice", append(good.DER(), good.DER()...), "malformed"},
		{"HTML", []byte("<html><body>404</body></html>"), "malformed"},
		{"a certificate", ca.Raw, "malformed"},
		{"a certificate in PEM", []byte(ca.PEM()), "malformed"},
		{"two blocks of PEM, of which the first is read", append(good.PEM(), good.PEM()...), ""},
		{"text after PEM", append(good.PEM(), "x"...), ""},
		{"text before PEM", append([]byte("x\n"), good.PEM()...), ""},
		{"a certificate before the CRL in PEM", append([]byte(ca.PEM()), good.PEM()...), ""},
		{"a byte order mark before PEM", append([]byte("\xef\xbb\xbf"), good.PEM()...), ""},
		{"blank lines around PEM", append(append([]byte(" \r\n\n"), good.PEM()...), "\n\t \n"...), ""},
		{"PEM with CRLF", bytes.ReplaceAll(good.PEM(), []byte("\n"), []byte("\r\n")), ""},
		{"PEM without a last line break", bytes.TrimSpace(good.PEM()), ""},
		{"PEM with headers", bytes.Replace(good.PEM(), []byte("CRL-----\n"), []byte("CRL-----\nA: b\n\n"), 1), "malformed"},
		{"PEM without an end", bytes.Split(good.PEM(), []byte("-----END"))[0], "malformed"},
		{"PEM with another end", bytes.Replace(good.PEM(), []byte("END X509 CRL"), []byte("END CERTIFICATE"), 1), ""},
		{"PEM of two parts, each with padding", twoParts(pki.CRL{Issuer: ca, RawEntries: pki.Serials(40, 16)}.DER()), ""},
		{"PEM that goes on after padding", bytes.Replace(good.PEM(), []byte("\n-----END"), []byte("\n==AAAA\n-----END"), 1), "malformed"},
		{"white space alone", bytes.Repeat([]byte(" "), 5000), "malformed"},
		{"white space before DER", append([]byte("\n"), good.DER()...), ""},
		{"unknown extension", extended(unknown), ""},
		{"unknown critical extension", extended(critical), "critical_extension"},
		{"freshest CRL", extended(idCE(46, false, []byte("\x30\x00"))), ""},
		{"critical freshest CRL", extended(idCE(46, true, []byte("\x30\x00"))), "critical_extension"},
		{"critical issuer alternative name", extended(idCE(18, true, []byte("\x30\x00"))), ""},
		{"critical authority information access", extended(pkix.Extension{Id: []int{1, 3, 6, 1, 5, 5, 7, 1, 1}, Critical: true, Value: []byte{0x30, 0}}), "critical_extension"},
		{"extension twice", extended(unknown, unknown), "malformed"},
		{"CRL number twice", extended(idCE(20, false, []byte{2, 1, 1})), "malformed"},
		{"33 extensions", extended(numbered(33)...), "too_large"},
		{"negative CRL number", numberedAs("\x02\x01\xff"), "malformed"},
		{"CRL number that is no INTEGER", numberedAs("\x0a\x01\x01"), "malformed"},
		{"CRL number and more", numberedAs("\x02\x01\x01\x00"), "malformed"},
		{"CRL number of 30 bytes", numberedAs("\x02\x1e" + strings.Repeat("a", 30)), ""},
		{"unknown entry extension", with(func(c *pki.CRL) { c.Entries = entry(unknown) }), ""},
		{"unknown critical entry extension", with(func(c *pki.CRL) { c.Entries = entry(critical) }), "critical_extension"},
		{"critical reason", with(func(c *pki.CRL) { c.Entries = entry(idCE(21, true, []byte{10, 1, 1})) }), ""},
		{"reason twice", with(func(c *pki.CRL) {
			c.Entries = entry(idCE(21, false, []byte{10, 1, 1}), idCE(21, false, []byte{10, 1, 1}))
		}), "malformed"},
		{"reason that is no ENUMERATED", with(func(c *pki.CRL) { c.Entries = entry(idCE(21, false, []byte{2, 1, 1})) }), "malformed"},
		{"reason and more", with(func(c *pki.CRL) { c.Entries = entry(idCE(21, false, []byte{10, 1, 1, 0})) }), "malformed"},
		{"entry with 33 extensions", with(func(c *pki.CRL) { c.Entries = entry(numbered(33)...) }), "too_large"},
		{"entry of 20 KB", with(func(c *pki.CRL) {
			c.Entries = entry(pkix.Extension{Id: []int{1, 2, 3}, Value: make([]byte, 20000)})
		}), "too_large"},
		{"extensions of 20 KB", extended(pkix.Extension{Id: []int{1, 2, 3}, Value: make([]byte, 20000)}), "too_large"},
		{"certificate issuer in a list that is not indirect", with(func(c *pki.CRL) { c.Entries = []pki.CRLEntry{{Serial: big.NewInt(1), Issuer: rsa}} }), "malformed"},
		{"distribution point flag that is FALSE", extended(idCE(28, true, []byte("\x30\x03\x81\x01\x00"))), "malformed"},
		{"distribution point flag that is 1", extended(idCE(28, true, []byte("\x30\x03\x81\x01\x01"))), "malformed"},
		{"distribution point flags out of order", extended(idCE(28, true, []byte("\x30\x06\x82\x01\xff\x81\x01\xff"))), "malformed"},
		{"distribution point of no name", extended(idCE(28, true, []byte("\x30\x04\xa0\x02\xa0\x00"))), "malformed"},
		{"distribution point with 65 names", with(func(c *pki.CRL) {
			c.IDP = &pki.IDP{URIs: strings.Split(strings.Repeat("http://a/,", 65), ",")[:65]}
		}), "too_large"},
		{"delta indicator of no number", extended(idCE(27, true, []byte{5, 0})), "malformed"},
		{"negative delta indicator", extended(idCE(27, true, []byte{2, 1, 0xff})), "malformed"},
	} {
		l, err := crl.Read(bytes.NewReader(c.data), crl.ReadOptions{})
		if got := flawOf(l, err); got != c.want || (l == nil) != (err != nil) {
			t.Errorf("%s: got %q (%v) and a list is %v, want %q", c.name, got, err, l != nil, c.want)
		}
	}
}

func numbered(n int) (out []pkix.Extension) {
	for i := range n {
		out = append(out, pkix.Extension{Id: []int{1, 2, 3, i}, Value: []byte{5, 0}})
	}
	return out
}

// lengthened writes the length of the entries, below 128, with an octet more.
func lengthened(c pki.CRL) []byte {
	c.Edit = func(content []byte) []byte {
		// The first of them has serial number 1.
		i := bytes.Index(content, []byte("\x30\x12\x02\x01\x01\x17")) - 1
		return append(append(bytes.Clone(content[:i]), 0x81), content[i:]...)
	}
	return c.DER()
}

// twoParts encodes DER as base64 twice, so that the padding of the first part
// ends a buffer of encoding/base64, which has 1024 bytes.
func twoParts(der []byte) []byte {
	const first = 1024/4*3 - 2
	text := base64.StdEncoding.EncodeToString(der[:first]) + base64.StdEncoding.EncodeToString(der[first:])
	return []byte("-----BEGIN X509 CRL-----\n" + text + "\n-----END X509 CRL-----\n")
}

// TestReadCutOff ends a list at every byte.
func TestReadCutOff(t *testing.T) {
	ca := pki.NewCA("ca")
	list := pki.CRL{Issuer: ca, RawEntries: pki.Serials(20, 16), IDP: &pki.IDP{URIs: []string{"http://a/"}}}
	for _, data := range [][]byte{list.DER(), bytes.TrimSpace(list.PEM())} {
		for n := range data {
			if bytes.HasPrefix(data[:n][max(0, bytes.LastIndexByte(data[:n], '\n')):], []byte("\n-----END ")) {
				break // the line that ends the block need not be whole
			}
			l, err := crl.Read(bytes.NewReader(data[:n]), crl.ReadOptions{})
			if kindOf(err) != "malformed" || l != nil {
				t.Fatalf("%d of %d bytes: got %v", n, len(data), err)
			}
		}
	}
	if _, err := crl.Read(bytes.NewReader(list.DER()[:100]), crl.ReadOptions{}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want io.ErrUnexpectedEOF in it", err)
	}
}

// TestReadReaders reads the same from readers of other manners, over more than
// the buffer.
func TestReadReaders(t *testing.T) {
	ca := pki.NewCA("ca")
	_, edKey, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	ed := pki.NewCA("ed", pki.Key(edKey))
	for _, issuer := range []*pki.Certificate{ca, ed} {
		list := pki.CRL{Issuer: issuer, RawEntries: pki.Serials(10_000, 20)}
		for name, data := range map[string][]byte{"DER": list.DER(), "PEM": list.PEM()} {
			for manner, r := range map[string]io.Reader{
				"whole":       bytes.NewReader(data),
				"byte":        iotest.OneByteReader(bytes.NewReader(data)),
				"half":        iotest.HalfReader(bytes.NewReader(data)),
				"EOF at once": iotest.DataErrReader(bytes.NewReader(data)),
			} {
				l, err := crl.Read(r, crl.ReadOptions{})
				if err != nil {
					t.Errorf("%v, %s, %s: %v", issuer.Subject, name, manner, err)
					continue
				}
				if err := l.Verify(issuer.Read(), 0); err != nil || l.Len() != 10_000 {
					t.Errorf("%v, %s, %s: %d entries, %v", issuer.Subject, name, manner, l.Len(), err)
				}
				if err := l.Verify(other(issuer), 0); kindOf(err) != "bad_signature" {
					t.Errorf("%v, %s, %s: got %v for another key", issuer.Subject, name, manner, err)
				}
			}
		}
	}
	broken := errors.New("connection reset")
	der := pki.CRL{Issuer: ca}.DER()
	for _, r := range []io.Reader{
		iotest.ErrReader(broken),
		io.MultiReader(bytes.NewReader(der[:100]), iotest.ErrReader(broken)),
		io.MultiReader(bytes.NewReader(der), iotest.ErrReader(broken)),
	} {
		if l, err := crl.Read(r, crl.ReadOptions{}); !errors.Is(err, broken) || l != nil {
			t.Errorf("got %v, want %v", err, broken)
		}
	}
	if _, err := crl.Read(idle{}, crl.ReadOptions{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v, want %v", err, io.ErrNoProgress)
	}
}

// idle is a reader that never says anything.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }
