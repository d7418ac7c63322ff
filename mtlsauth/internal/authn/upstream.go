package authn

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/url"
	"strings"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
)

// UpstreamHeaders says in which headers the upstream is told the certificate, beside those
// of skip_consumer_lookup: a set of bits, the zero value none.
type UpstreamHeaders uint8

// The values of upstream_certificate_headers.
const (
	UpstreamRFC9440 UpstreamHeaders = 1 << iota // the certificate and its chain (RFC 9440)
	UpstreamDetails                             // the certificate and what a program needs no parser for
)

const (
	headerClientCert      = "Client-Cert"
	headerClientCertChain = "Client-Cert-Chain"
	headerCert            = "X-Client-Cert"
	headerCertSerial      = "X-Client-Cert-Serial"
	headerCertIssuer      = "X-Client-Cert-Issuer-Dn"
	headerCertSubject     = "X-Client-Cert-Subject-Dn"
	headerCertFingerprint = "X-Client-Cert-Fingerprint"
)

// UpstreamHeaderNames returns the headers of all [UpstreamHeaders]. An answer sets or clears
// each of them where there is any, so that the upstream may believe all of them or none.
func UpstreamHeaderNames() []string {
	return []string{headerClientCert, headerClientCertChain, headerCert, headerCertSerial, headerCertIssuer, headerCertSubject, headerCertFingerprint}
}

// upstreamNames are those names, and upstreamSpellings their other spellings, which an
// upstream may take for them.
var upstreamNames, upstreamSpellings = UpstreamHeaderNames(), func() (all []string) {
	for _, name := range UpstreamHeaderNames() {
		all = append(all, Spellings(name)[1:]...)
	}
	return all
}()

// Spellings returns a header's name with each of its dashes as - and as _, itself first: 2^n
// for n dashes.
func Spellings(name string) []string {
	before, after, ok := strings.Cut(name, "-")
	if !ok {
		return []string{name}
	}
	var all []string
	for _, dash := range []string{"-", "_"} {
		for _, rest := range Spellings(after) {
			all = append(all, before+dash+rest)
		}
	}
	return all
}

// TellsUpstream tells whether the policy has any.
func (p *Policy) TellsUpstream() bool { return p.options.Upstream != 0 }

// tell makes the headers that a policy asks for: once for a decision, so that requests
// with a cached one pay nothing for it.
func (p *Policy) tell(d *Decision, path certpath.Path) {
	set := p.options.Upstream
	leaf := path.Certificates[0]
	tell := func(name, value string) bool {
		value = d.checked(name, value)
		if value != "" {
			d.told = append(d.told, Header{name, value})
		}
		return value != ""
	}
	if set&UpstreamRFC9440 != 0 {
		if tell(headerClientCert, byteSequence(leaf)) { // the chain never without it (RFC 9440, section 2.3)
			tell(headerClientCertChain, certificateChain(path))
		}
	}
	if set&UpstreamDetails != 0 {
		subject := ""
		if believes := p.believed(path); believes == nil || believes(certificate.DirectoryName) {
			subject = certificate.DistinguishedName(leaf.RawSubject)
		}
		fingerprint := leaf.Fingerprint()
		tell(headerCert, escapedPEM(leaf))
		tell(headerCertSerial, serialNumber(leaf))
		tell(headerCertIssuer, certificate.DistinguishedName(leaf.RawIssuer))
		tell(headerCertSubject, subject)
		tell(headerCertFingerprint, hex.EncodeToString(fingerprint[:]))
	}
}

// byteSequence writes a certificate as RFC 9440, section 2.1, has it: a Byte Sequence
// of structured fields (RFC 8941, section 3.3.5).
func byteSequence(c *certificate.Certificate) string {
	return ":" + base64.StdEncoding.EncodeToString(c.Raw) + ":"
}

// certificateChain writes what validated above the client's certificate as a List, each
// certificate before the one that issued it. The root is left out, as section 2.3 permits:
// who has it trusts it already, and who has it not must not trust it for this. A trust
// anchor that is not self-issued is no root, and is there.
func certificateChain(path certpath.Path) string {
	var list []string
	for i, c := range path.Certificates[1:] {
		isAnchor := i == len(path.Certificates)-2
		if isAnchor && certificate.NameKey(c.RawSubject) == certificate.NameKey(c.RawIssuer) {
			break
		}
		list = append(list, byteSequence(c))
	}
	return strings.Join(list, ", ")
}

// escapedPEM writes a certificate as PEM of which all but RFC 3986's unreserved characters
// are percent-encoded: what nginx's $ssl_client_escaped_cert is.
func escapedPEM(c *certificate.Certificate) string {
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	return strings.ReplaceAll(url.QueryEscape(string(text)), "+", "%20") // a plus itself is %2B
}

// serialNumber writes a serial number as nginx's $ssl_client_serial: upper-case hexadecimal,
// two digits a byte.
func serialNumber(c *certificate.Certificate) string {
	n := c.SerialNumber()
	sign := ""
	if n.Sign() < 0 {
		sign = "-"
	}
	magnitude := n.Bytes()
	if len(magnitude) == 0 {
		magnitude = []byte{0}
	}
	return sign + fmt.Sprintf("%X", magnitude)
}
