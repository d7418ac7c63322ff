package certheader_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/certheader"
)

// The certificates in the samples, by their SHA-256.
const (
	alice        = "a89f83b458582db3c977b0ed29011fbcdc55724b64014673b81e72abc7ea2b3d"
	intermediate = "4b0a30c77f5323a9f3a27a7bf1e64fc0cd9a593e53395b9ef57545743fbdda31"
)

// sample returns the header lines of a sample: what a proxy sent, where the file's first
// line says CAPTURED.
func sample(t testing.TB, name string) []certheader.Line {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []certheader.Line
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ": "); ok && line[0] != '#' {
			lines = append(lines, certheader.Line{Name: name, Value: strings.TrimRight(value, "\n")})
		}
	}
	return lines
}

// read reads headers that come from a trusted peer. It returns the SHA-256 of the
// certificates, the client's first, and the token of the error.
func read(t testing.TB, s certheader.Settings, lines []certheader.Line) (sums []string, token certheader.Token) {
	t.Helper()
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	return readFrom(t, s, certheader.Request{Lines: lines, Trusted: true})
}

func readFrom(t testing.TB, s certheader.Settings, r certheader.Request) (sums []string, token certheader.Token) {
	t.Helper()
	certs, err := s.Read(r)
	if err != nil {
		var refused *certheader.Error
		if !errors.As(err, &refused) || refused.Header == "" || refused.Token == "" {
			t.Fatalf("the error is %v", err)
		}
		if certs.Leaf != nil || certs.Chain != nil {
			t.Error("an error, and certificates")
		}
		return nil, refused.Token
	}
	if certs.Leaf == nil {
		if certs.Chain != nil {
			t.Error("a chain without the client's certificate")
		}
		return nil, ""
	}
	for _, der := range append([][]byte{certs.Leaf}, certs.Chain...) {
		sum := sha256.Sum256(der)
		sums = append(sums, hex.EncodeToString(sum[:]))
	}
	return sums, ""
}

func TestSamples(t *testing.T) {
	for _, test := range []struct {
		sample string
		header string
		format certheader.Format
		chain  string
		want   []string // nil: as if none was sent, or the token
		token  certheader.Token
	}{
		{"apache", "SSL_CLIENT_CERT", certheader.PEM, "", []string{alice}, ""},
		{"apache", "SSL_CLIENT_CERT", certheader.PEM, "SSL-CLIENT-CERT-CHAIN-0", []string{alice, intermediate}, ""},
		{"apache", "SSL_CLIENT_CERT", certheader.PEM, "SSL-CLIENT-CERT-CHAIN-1", []string{alice}, ""},
		{"apache", "SSL-CLIENT-B64CERT", certheader.Base64Encoded, "", nil, ""},
		{"apache", "X-Escaped", certheader.URLEncoded, "", []string{alice}, ""},
		{"aws-alb-passthrough", "X-Amzn-Mtls-Clientcert", certheader.URLEncoded, "", []string{alice, intermediate}, ""},
		{"aws-alb-verify", "X-Amzn-Mtls-Clientcert-Leaf", certheader.URLEncoded, "", []string{alice}, ""},
		{"aws-cloudfront", "CloudFront-Viewer-Cert-Pem", certheader.URLEncoded, "", []string{alice}, ""},
		{"azure-appgw", "X-Client-Certificate", certheader.URLEncoded, "", []string{alice}, ""},
		{"azure-appservice", "X-ARR-ClientCert", certheader.Base64Encoded, "", []string{alice}, ""},
		{"caddy", "X-Ssl-Cert", certheader.Base64Encoded, "", []string{alice}, ""},
		{"caddy", "Client-Cert", certheader.RFC9440, "", []string{alice}, ""},
		{"caddy-none", "X-Ssl-Cert", certheader.Base64Encoded, "", nil, ""},
		{"caddy-none", "Client-Cert", certheader.RFC9440, "", nil, ""},
		{"cloudflare", "Cf-Client-Cert-Der-Base64", certheader.Base64Encoded, "", []string{alice}, ""},
		{"envoy-xfcc", "X-Forwarded-Client-Cert", certheader.XFCC, "", []string{alice, intermediate}, ""},
		{"envoy-xfcc-append", "X-Forwarded-Client-Cert", certheader.XFCC, "", nil, certheader.XFCCElements},
		{"envoy-xfcc-injection", "X-Forwarded-Client-Cert", certheader.XFCC, "", nil, certheader.XFCCRepeat},
		{"istio-xfcc", "X-Forwarded-Client-Cert", certheader.XFCC, "", nil, ""},
		{"haproxy", "X-SSL-Client-Cert", certheader.Base64Encoded, "", []string{alice}, ""},
		{"haproxy", "X-SSL-Client-Cert", certheader.Base64Encoded, "X-SSL-Client-Chain", []string{alice, intermediate}, ""},
		{"kong-ee-base64_encoded", "x-client-cert", certheader.Base64Encoded, "", []string{alice}, ""},
		{"kong-ee-url_encoded", "x-client-cert", certheader.URLEncoded, "", []string{alice}, ""},
		{"kong-tls-metadata-headers", "X-Client-Cert", certheader.URLEncoded, "", []string{alice}, ""},
		{"nginx-escaped", "ssl-client-cert", certheader.URLEncoded, "", []string{alice}, ""},
		{"nginx-none", "ssl-client-cert", certheader.URLEncoded, "", nil, ""},
		{"pem-base64-of-pem", "x-client-cert", certheader.Base64Encoded, "", nil, certheader.BadEncoding},
		{"rfc9440", "Client-Cert", certheader.RFC9440, "", []string{alice}, ""},
		{"rfc9440", "Client-Cert", certheader.RFC9440, "Client-Cert-Chain", []string{alice, intermediate}, ""},
		{"traefik-v3", "X-Forwarded-Tls-Client-Cert", certheader.Base64List, "", []string{alice, intermediate}, ""},
	} {
		t.Run(test.sample+" "+test.header+" "+test.chain, func(t *testing.T) {
			s := certheader.Settings{Name: test.header, Format: test.format, ChainName: test.chain}
			sums, token := read(t, s, sample(t, test.sample))
			if !slices.Equal(sums, test.want) || token != test.token {
				t.Errorf("got %v %q, want %v %q", sums, token, test.want, test.token)
			}
		})
	}
}

// No sample has a certificate in another format than its own.
func TestSamplesInOtherFormats(t *testing.T) {
	right := map[string][]certheader.Format{
		"apache SSL_CLIENT_CERT": {certheader.PEM}, "rfc9440 Client-Cert": {certheader.RFC9440},
		"envoy-xfcc x-forwarded-client-cert": {certheader.XFCC}, "traefik-v3 X-Forwarded-Tls-Client-Cert": {certheader.Base64List},
		"haproxy x-ssl-client-cert": {certheader.Base64Encoded, certheader.Base64List}, "nginx-escaped ssl-client-cert": {certheader.URLEncoded},
	}
	for name, formats := range right {
		file, header, _ := strings.Cut(name, " ")
		for _, format := range certheader.Formats() {
			f := certheader.Format(format)
			if slices.Contains(formats, f) {
				continue
			}
			if sums, token := read(t, certheader.Settings{Name: header, Format: f}, sample(t, file)); sums != nil || token != certheader.BadEncoding {
				t.Errorf("%s read as %s: got %v %q", name, f, sums, token)
			}
		}
	}
}

// The PEM of equal certificates is equal, however a header has them.
func TestPEMOfCertificates(t *testing.T) {
	one := certheader.Settings{Name: "X-SSL-Client-Cert", Format: certheader.Base64Encoded, ChainName: "X-SSL-Client-Chain"}
	other := certheader.Settings{Name: "X-Amzn-Mtls-Clientcert", Format: certheader.URLEncoded}
	a, err := one.Read(certheader.Request{Lines: sample(t, "haproxy")})
	if err != nil {
		t.Fatal(err)
	}
	b, err := other.Read(certheader.Request{Lines: sample(t, "aws-alb-passthrough")})
	if err != nil {
		t.Fatal(err)
	}
	leaf, chain := a.PEM()
	otherLeaf, otherChain := b.PEM()
	if !bytes.Equal(leaf, otherLeaf) || !bytes.Equal(chain, otherChain) || len(chain) == 0 {
		t.Errorf("got\n%s%s\nand\n%s%s", leaf, chain, otherLeaf, otherChain)
	}
}
