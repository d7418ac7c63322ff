package certheader_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/certheader"
)

func FuzzBase64Encoded(f *testing.F) { fuzz(f, certheader.Base64Encoded) }
func FuzzURLEncoded(f *testing.F)    { fuzz(f, certheader.URLEncoded) }
func FuzzRFC9440(f *testing.F)       { fuzz(f, certheader.RFC9440) }
func FuzzXFCC(f *testing.F)          { fuzz(f, certheader.XFCC) }
func FuzzBase64List(f *testing.F)    { fuzz(f, certheader.Base64List) }
func FuzzPEM(f *testing.F)           { fuzz(f, certheader.PEM) }

// fuzz feeds a decoder with whatever follows from the samples. What it takes, written
// again, gives the same certificates, and is no value that two joined headers could be.
func fuzz(f *testing.F, format certheader.Format) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.txt"))
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if _, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
				f.Add(value, value)
			}
		}
	}
	// Shorter, so that a change is likelier to matter.
	small, other := []byte{0x30, 3, 2, 1, 1}, []byte{0x30, 2, 5, 0}
	f.Add(encode(format, [][]byte{small, other}), encode(format, [][]byte{other}))
	f.Add(encode(format, [][]byte{small}), ":"+b64(other)+":;a=1.5, :"+b64(small)+":")
	f.Add(`By=a;Hash=`+hash(small)+`;Cert="`+envoy(pemOf(small))+`";Subject="CN=\"a\\";URI=x;DNS=y`, b64(small, other))

	f.Fuzz(func(t *testing.T, value, chain string) {
		s := certheader.Settings{Name: "cert", Format: format}
		if format != certheader.XFCC && format != certheader.Base64List {
			s.ChainName = "chain"
		}
		certs, err := s.Read(certheader.Request{Lines: []certheader.Line{{Name: "cert", Value: value}, {Name: "chain", Value: chain}}})
		if err != nil || certs.Leaf == nil {
			if certs.Leaf != nil || certs.Chain != nil {
				t.Fatal("an error, or no certificate, and certificates")
			}
			return
		}
		all := append([][]byte{certs.Leaf}, certs.Chain...)
		for _, der := range all {
			if len(der) == 0 {
				t.Fatal("a certificate that is empty")
			}
		}
		lines := []certheader.Line{{Name: "cert", Value: encode(format, all)}}
		if s.ChainName != "" && len(certs.Chain) > 0 {
			lines[0].Value = encode(format, all[:1])
			lines = append(lines, certheader.Line{Name: "chain", Value: encodeChain(format, certs.Chain)})
		}
		again, err := s.Read(certheader.Request{Lines: lines})
		if err != nil {
			t.Fatalf("written again it is refused: %v", err)
		}
		if !bytes.Equal(again.Leaf, certs.Leaf) || !bytes.Equal(bytes.Join(again.Chain, nil), bytes.Join(certs.Chain, nil)) {
			t.Fatal("written again it gives other certificates")
		}
		if joined, err := s.Read(certheader.Request{Lines: []certheader.Line{{Name: "cert", Value: value + ", " + value}}}); err == nil && joined.Leaf != nil {
			t.Fatal("two headers, joined to one, are read")
		}
	})
}

// encodeChain writes certificates in the chain's header.
func encodeChain(format certheader.Format, certs [][]byte) string {
	switch format {
	case certheader.Base64Encoded:
		return b64(certs...)
	case certheader.RFC9440:
		items := make([]string, len(certs))
		for i, der := range certs {
			items[i] = ":" + b64(der) + ":"
		}
		return strings.Join(items, ", ")
	}
	return encode(format, certs)
}
