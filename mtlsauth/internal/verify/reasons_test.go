package verify_test

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/testing/pki"
	"mtls-auth/mtlsauth/internal/verify"
)

// caID is the id of the nth CA certificate.
func caID(n int) string { return fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", n+1) }

// trusting returns options that trust CA certificates, with more of the configuration.
func trusting(t *testing.T, more string, cas ...*pki.Certificate) verify.Options {
	t.Helper()
	o := verify.Options{Name: "mtls-auth", Prefix: t.TempDir(), At: time.Now(), MinRSABits: 2048, MaxCRLSize: 1 << 20}
	var ids []string
	for i, ca := range cas {
		ids = append(ids, caID(i))
		o.CACertificates = append(o.CACertificates, kongdata.Entity{ID: caID(i), Cert: ca.PEM()})
	}
	if len(ids) == 0 {
		ids = []string{caID(0)}
	}
	text, _ := json.Marshal(ids)
	o.Configuration = verify.Configuration{From: "the test", Config: []byte(`{"ca_certificates":` + string(text) + more + `}`)}
	return o
}

func folder(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const lookupOff = `,"skip_consumer_lookup":true`

// Each reason code has a sentence, and a certificate that is refused for it is explained
// with that sentence.
func TestEveryReasonIsExplained(t *testing.T) {
	root := pki.NewCA("root")
	client := root.Client("client", pki.DNS("client.example.com"))
	tests := map[string]func(t *testing.T) (context.Context, verify.Options){}
	add := func(reason, more string, leaf string, change func(t *testing.T, o *verify.Options), cas ...*pki.Certificate) {
		tests[reason] = func(t *testing.T) (context.Context, verify.Options) {
			o := trusting(t, more, cas...)
			o.Leaf = []byte(leaf)
			if change != nil {
				change(t, &o)
			}
			return t.Context(), o
		}
	}
	add("passed", lookupOff, client.PEM(), nil, root)
	add("none_sent", lookupOff, "", nil, root)
	add("unreadable", lookupOff, "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", nil, root)
	add("issuer_not_found", lookupOff, pki.NewCA("another").Client("client").PEM(), nil, root)
	add("ca_not_loaded", lookupOff, client.PEM(), nil)
	add("bad_signature", lookupOff, pki.NewCA("root").Client("client").PEM(), nil, root)
	add("expired", lookupOff, root.Client("client", pki.Expired()).PEM(), nil, root)
	add("not_yet_valid", lookupOff, root.Client("client", pki.NotYetValid()).PEM(), nil, root)
	add("wrong_usage", lookupOff, root.Client("client", pki.ExtKeyUsage(x509.ExtKeyUsageServerAuth)).PEM(), nil, root)
	limited := root.Intermediate("limited", pki.With(func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"example.org"}, true
	}))
	add("constraint", lookupOff, limited.Client("client", pki.DNS("client.example.com")).PEM(), func(_ *testing.T, o *verify.Options) {
		o.Chain = []byte(limited.PEM())
	}, root)
	add("weak_algorithm", lookupOff, root.Client("client", pki.RSA(1024)).PEM(), nil, root)
	var alike []*pki.Certificate
	for range 200 {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		alike = append(alike, pki.NewCA("alike", pki.Key(key)))
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	add("too_costly", lookupOff, pki.NewCA("alike", pki.Key(key)).Client("client").PEM(), nil, alike...)
	crl := func(entries ...pki.CRLEntry) func(t *testing.T, o *verify.Options) {
		return func(t *testing.T, o *verify.Options) {
			o.CRLDir = folder(t, map[string][]byte{"root.crl": pki.CRL{Issuer: root, Entries: entries}.DER()})
		}
	}
	add("revoked", lookupOff+`,"revocation_check_mode":"STRICT"`, client.PEM(), crl(pki.Revoked(client)...), root)
	add("status_unknown", lookupOff+`,"revocation_check_mode":"STRICT"`, client.PEM(), func(t *testing.T, o *verify.Options) {
		o.CRLDir = t.TempDir()
	}, root)
	add("spiffe_id", lookupOff+`,"spiffe_trust_domains":[{"trust_domain":"example.org","ca_certificates":["`+caID(0)+`"]}]`, client.PEM(), nil, root)
	add("no_consumer", ``, client.PEM(), nil, root)
	add("lookup_failed", `,"default_consumer":"absent"`, client.PEM(), nil, root)
	add("bad_config", `,"cache_ttl":-1`, client.PEM(), nil, root)
	tests["internal"] = func(t *testing.T) (context.Context, verify.Options) {
		o := trusting(t, lookupOff+`,"revocation_check_mode":"STRICT"`, root)
		o.Leaf, o.CRLDir = []byte(client.PEM()), t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // so that the folder is never read
		return ctx, o
	}

	for reason := authn.Internal; reason <= authn.BadConfig; reason++ {
		code := reason.String()
		t.Run(code, func(t *testing.T) {
			makeOptions, ok := tests[code]
			if !ok {
				t.Fatal("no certificate is made for it")
			}
			ctx, o := makeOptions(t)
			r, err := verify.Run(ctx, o)
			if err != nil {
				t.Fatal(err)
			}
			if r.Reason != code || r.Passed() != (code == "passed") {
				t.Errorf("got %s (%s), answer %+v", r.Reason, r.Detail, r.Answer)
			}
			sentence := verify.Sentence(code)
			if len(sentence) < 40 || !strings.HasPrefix(r.Advice, sentence) {
				t.Errorf("explained as %q, want %q", r.Advice, sentence)
			}
			var out strings.Builder
			if err := r.Write(&out, false); err != nil {
				t.Fatal(err)
			}
			if shown := strings.Join(strings.Fields(out.String()), " "); code != "passed" && !strings.Contains(shown, sentence) || strings.Contains(out.String(), "\x1b") {
				t.Errorf("the text does not say %q, or has colours:\n%s", sentence, &out)
			}
			if len(r.Log) != 1 || !strings.Contains(r.Log[0].Text, `reason="`+code+`"`) {
				t.Errorf("Kong's log: %+v", r.Log)
			}
		})
	}
	if len(tests) != int(authn.BadConfig)+1 {
		t.Errorf("%d reasons, certificates for %d", authn.BadConfig+1, len(tests))
	}
}

// What the report tells of a pass: the path, whose CRL, the consumer and by which rule.
func TestReport(t *testing.T) {
	root := pki.NewCA("root")
	issuing := root.Intermediate("issuing")
	client := issuing.Client("client", pki.DNS("client.example.com"))
	document, err := kongdata.ReadDocument([]byte(`
_format_version: "3.0"
consumers:
- username: alice
  custom_id: client.example.com
- username: bob
  id: bbbbbbbb-0000-4000-8000-000000000001
  mtls_auth_credentials:
  - id: cccccccc-0000-4000-8000-000000000001
    subject_name: mapped.example.com
`), "kong.yaml")
	if err != nil {
		t.Fatal(err)
	}
	run := func(t *testing.T, leaf *pki.Certificate, more string) *verify.Report {
		t.Helper()
		o := trusting(t, more, root)
		o.Leaf, o.Chain, o.Directory = []byte(leaf.PEM()), []byte(issuing.PEM()), document.Directory("mtls-auth")
		o.CRLDir = folder(t, map[string][]byte{"a.crl": pki.CRL{Issuer: root}.DER(), "b.crl": pki.CRL{Issuer: issuing}.DER()})
		r, err := verify.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	t.Run("custom_id", func(t *testing.T) {
		r := run(t, client, `,"revocation_check_mode":"STRICT"`)
		if r.Verdict != "pass" || len(r.Paths) != 1 || !slices.Equal(r.Paths[0], []string{"CN=client", "CN=issuing", "CN=root"}) {
			t.Errorf("%s (%s: %s) by %q", r.Verdict, r.Reason, r.Detail, r.Paths)
		}
		if c := r.Consumer; c == nil || c.Rule != "custom_id" || c.By != "client.example.com" || c.Username != "alice" {
			t.Errorf("consumer %+v", r.Consumer)
		}
		var checks []string
		for _, s := range r.Steps {
			checks = append(checks, fmt.Sprintf("%s: %s %s", s.Path[len(s.Path)-1], s.Check, s.Error))
		}
		for _, want := range []string{"CN=client: validity period ", "CN=issuing: signature ", "CN=root: may issue ", "CN=root: name constraints "} {
			if !slices.Contains(checks, want) {
				t.Errorf("no check %q among %q", want, checks)
			}
		}
		if from := r.Steps[len(r.Steps)-1].From; from != caID(0) {
			t.Errorf("the root is from %q", from)
		}
		if s := r.Revocation.Certificates; len(s) != 2 || s[0].State != "good" || s[0].From != "-crl-dir" || s[0].ThisUpdate == nil || s[1].State != "good" {
			t.Errorf("status %+v", s)
		}
		if !slices.Equal(r.Groups, []string{"client"}) {
			t.Errorf("groups %q", r.Groups)
		}
	})
	t.Run("credential", func(t *testing.T) {
		r := run(t, issuing.Client("client", pki.DNS("mapped.example.com")), "")
		if c := r.Consumer; c == nil || c.Rule != "credential" || c.Username != "bob" || c.Credential != "cccccccc-0000-4000-8000-000000000001" {
			t.Errorf("consumer %+v", r.Consumer)
		}
	})
	t.Run("default_consumer", func(t *testing.T) {
		r := run(t, issuing.Client("other"), `,"default_consumer":"bob"`)
		if c := r.Consumer; c == nil || c.Rule != "default_consumer" || c.Username != "bob" {
			t.Errorf("consumer %+v", r.Consumer)
		}
	})
	t.Run("anonymous", func(t *testing.T) {
		r := run(t, pki.NewCA("another").Client("other"), `,"anonymous":"alice"`)
		if c := r.Consumer; r.Verdict != "anonymous" || !r.Passed() || r.Reason != "issuer_not_found" || c == nil || c.Rule != "anonymous" || c.Username != "alice" {
			t.Errorf("%s for %s, consumer %+v", r.Verdict, r.Reason, r.Consumer)
		}
	})
}

// Without the network and without CRLs, revocation is not checked, which the report says;
// with CRLs alone, URLs are not fetched.
func TestTheNetworkIsUsedWhereAskedForAlone(t *testing.T) {
	root := pki.NewCA("root")
	responder := pki.NewResponder(root)
	url := responder.Start()
	defer responder.Close()
	client := root.Client("client", pki.OCSPServer(url))
	responder.Good(client)
	for _, test := range []struct {
		name            string
		network, folder bool
		mode            string
		reason, judged  string
		written         string
		requests        int
	}{
		{name: "neither", reason: "passed", judged: "SKIP", written: "STRICT not checked here: give -revocation STRICT"},
		{name: "a folder", folder: true, reason: "status_unknown", judged: "STRICT", written: "STRICT by -crl-dir alone CN=client: not known OCSP"},
		{name: "the network", network: true, mode: "STRICT", reason: "passed", judged: "STRICT", written: "STRICT with the network CN=client:", requests: 1},
		{
			name: "another mode than the configuration's", network: true, mode: "IGNORE_CA_ERROR", reason: "passed", judged: "IGNORE_CA_ERROR",
			written: "IGNORE_CA_ERROR with the network configured STRICT CN=client:", requests: 1,
		},
		{name: "SKIP", mode: "SKIP", folder: true, reason: "passed", judged: "SKIP", written: "STRICT not checked here"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := responder.Count(client)
			o := trusting(t, lookupOff+`,"revocation_check_mode":"STRICT"`, root)
			o.Leaf, o.Network, o.Mode = []byte(client.PEM()), test.network, test.mode
			if test.folder {
				o.CRLDir = t.TempDir()
			}
			r, err := verify.Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if r.Reason != test.reason || r.Revocation.Mode != test.judged || r.Revocation.Configured != "STRICT" {
				t.Errorf("%s (%s), judged by %+v", r.Reason, r.Detail, r.Revocation)
			}
			var out strings.Builder
			if err := r.Write(&out, false); err != nil {
				t.Fatal(err)
			}
			if words := strings.Join(strings.Fields(out.String()), " "); !strings.Contains(words, " Revocation "+test.written) {
				t.Errorf("written:\n%s\nwant %q", out.String(), test.written)
			}
			if got := responder.Count(client) - before; got != test.requests {
				t.Errorf("the responder was asked %d times, want %d", got, test.requests)
			}
			if test.requests > 0 && !strings.HasPrefix(r.Revocation.Certificates[0].From, "OCSP "+url) {
				t.Errorf("status %+v", r.Revocation.Certificates)
			}
		})
	}
}

// What a certificate has must not reach a terminal as it is.
func TestControlCharactersAreNotWritten(t *testing.T) {
	root := pki.NewCA("root")
	o := trusting(t, lookupOff, root)
	o.Leaf = []byte(root.Client("\x1b[2Jclient\x07", pki.DNS("a\x1b]0;title\x07b")).PEM())
	r, err := verify.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.Inputs = []verify.Input{{File: "a\x1b[2Jb", What: "\r"}}
	var out strings.Builder
	if err := r.Write(&out, false); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\x07\r") {
		t.Errorf("%q", out.String())
	}
}
