// Package certheader reads a client's certificate from the request headers in which a proxy
// that ends TLS hands it over, and judges whether they may be believed.
//
// [Settings.Read] is a pure function of the header lines. Nothing is guessed: which header
// and which format is for the configuration to say, and what can be read in two ways is
// refused. It reads no certificate: what it returns is DER, which is still to be judged.
package certheader

import (
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
)

// Format is how a certificate is written in a header: a value of certificate_header_format.
type Format string

// The formats. The first two are Kong Enterprise's.
const (
	// Base64Encoded is base64 of the DER on one line (HAProxy, Caddy, Cloudflare,
	// Azure App Service). A chain is base64 of concatenated DER.
	Base64Encoded Format = "base64_encoded"
	// URLEncoded is percent-encoded PEM (nginx, AWS ALB, Kong), with one certificate or
	// the whole chain, the client's first.
	URLEncoded Format = "url_encoded"
	// RFC9440 is a Byte Sequence (RFC 8941, section 3.3.5) with the DER, a chain a List
	// of them (RFC 9440, section 2).
	RFC9440 Format = "rfc9440"
	// XFCC is Envoy's x-forwarded-client-cert.
	XFCC Format = "xfcc"
	// Base64List is base64 of the DER of each certificate, joined by commas, the
	// client's first (Traefik).
	Base64List Format = "base64_list"
	// PEM is PEM whose line ends have become spaces (Apache httpd).
	PEM Format = "pem"
)

// Formats returns all formats as a configuration writes them.
func Formats() []string {
	return []string{string(Base64Encoded), string(URLEncoded), string(RFC9440), string(XFCC), string(Base64List), string(PEM)}
}

// Settings say in which header a proxy hands a certificate over.
type Settings struct {
	Name   string // spelled as it is sent, case aside
	Format Format
	// ChainName is the header with the certificates above the client's; "" for none.
	ChainName string
	// SecureSource believes the headers only from a trusted peer.
	SecureSource bool
	// Hide keeps the headers with certificates from the upstream.
	Hide bool
	// VerificationName is the header with the proxy's own verdict, "" for none: any
	// value but one of VerificationValues refuses the certificate.
	VerificationName   string
	VerificationValues []string
}

// Line is a field line of a header (RFC 9110, section 5.2), as it was sent.
type Line struct{ Name, Value string }

// Request is what [Settings.Read] is told of a request.
type Request struct {
	// Lines are at least all lines of headers that [Settings.Concerns] names.
	Lines []Line
	// Incomplete says that the request has more lines than could be had.
	Incomplete bool
	// Trusted says that the TCP peer, never an address that a header names, is in
	// Kong's trusted_ips.
	Trusted bool
}

// Certificates are what was handed over, in DER. Without a Leaf none was.
type Certificates struct {
	Leaf  []byte
	Chain [][]byte // what was sent above the leaf, in its order; it may have the leaf again
}

// PEM returns the certificates in PEM. Equal certificates have equal PEM, however they were
// written in the header.
func (c Certificates) PEM() (leaf, chain []byte) {
	encode := func(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}) }
	if c.Leaf != nil {
		leaf = encode(c.Leaf)
	}
	for _, der := range c.Chain {
		chain = append(chain, encode(der)...)
	}
	return leaf, chain
}

// Token says in one word why headers were refused. It does not change between versions.
type Token string

// The tokens.
const (
	// UntrustedPeer: the header comes from a peer outside trusted_ips, and is as if not
	// sent.
	UntrustedPeer Token = "untrusted_peer"
	// Duplicate: the header has two lines.
	Duplicate Token = "header_duplicate"
	// Twin: the header comes in another spelling than the configured one, with _ for -
	// or - for _.
	Twin Token = "header_twin"
	// TooMany: the request has more headers than can be looked through.
	TooMany Token = "too_many_headers"
	// TooLarge: the header is longer than maxValue.
	TooLarge Token = "too_large"
	// BadEncoding: the header is not written as the format says.
	BadEncoding Token = "bad_encoding"
	// XFCCElements: XFCC has several elements, of which the client may have written one.
	XFCCElements Token = "xfcc_elements"
	// XFCCRepeat: an element of XFCC has a key twice.
	XFCCRepeat Token = "xfcc_repeat"
	// XFCCJSON: XFCC in JSON, which is not read.
	XFCCJSON Token = "xfcc_json"
	// HashMismatch: XFCC's Hash is missing or not that of the certificate.
	HashMismatch Token = "hash_mismatch"
	// NotVerified: the proxy's own verdict is missing, or not one that is accepted.
	NotVerified Token = "not_verified"
)

// Error says why no certificate is taken from the headers, although one may have been sent.
type Error struct {
	Token  Token
	Header string // which header
	Detail string // what is wrong with it
	// Fingerprint is the SHA-256 of the header's value, of which nothing else is told;
	// zero where no one value is to blame.
	Fingerprint [sha256.Size]byte
}

func (e *Error) Error() string {
	text := string(e.Token) + ": header " + e.Header
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// NotSent tells that the headers are as if they were not sent.
func (e *Error) NotSent() bool { return e.Token == UntrustedPeer }

// Reserved are headers that have another meaning, or that proxies take away (RFC 9110,
// section 7.6.1).
var Reserved = []string{"authorization", "connection", "content-length", "cookie", "host", "keep-alive",
	"proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}

// Check returns what is wrong with the settings, beginning with the field's name.
func (s *Settings) Check() error {
	names := []struct{ field, value string }{
		{"certificate_header_name", s.Name},
		{"certificate_chain_header_name", s.ChainName},
		{"verification_header_name", s.VerificationName},
	}
	for i, n := range names {
		if n.value == "" {
			continue
		}
		if slices.Contains(Reserved, fold(n.value)) {
			return fmt.Errorf("%s: header %q has another meaning: must be a header of its own", n.field, n.value)
		}
		for _, other := range names[:i] {
			if fold(other.value) == fold(n.value) {
				return fmt.Errorf("%s: header %q is also config.%s: must be another header", n.field, n.value, other.field)
			}
		}
	}
	if s.ChainName != "" && (s.Format == XFCC || s.Format == Base64List) {
		return fmt.Errorf("certificate_chain_header_name: must not be set with certificate_header_format %s, which has the chain in the same header", s.Format)
	}
	return nil
}

// Concerns tells whether a header, in whichever spelling, matters to the settings.
func (s *Settings) Concerns(name string) bool {
	return sameFolded(name, s.Name) ||
		s.ChainName != "" && sameFolded(name, s.ChainName) ||
		s.VerificationName != "" && sameFolded(name, s.VerificationName)
}

// Hides tells whether a header, in whichever spelling, is kept from the upstream.
func (s *Settings) Hides(name string) bool {
	return s.Hide && (sameFolded(name, s.Name) || s.ChainName != "" && sameFolded(name, s.ChainName))
}

// fold returns what the spellings of a header have in common: nginx's variables and CGI
// know no difference between - and _.
func fold(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }

// sameFolded is fold(a) == fold(b) for header names, which are ASCII.
func sameFolded(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if foldByte(a[i]) != foldByte(b[i]) {
			return false
		}
	}
	return true
}

func foldByte(c byte) byte {
	switch {
	case c == '_':
		return '-'
	case 'A' <= c && c <= 'Z':
		return c + ('a' - 'A')
	}
	return c
}
