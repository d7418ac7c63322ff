package certheader_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"net/url"
	"slices"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/certheader"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// samples are the certificates in the samples, in DER.
func samples(t testing.TB) (leaf, inter []byte) {
	t.Helper()
	certs, err := (&certheader.Settings{Name: "X-SSL-Client-Cert", Format: certheader.Base64Encoded, ChainName: "X-SSL-Client-Chain"}).
		Read(certheader.Request{Lines: sample(t, "haproxy"), Trusted: true})
	if err != nil {
		t.Fatal(err)
	}
	return certs.Leaf, certs.Chain[0]
}

func b64(der ...[]byte) string { return base64.StdEncoding.EncodeToString(slices.Concat(der...)) }

func pemOf(certs ...[]byte) string {
	var b strings.Builder
	for _, der := range certs {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	return b.String()
}

// envoy escapes PEM as Envoy does (source/common/tls/connection_info_impl_base.cc).
func envoy(text string) string {
	return strings.NewReplacer("\n", "%0A", " ", "%20", "+", "%2B", "/", "%2F", "=", "%3D").Replace(text)
}

func hash(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// encode writes certificates in a format, as decoders have to read them back.
func encode(format certheader.Format, certs [][]byte) string {
	switch format {
	case certheader.URLEncoded:
		return strings.ReplaceAll(url.QueryEscape(pemOf(certs...)), "+", "%20")
	case certheader.RFC9440:
		return ":" + b64(certs[0]) + ":"
	case certheader.XFCC:
		return "Hash=" + hash(certs[0]) + `;Cert="` + envoy(pemOf(certs[0])) + `";Chain="` + envoy(pemOf(certs...)) + `"`
	case certheader.Base64List:
		items := make([]string, len(certs))
		for i, der := range certs {
			items[i] = b64(der)
		}
		return strings.Join(items, ",")
	case certheader.PEM:
		return strings.ReplaceAll(strings.TrimSpace(pemOf(certs...)), "\n", " ")
	}
	return b64(certs[0])
}

func TestFormats(t *testing.T) {
	leaf, inter := samples(t)
	short := base64.RawStdEncoding.EncodeToString(leaf)
	if len(short)%4 == 0 {
		t.Fatal("the sample's base64 has no padding that could be missing")
	}
	var (
		pemLeaf = pemOf(leaf)
		escaped = encode(certheader.URLEncoded, [][]byte{leaf})
		line    = encode(certheader.PEM, [][]byte{leaf})
		cert    = `Cert="` + envoy(pemLeaf) + `"`
		chain   = `Chain="` + envoy(pemOf(leaf, inter)) + `"`
		sum     = "Hash=" + hash(leaf)
		one     = []string{alice}
		both    = []string{alice, intermediate}
	)
	const bad = certheader.BadEncoding
	for _, test := range []struct {
		name   string
		format certheader.Format
		value  string
		want   []string
		token  certheader.Token
	}{
		{"padding", certheader.Base64Encoded, b64(leaf), one, ""},
		{"no padding", certheader.Base64Encoded, short, one, ""},
		{"space around", certheader.Base64Encoded, " \t" + short + "\t ", one, ""},
		{"quotes", certheader.Base64Encoded, `"` + short + `"`, one, ""},
		{"one quotation mark", certheader.Base64Encoded, `"` + short, nil, bad},
		{"empty in quotes", certheader.Base64Encoded, `""`, nil, bad},
		{"other alphabet", certheader.Base64Encoded, base64.RawURLEncoding.EncodeToString(leaf), nil, bad},
		{"comma", certheader.Base64Encoded, short + "," + short, nil, bad},
		{"comma and space", certheader.Base64Encoded, short + ", " + short, nil, bad},
		{"space within", certheader.Base64Encoded, short[:64] + " " + short[64:], nil, bad},
		{"line end within", certheader.Base64Encoded, short[:64] + "\n" + short[64:], nil, bad},
		{"padding within", certheader.Base64Encoded, b64(leaf) + short, nil, bad},
		{"too much padding", certheader.Base64Encoded, b64(leaf) + "=", nil, bad},
		{"padding alone", certheader.Base64Encoded, "==", nil, bad},
		{"cut off", certheader.Base64Encoded, short[:65], nil, bad},
		{"percent", certheader.Base64Encoded, url.QueryEscape(b64(leaf)), nil, bad},
		{"colons", certheader.Base64Encoded, ":" + b64(leaf) + ":", nil, bad},
		{"base64 of PEM", certheader.Base64Encoded, base64.StdEncoding.EncodeToString([]byte(pemLeaf)), nil, bad},
		{"not UTF-8", certheader.Base64Encoded, short + "\xff", nil, bad},

		{"escaped", certheader.URLEncoded, escaped, one, ""},
		{"lower-case hex", certheader.URLEncoded, strings.NewReplacer("%2B", "%2b", "%2F", "%2f", "%3D", "%3d", "%0A", "%0a").Replace(escaped), one, ""},
		{"unescaped plus, slash, equals", certheader.URLEncoded, strings.NewReplacer("%2B", "+", "%2F", "/", "%3D", "=").Replace(escaped), one, ""},
		{"everything escaped", certheader.URLEncoded, everythingEscaped(pemLeaf), one, ""},
		{"CRLF", certheader.URLEncoded, strings.ReplaceAll(escaped, "%0A", "%0D%0A"), one, ""},
		{"no line ends", certheader.URLEncoded, strings.ReplaceAll(escaped, "%0A", ""), one, ""},
		{"two blocks", certheader.URLEncoded, encode(certheader.URLEncoded, [][]byte{leaf, inter}), both, ""},
		{"an empty line between blocks", certheader.URLEncoded, escaped + "%0A%0A" + encode(certheader.URLEncoded, [][]byte{inter}), both, ""},
		{"form encoding", certheader.URLEncoded, url.QueryEscape(pemLeaf), nil, bad},
		{"twice", certheader.URLEncoded, url.QueryEscape(escaped), nil, bad},
		{"no hex", certheader.URLEncoded, "%zz" + escaped, nil, bad},
		{"half a hex", certheader.URLEncoded, strings.TrimSuffix(escaped, "0A") + "0", nil, bad},
		{"percent at the end", certheader.URLEncoded, escaped + "%", nil, bad},
		{"NUL", certheader.URLEncoded, escaped + "%00", nil, bad},
		{"tab", certheader.URLEncoded, strings.Replace(escaped, "%0A", "%09", 1), nil, bad},
		{"space in a block", certheader.URLEncoded, strings.ReplaceAll(escaped, "%0A", "%20"), nil, bad},
		{"text before", certheader.URLEncoded, "subject" + escaped, nil, bad},
		{"text after", certheader.URLEncoded, escaped + "x", nil, bad},
		{"text between", certheader.URLEncoded, escaped + "x" + escaped, nil, bad},
		{"another label", certheader.URLEncoded, strings.ReplaceAll(escaped, "CERTIFICATE", "X509%20CRL"), nil, bad},
		{"a header in the block", certheader.URLEncoded, strings.Replace(escaped, "%0A", "%0AProc-Type:%204%0A%0A", 1), nil, bad},
		{"no end", certheader.URLEncoded, strings.Split(escaped, "-----END")[0], nil, bad},
		{"BEGIN twice", certheader.URLEncoded, "-----BEGIN%20CERTIFICATE-----%0A" + escaped, nil, bad},
		{"empty block", certheader.URLEncoded, "-----BEGIN%20CERTIFICATE-----%0A-----END%20CERTIFICATE-----%0A", nil, bad},
		{"base64", certheader.URLEncoded, short, nil, bad},
		{"duplicates joined", certheader.URLEncoded, escaped + ", " + escaped, nil, bad},

		{"item", certheader.RFC9440, ":" + b64(leaf) + ":", one, ""},
		{"item without padding", certheader.RFC9440, ":" + short + ":", one, ""},
		{"parameter", certheader.RFC9440, ":" + short + ":;a=1", one, ""},
		{"parameters of every type", certheader.RFC9440, ":" + short + `:;a;b=?0; c="x\"\\";d=tok/en;e=:QUI=:;f=-1.5;*g=999999999999999`, one, ""},
		{"parameter without name", certheader.RFC9440, ":" + short + ":;", nil, bad},
		{"parameter with a capital", certheader.RFC9440, ":" + short + ":;A=1", nil, bad},
		{"parameter without value", certheader.RFC9440, ":" + short + ":;a=", nil, bad},
		{"parameter with half a string", certheader.RFC9440, ":" + short + `:;a="x`, nil, bad},
		{"parameter with a wrong escape", certheader.RFC9440, ":" + short + `:;a="\x"`, nil, bad},
		{"parameter with too long a number", certheader.RFC9440, ":" + short + ":;a=1234567890123456", nil, bad},
		{"parameter with half a byte sequence", certheader.RFC9440, ":" + short + ":;a=:QQ", nil, bad},
		{"parameter with half a decimal", certheader.RFC9440, ":" + short + ":;a=1.", nil, bad},
		{"parameter with half a boolean", certheader.RFC9440, ":" + short + ":;a=?", nil, bad},
		{"parameter with a date, of a later RFC", certheader.RFC9440, ":" + short + ":;a=@1", nil, bad},
		{"list", certheader.RFC9440, ":" + short + ":,:" + short + ":", nil, bad},
		{"duplicates joined", certheader.RFC9440, ":" + short + ":, :" + short + ":", nil, bad},
		{"inner list", certheader.RFC9440, "(:" + short + ":)", nil, bad},
		{"no colon at the end", certheader.RFC9440, ":" + short, nil, bad},
		{"no colon at the beginning", certheader.RFC9440, short + ":", nil, bad},
		{"space in the colons", certheader.RFC9440, ": " + short + ":", nil, bad},
		{"empty", certheader.RFC9440, "::", nil, ""},
		{"empty with a parameter", certheader.RFC9440, "::;a", nil, bad},
		{"string", certheader.RFC9440, `"` + short + `"`, nil, bad},

		{"cert", certheader.XFCC, sum + ";" + cert, one, ""},
		{"chain", certheader.XFCC, sum + ";" + chain, both, ""},
		{"both", certheader.XFCC, "By=spiffe://a;By=spiffe://b;" + sum + ";" + cert + ";" + chain + `;Subject="";URI=;DNS=a;DNS=b`, both, ""},
		{"keys in any case", certheader.XFCC, strings.ToUpper(sum[:4]) + sum[4:] + ";cERT" + cert[4:], one, ""},
		{"hash in upper case", certheader.XFCC, "Hash=" + strings.ToUpper(hash(leaf)) + ";" + cert, one, ""},
		{"cert without quotes", certheader.XFCC, sum + ";Cert=" + envoy(pemLeaf), one, ""},
		{"quoted subject", certheader.XFCC, sum + ";" + cert + `;Subject="CN=a\"\,Cert=\\;Hash=x,y=z"`, one, ""},
		{"no hash", certheader.XFCC, cert, nil, certheader.HashMismatch},
		{"half a hash", certheader.XFCC, sum[:20] + ";" + cert, nil, certheader.HashMismatch},
		{"another's hash", certheader.XFCC, "Hash=" + hash(inter) + ";" + cert, nil, certheader.HashMismatch},
		{"hash of the chain's second", certheader.XFCC, "Hash=" + hash(inter) + ";" + chain, nil, certheader.HashMismatch},
		{"chain of another", certheader.XFCC, sum + ";" + cert + `;Chain="` + envoy(pemOf(inter, leaf)) + `"`, nil, bad},
		{"several in cert", certheader.XFCC, sum + `;Cert="` + envoy(pemOf(leaf, inter)) + `"`, nil, bad},
		{"two elements", certheader.XFCC, sum + ";" + cert + "," + sum + ";" + cert, nil, certheader.XFCCElements},
		{"an element without certificate first", certheader.XFCC, "By=a;URI=b," + sum + ";" + cert, nil, certheader.XFCCElements},
		{"duplicates joined", certheader.XFCC, sum + ";" + cert + ", " + sum + ";" + cert, nil, certheader.XFCCElements},
		{"an empty element after", certheader.XFCC, sum + ";" + cert + ",", nil, certheader.XFCCElements},
		{"an empty element before", certheader.XFCC, "," + sum + ";" + cert, nil, bad},
		{"cert twice", certheader.XFCC, sum + ";" + cert + ";" + cert, nil, certheader.XFCCRepeat},
		{"cert in two spellings", certheader.XFCC, sum + ";" + cert + ";CERT" + cert[4:], nil, certheader.XFCCRepeat},
		{"chain twice", certheader.XFCC, sum + ";" + chain + ";" + chain, nil, certheader.XFCCRepeat},
		{"hash twice", certheader.XFCC, sum + ";" + sum + ";" + cert, nil, certheader.XFCCRepeat},
		{"subject twice", certheader.XFCC, sum + ";" + cert + ";Subject=;Subject=", nil, certheader.XFCCRepeat},
		{"unknown key", certheader.XFCC, sum + ";" + cert + ";Email=a", nil, bad},
		{"space before a key", certheader.XFCC, sum + "; " + cert, nil, bad},
		{"quotation mark not closed", certheader.XFCC, sum + ";" + strings.TrimSuffix(cert, `"`), nil, bad},
		{"quotation mark escaped", certheader.XFCC, sum + ";" + strings.TrimSuffix(cert, `"`) + `\"`, nil, bad},
		{"text after a quotation mark", certheader.XFCC, sum + ";" + cert + "x", nil, bad},
		{"quotation mark within", certheader.XFCC, sum + ";" + cert + `;URI=a"b"`, nil, bad},
		{"semicolon at the end", certheader.XFCC, sum + ";" + cert + ";", nil, bad},
		{"no pair", certheader.XFCC, "x", nil, bad},
		{"JSON", certheader.XFCC, `[{"hash":"` + hash(leaf) + `"}]`, nil, certheader.XFCCJSON},
		{"JSON object", certheader.XFCC, `{"hash":"` + hash(leaf) + `"}`, nil, certheader.XFCCJSON},
		{"no certificate", certheader.XFCC, sum + `;Subject="";URI=spiffe://a`, nil, ""},

		{"one of a list", certheader.Base64List, b64(leaf), one, ""},
		{"list", certheader.Base64List, b64(leaf) + "," + b64(inter), both, ""},
		{"duplicates joined", certheader.Base64List, b64(leaf) + ", " + b64(inter), nil, bad},
		{"space before a comma", certheader.Base64List, b64(leaf) + " ," + b64(inter), nil, bad},
		{"empty item", certheader.Base64List, b64(leaf) + ",," + b64(inter), nil, bad},
		{"comma at the end", certheader.Base64List, b64(leaf) + ",", nil, bad},
		{"percent-encoded, as before 2.9.4", certheader.Base64List, url.QueryEscape(b64(leaf)), nil, bad},

		{"line", certheader.PEM, line, one, ""},
		{"more space", certheader.PEM, strings.ReplaceAll(line, " MII", " \t  MII"), one, ""},
		{"two", certheader.PEM, encode(certheader.PEM, [][]byte{leaf, inter}), both, ""},
		{"PEM with line ends", certheader.PEM, pemLeaf, one, ""},
		{"BEGIN twice", certheader.PEM, "-----BEGIN CERTIFICATE----- " + line, nil, bad},
		{"duplicates joined", certheader.PEM, line + ", " + line, nil, bad},
		{"escaped", certheader.PEM, escaped, nil, bad},
	} {
		t.Run(string(test.format)+": "+test.name, func(t *testing.T) {
			s := certheader.Settings{Name: "cert", Format: test.format}
			sums, token := read(t, s, []certheader.Line{{Name: "Cert", Value: test.value}})
			if !slices.Equal(sums, test.want) || token != test.token {
				t.Errorf("got %v %q, want %v %q", sums, token, test.want, test.token)
			}
		})
	}
}

func everythingEscaped(text string) string {
	var b strings.Builder
	for i := range len(text) {
		b.WriteString("%" + hex.EncodeToString([]byte{text[i]}))
	}
	return b.String()
}

func TestFormatsOfChains(t *testing.T) {
	leaf, inter := samples(t)
	short := base64.RawStdEncoding.EncodeToString(inter)
	const bad = certheader.BadEncoding
	one, both := []string{alice}, []string{alice, intermediate}
	for _, test := range []struct {
		name   string
		format certheader.Format
		chain  []string // the header's lines
		want   []string
		token  certheader.Token
	}{
		{"absent", certheader.Base64Encoded, nil, one, ""},
		{"empty", certheader.Base64Encoded, []string{""}, one, ""},
		{"concatenated", certheader.Base64Encoded, []string{b64(inter, inter)}, []string{alice, intermediate, intermediate}, ""},
		{"with the leaf", certheader.Base64Encoded, []string{b64(leaf, inter)}, []string{alice, alice, intermediate}, ""},
		{"no DER", certheader.Base64Encoded, []string{b64([]byte("no DER"))}, nil, bad},
		{"DER cut off", certheader.Base64Encoded, []string{b64(inter[:100])}, nil, bad},
		{"DER and more", certheader.Base64Encoded, []string{b64(inter, []byte{1})}, nil, bad},
		{"two lines", certheader.Base64Encoded, []string{b64(inter), b64(inter)}, nil, certheader.Duplicate},
		{"PEM", certheader.URLEncoded, []string{encode(certheader.URLEncoded, [][]byte{inter})}, both, ""},
		{"PEM with spaces", certheader.PEM, []string{encode(certheader.PEM, [][]byte{inter})}, both, ""},
		{"none in Apache", certheader.PEM, []string{"(null)"}, one, ""},
		{"PEM in two lines", certheader.PEM, []string{encode(certheader.PEM, [][]byte{inter}), "x"}, nil, certheader.Duplicate},
		{"list", certheader.RFC9440, []string{":" + short + ":"}, both, ""},
		{"list of two", certheader.RFC9440, []string{":" + short + ":;a=1 , \t:" + short + ":"}, []string{alice, intermediate, intermediate}, ""},
		{"list in two lines", certheader.RFC9440, []string{":" + short + ":", ":" + short + ":"}, []string{alice, intermediate, intermediate}, ""},
		{"list of none", certheader.RFC9440, []string{""}, one, ""},
		{"comma at the end", certheader.RFC9440, []string{":" + short + ":,"}, nil, bad},
		{"comma at the beginning", certheader.RFC9440, []string{",:" + short + ":"}, nil, bad},
		{"no comma", certheader.RFC9440, []string{":" + short + "::" + short + ":"}, nil, bad},
		{"inner list", certheader.RFC9440, []string{"(:" + short + ":)"}, nil, bad},
		{"too large", certheader.RFC9440, slices.Repeat([]string{":" + short + ":"}, 60), nil, certheader.TooLarge},
	} {
		t.Run(string(test.format)+": "+test.name, func(t *testing.T) {
			s := certheader.Settings{Name: "cert", ChainName: "chain", Format: test.format}
			lines := []certheader.Line{{Name: "Cert", Value: encode(test.format, [][]byte{leaf})}}
			for _, value := range test.chain {
				lines = append(lines, certheader.Line{Name: "Chain", Value: value})
			}
			sums, token := read(t, s, lines)
			if !slices.Equal(sums, test.want) || token != test.token {
				t.Errorf("got %v %q, want %v %q", sums, token, test.want, test.token)
			}
		})
	}
}

// A client chooses a SAN of its certificate so that Envoy, which writes it as it is, seems
// to hand over the certificate of another.
func TestForgedThroughASAN(t *testing.T) {
	ca := pki.NewCA("root")
	victim, mallory := ca.Client("alice").Read().Raw, ca.Client("mallory").Read().Raw
	header := func(details, san string) string {
		return "By=spiffe://proxy;Hash=" + hash(mallory) + details + ";URI=" + san
	}
	withCert := `;Cert="` + envoy(pemOf(mallory)) + `"`
	forged := `Hash=` + hash(victim) + `;Cert=` + envoy(pemOf(victim))
	for _, test := range []struct{ name, value string }{
		{"a whole element", header(withCert, "urn:x,"+forged)},
		{"a whole element where Envoy writes no certificate", header("", "urn:x,"+forged)},
		{"pairs", header(withCert, "urn:x;"+forged)},
		{"pairs where Envoy writes no certificate", header("", "urn:x;"+forged)},
		{"the certificate alone where Envoy writes none", header("", "urn:x;Cert="+envoy(pemOf(victim)))},
		{"the certificate in quotes", header("", `urn:x;Cert="`+envoy(pemOf(victim))+`"`)},
		{"a chain", header(withCert, "urn:x;Chain="+envoy(pemOf(victim)))},
		{"a chain where Envoy writes no certificate", header("", "urn:x;Chain="+envoy(pemOf(victim, mallory)))},
		{"two SANs", header(withCert, "urn:x;URI=urn:y,"+forged)},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := certheader.Settings{Name: "x-forwarded-client-cert", Format: certheader.XFCC}
			if sums, token := read(t, s, []certheader.Line{{Name: "x-forwarded-client-cert", Value: test.value}}); token == "" {
				t.Errorf("got %v, want a refusal", sums)
			}
		})
	}
}
