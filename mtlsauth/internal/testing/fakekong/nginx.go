package fakekong

import (
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tlsVar answers nginx's variables about a TLS connection, in nginx's text
// formats. ok is false for one that is not of these.
func (c *connection) tlsVar(cs *tls.ConnectionState, name string) (value string, ok bool) {
	switch name {
	case "ssl_session_reused":
		return map[bool]string{false: ".", true: "r"}[cs.DidResume], true
	case "ssl_server_name":
		return cs.ServerName, true
	case "ssl_protocol":
		return strings.Replace(tls.VersionName(cs.Version), "TLS 1", "TLSv1", 1), true
	case "ssl_cipher":
		return cipherName(cs.CipherSuite), true
	case "ssl_curve":
		return cs.CurveID.String(), true
	case "ssl_client_verify":
		return c.verify(cs), true
	}
	if !strings.HasPrefix(name, "ssl_client_") {
		return "", false
	}
	if len(cs.PeerCertificates) == 0 {
		return "", true
	}
	leaf := cs.PeerCertificates[0]
	switch name {
	case "ssl_client_raw_cert":
		return c.leafPEM(cs), true
	case "ssl_client_escaped_cert":
		return escape(c.leafPEM(cs)), true
	case "ssl_client_cert":
		return strings.ReplaceAll(strings.TrimSuffix(c.leafPEM(cs), "\n"), "\n", "\n\t"), true
	case "ssl_client_s_dn":
		return rfc2253(leaf.RawSubject), true
	case "ssl_client_i_dn":
		return rfc2253(leaf.RawIssuer), true
	case "ssl_client_s_dn_legacy":
		return oneline(leaf.RawSubject), true
	case "ssl_client_i_dn_legacy":
		return oneline(leaf.RawIssuer), true
	case "ssl_client_serial":
		return strings.ToUpper(hex.EncodeToString(leaf.SerialNumber.Bytes())), true
	case "ssl_client_fingerprint":
		sum := sha1.Sum(leaf.Raw)
		return hex.EncodeToString(sum[:]), true
	case "ssl_client_v_start":
		return leaf.NotBefore.UTC().Format(asn1Time), true
	case "ssl_client_v_end":
		return leaf.NotAfter.UTC().Format(asn1Time), true
	case "ssl_client_v_remain":
		return strconv.Itoa(max(0, int(time.Until(leaf.NotAfter)/(24*time.Hour)))), true
	}
	return "", false
}

// asn1Time is how OpenSSL prints a time.
const asn1Time = "Jan _2 15:04:05 2006 GMT"

func certPEM(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

// escape is nginx's NGX_ESCAPE_URI_COMPONENT.
func escape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// verifyText says what OpenSSL's verification of a client certificate comes to
// when it trusts nobody, as seen in Kong: its last complaint, and whether nginx
// lets it pass under optional_no_ca. Only the leaf is judged.
func verifyText(presented []*x509.Certificate, now time.Time) (text string, optional bool) {
	if len(presented) == 0 {
		return "NONE", true
	}
	leaf := presented[0]
	switch {
	case now.Before(leaf.NotBefore):
		return "FAILED:certificate is not yet valid", false
	case now.After(leaf.NotAfter):
		return "FAILED:certificate has expired", false
	case len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) > 0 && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth):
		return "FAILED:unsuitable certificate purpose", false
	case len(leaf.UnhandledCriticalExtensions) > 0:
		return "FAILED:unhandled critical extension", false
	case string(leaf.RawIssuer) == string(leaf.RawSubject) && leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature) == nil:
		return "FAILED:self-signed certificate", true
	}
	for _, c := range presented[1:] {
		if string(c.RawSubject) == string(leaf.RawIssuer) {
			return "FAILED:unable to get local issuer certificate", true
		}
	}
	return "FAILED:unable to verify the first certificate", true
}

// shortNames are OpenSSL's for attribute types.
var shortNames = map[string]string{
	"2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST",
	"2.5.4.9": "street", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "title", "2.5.4.17": "postalCode",
	"2.5.4.42": "GN", "2.5.4.43": "initials", "2.5.4.46": "dnQualifier", "2.5.4.65": "pseudonym",
	"1.2.840.113549.1.9.1": "emailAddress", "0.9.2342.19200300.100.1.1": "UID", "0.9.2342.19200300.100.1.25": "DC",
}

// rfc2253 is OpenSSL's XN_FLAG_RFC2253 without the escaping of bytes over 127:
// the last name first, backslash escapes. A name that does not parse is "".
func rfc2253(raw []byte) string {
	return printName(raw, func(rdns []string) string {
		slices.Reverse(rdns)
		return strings.Join(rdns, ",")
	}, "+", escapeValue)
}

// oneline is OpenSSL's X509_NAME_oneline.
func oneline(raw []byte) string {
	return printName(raw, func(rdns []string) string { return "/" + strings.Join(rdns, "/") }, "/", func(s string) string { return s })
}

func printName(raw []byte, join func([]string) string, plus string, value func(string) string) string {
	var name pkix.RDNSequence
	if _, err := asn1.Unmarshal(raw, &name); err != nil || len(name) == 0 {
		return ""
	}
	rdns := make([]string, 0, len(name))
	for _, set := range name {
		var parts []string
		for _, a := range set {
			oid := a.Type.String()
			if s, ok := a.Value.(string); ok && shortNames[oid] != "" {
				parts = append(parts, shortNames[oid]+"="+value(s))
			} else if der, err := asn1.Marshal(a.Value); err == nil {
				parts = append(parts, oid+"=#"+strings.ToUpper(hex.EncodeToString(der)))
			}
		}
		rdns = append(rdns, strings.Join(parts, plus))
	}
	return join(rdns)
}

func escapeValue(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < 0x20 || c == 0x7f:
			fmt.Fprintf(&b, "\\%02X", c)
			continue
		case strings.IndexByte(`,+"\<>;`, c) >= 0, i == 0 && (c == '#' || c == ' '), i == len(s)-1 && c == ' ':
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// cipherName is OpenSSL's name of a cipher suite that crypto/tls has.
func cipherName(id uint16) string {
	name := tls.CipherSuiteName(id)
	if strings.HasPrefix(name, "TLS_ECDHE_") {
		name = strings.NewReplacer("TLS_", "", "_WITH", "", "AES_128", "AES128", "AES_256", "AES256", "CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305", "_", "-").Replace(name)
		name = strings.TrimSuffix(name, "-CBC-SHA") + map[bool]string{true: "-SHA"}[strings.HasSuffix(name, "-CBC-SHA")]
	}
	return name
}
