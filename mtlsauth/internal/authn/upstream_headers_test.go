package authn_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"math/big"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// telling is a policy that tells the upstream the certificate.
func telling(c cas, headers authn.UpstreamHeaders, change ...func(*authn.Options)) *authn.Policy {
	return policyOf(c, append([]func(*authn.Options){func(o *authn.Options) { o.Upstream = headers }}, change...)...)
}

// upstreamOf are the headers of an answer, those that are cleared as "".
func upstreamOf(a *authn.Answer) map[string]string {
	headers := map[string]string{}
	for _, h := range a.Headers {
		headers[h.Name] = h.Value
	}
	return headers
}

// parseList reads a List of Byte Sequences without parameters, as RFC 8941, section 4.2,
// says: strictly, but that nothing else is taken.
func parseList(text string) (members [][]byte, err error) {
	for {
		rest, ok := strings.CutPrefix(text, ":")
		encoded, rest, closed := strings.Cut(rest, ":")
		if !ok || !closed {
			return nil, errors.New("no Byte Sequence")
		}
		der, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if err != nil || strings.ContainsAny(encoded, "\r\n") {
			return nil, errors.New("not base64")
		}
		members = append(members, der)
		if rest = strings.TrimLeft(rest, " \t"); rest == "" {
			return members, nil
		}
		if rest, ok = strings.CutPrefix(rest, ","); !ok {
			return nil, errors.New("no comma between members")
		}
		if text = strings.TrimLeft(rest, " \t"); text == "" {
			return nil, errors.New("a comma at the end")
		}
	}
}

func TestParseList(t *testing.T) {
	for text, want := range map[string]int{":AAAA:": 1, ":AAAA:, :AA==:": 2, ":AAAA:,:AAAA:": 2,
		"": 0, ":AAAA": 0, "AAAA:": 0, ":AA:": 0, ":AB==:": 0, ":A\nAAA:": 0, ":AAAA:,": 0, ":AAAA: :AAAA:": 0, ":AAAA:;a=1": 0, `"AAAA"`: 0, ":AA-_:": 0} {
		if got, err := parseList(text); len(got) != want || (err == nil) != (want > 0) {
			t.Errorf("%q: got %d members, %v", text, len(got), err)
		}
	}
}

func TestClientCertAndItsChain(t *testing.T) {
	root := pki.NewCA("root")
	upper := root.Intermediate("upper")
	lower := upper.Intermediate("lower")
	big := pki.DNS(slices.Repeat([]string{"0123456789.example"}, 400)...) // over 8 KiB of base64
	for name, test := range map[string]struct {
		trusted cas
		sent    authn.Presented
		leaf    *pki.Certificate
		chain   []*pki.Certificate
		notes   []string
		left    bool // Client-Cert is left out
	}{
		"below the root":                   {trusted: trusting(root), leaf: root.Client("a")},
		"below two intermediates":          {trusted: trusting(root), leaf: lower.Client("a"), chain: []*pki.Certificate{lower, upper}},
		"the intermediates are configured": {trusted: trusting(upper, root, lower), leaf: lower.Client("a"), chain: []*pki.Certificate{lower, upper}},
		"an anchor that is no root":        {trusted: trusting(upper), leaf: lower.Client("a"), chain: []*pki.Certificate{lower, upper}},
		"the trust anchor itself":          {trusted: trusting(root), leaf: root},
		"too long":                         {trusted: trusting(root), leaf: lower.Client("a", big), left: true, notes: []string{"Client-Cert left out: "}},
		"a chain that is too long":         {trusted: trusting(root), leaf: root.Intermediate("big", big).Client("a"), notes: []string{"Client-Cert-Chain left out: "}},
	} {
		t.Run(name, func(t *testing.T) {
			// What is sent along and does not validate is not told.
			presented := sent(test.leaf)
			presented.Chain = append([]byte(pki.NewCA("stray").PEM()+root.Intermediate("another").PEM()+root.PEM()), presented.Chain...)
			p := telling(test.trusted, authn.UpstreamRFC9440, func(o *authn.Options) { o.AllowPartialChain = name == "an anchor that is no root" })
			d := authenticate(p, presented)
			if !d.Passed() {
				t.Fatalf("%v (%s)", d.Reason, d.Detail)
			}
			headers := upstreamOf(d.Answer())
			if got := headers["Client-Cert"]; test.left {
				if got != "" || headers["Client-Cert-Chain"] != "" {
					t.Errorf("got %.40q and a chain of %d bytes", got, len(headers["Client-Cert-Chain"]))
				}
			} else if list, err := parseList(got); err != nil || len(list) != 1 || !bytes.Equal(list[0], test.leaf.Raw) {
				t.Errorf("Client-Cert is %q: %d members, %v", got, len(list), err)
			}
			var got [][]byte
			if text := headers["Client-Cert-Chain"]; text != "" {
				var err error
				if got, err = parseList(text); err != nil {
					t.Errorf("Client-Cert-Chain is %q: %v", text, err)
				}
			}
			if !slices.EqualFunc(got, test.chain, func(der []byte, c *pki.Certificate) bool { return bytes.Equal(der, c.Raw) }) {
				t.Errorf("the chain has %d certificates, want %d", len(got), len(test.chain))
			}
			if !slices.EqualFunc(d.Notes, test.notes, strings.HasPrefix) {
				t.Errorf("notes %q, want %q", d.Notes, test.notes)
			}
		})
	}
}

// TestClientCertByteForByte has the form of RFC 9440, section 2.1.
func TestClientCertByteForByte(t *testing.T) {
	root := pki.NewCA("root")
	inter := root.Intermediate("inter")
	second := inter.Intermediate("second")
	leaf := second.Client("a")
	headers := upstreamOf(authenticate(telling(trusting(root), authn.UpstreamRFC9440), sent(leaf)).Answer())
	of := func(c *pki.Certificate) string { return ":" + base64.StdEncoding.EncodeToString(c.Raw) + ":" }
	for name, want := range map[string]string{"Client-Cert": of(leaf), "Client-Cert-Chain": of(second) + ", " + of(inter)} {
		if headers[name] != want {
			t.Errorf("%s: got %q, want %q", name, headers[name], want)
		}
	}
}

func TestDetails(t *testing.T) {
	root := pki.NewCA("root, and more")
	numbered := func(n int64) pki.Option {
		return pki.With(func(c *x509.Certificate) { c.SerialNumber = big.NewInt(n) })
	}
	leaf := root.Client("a,b", numbered(0xabc))
	headers := upstreamOf(authenticate(telling(trusting(root), authn.UpstreamDetails), sent(leaf)).Answer())
	for name, want := range map[string]string{
		"X-Client-Cert-Serial": "0ABC", "X-Client-Cert-Issuer-Dn": `CN=root\, and more`, "X-Client-Cert-Subject-Dn": `CN=a\,b`,
		"X-Client-Cert-Fingerprint": leaf.Fingerprint(), "X-Client-Cert-Dn": `CN=a\,b`,
	} {
		if headers[name] != want {
			t.Errorf("%s: got %q, want %q", name, headers[name], want)
		}
	}
	escaped := headers["X-Client-Cert"]
	text, err := url.PathUnescape(escaped) // "+" stays "+"
	if err != nil || text != leaf.PEM() {
		t.Errorf("X-Client-Cert is %q: %v", escaped, err)
	}
	if asForm, err := url.QueryUnescape(escaped); err != nil || asForm != text || strings.ContainsAny(escaped, "+/= \n") {
		t.Errorf("X-Client-Cert reads otherwise as a form: %q", escaped)
	}
	if value, ok := headers["Client-Cert"]; !ok || value != "" {
		t.Errorf("Client-Cert is %q (%v), want it cleared", value, ok)
	}
	oracle(t, leaf, headers)
}

// oracle compares with what OpenSSL says of the certificate.
func oracle(t *testing.T, leaf *pki.Certificate, headers map[string]string) {
	t.Helper()
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("NO OPENSSL HERE: the details are compared with our own expectations alone")
	}
	cmd := exec.Command(program, "x509", "-noout", "-serial", "-issuer", "-subject", "-nameopt", "RFC2253", "-fingerprint", "-sha256")
	cmd.Stdin = strings.NewReader(leaf.PEM())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		said[key] = value
	}
	for key, name := range map[string]string{"serial": "X-Client-Cert-Serial", "issuer": "X-Client-Cert-Issuer-Dn", "subject": "X-Client-Cert-Subject-Dn"} {
		if headers[name] != said[key] {
			t.Errorf("%s: got %q, OpenSSL says %q", name, headers[name], said[key])
		}
	}
	if got := strings.ToLower(strings.ReplaceAll(said["sha256 Fingerprint"], ":", "")); got != headers["X-Client-Cert-Fingerprint"] {
		t.Errorf("fingerprint: OpenSSL says %q", out)
	}
}

// TestDetailsUnderNameConstraints: a subject that the path does not confine is not told,
// as in X-Client-Cert-Dn.
func TestDetailsUnderNameConstraints(t *testing.T) {
	root := pki.NewCA("root")
	confined := root.Intermediate("confined", pki.With(func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"tenant.example"}
	}))
	d := authenticate(telling(trusting(root), authn.UpstreamDetails), sent(confined.Client("admin", pki.DNS("a.tenant.example"))))
	headers := upstreamOf(d.Answer())
	if !d.Passed() || headers["X-Client-Cert-Subject-Dn"] != "" || headers["X-Client-Cert-Issuer-Dn"] != "CN=confined" {
		t.Errorf("%v (%s): got %q", d.Reason, d.Detail, headers)
	}
}

// TestWhatIsNotPassedOnIsCleared: under these names the upstream sees nothing but what was
// verified, also where no certificate was.
func TestWhatIsNotPassedOnIsCleared(t *testing.T) {
	root := pki.NewCA("root")
	credentials, err := consumer.NewCredentials(nil)
	if err != nil {
		t.Fatal(err)
	}
	guest := "aaaaaaaa-0000-4000-8000-000000000009"
	dir := anyone{}
	for set, told := range map[authn.UpstreamHeaders]int{0: 0, authn.UpstreamRFC9440: 1, authn.UpstreamDetails: 5, authn.UpstreamRFC9440 | authn.UpstreamDetails: 6} {
		p := telling(trusting(root), set, func(o *authn.Options) {
			o.Consumers, o.Anonymous, o.CacheTTL = &authn.Consumers{Credentials: credentials, Default: consumer.ParseRef(guest)}, consumer.ParseRef(guest), time.Minute
			o.Lookups = consumer.NewLookups(1 << 20)
		})
		clears := 0
		if set != 0 {
			clears = 51
		}
		for name, test := range map[string]struct {
			presented authn.Presented
			told      bool
		}{
			"a certificate":            {sent(root.Client("a")), true},
			"none sent, anonymous":     {authn.Presented{}, false},
			"refused, anonymous":       {sent(pki.NewCA("stranger").Client("a")), false},
			"authenticated by another": {authn.Presented{Leaf: []byte(root.Client("a").PEM()), Authenticated: true}, false},
		} {
			for range 2 { // made, and cached
				a := p.Authenticate(context.Background(), test.presented, dir, time.Now()).Answer()
				headers := upstreamOf(a)
				if a.Status != 0 || len(a.Clear) != clears {
					t.Errorf("%v, %s: status %d, %d other spellings cleared, want %d", set, name, a.Status, len(a.Clear), clears)
				}
				values := 0
				for _, header := range authn.UpstreamHeaderNames() {
					value, ok := headers[header]
					if ok != (set != 0) {
						t.Errorf("%v, %s: %s is %q (%v)", set, name, header, value, ok)
					}
					if value != "" {
						values++
					}
				}
				if want := map[bool]int{true: told}[test.told]; values != want {
					t.Errorf("%v, %s: %d headers are told, want %d", set, name, values, want)
				}
			}
		}
	}
}

// anyone is a directory in which every consumer exists.
type anyone struct{}

func (anyone) Find(_ context.Context, queries []consumer.Query) []consumer.Result {
	results := make([]consumer.Result, len(queries))
	for i, q := range queries {
		results[i].Consumer = &consumer.Consumer{ID: q.Value, Username: q.Value}
	}
	return results
}

// Other spellings have at least one "_" in place of a "-".
func TestOtherSpellings(t *testing.T) {
	root := pki.NewCA("root")
	a := authenticate(telling(trusting(root), authn.UpstreamRFC9440), sent(root.Client("a"))).Answer()
	if want := []string{"Client_Cert", "Client-Cert_Chain", "Client_Cert-Chain", "Client_Cert_Chain", "X-Client_Cert"}; !slices.Equal(a.Clear[:5], want) {
		t.Errorf("got %q, want %q", a.Clear, want)
	}
	values := a.HeaderValues()
	for _, name := range a.Clear {
		if value, ok := values[name]; !ok || len(value) != 0 {
			t.Errorf("%s: %q (%v), want it cleared", name, value, ok)
		}
	}
}
