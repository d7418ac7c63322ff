package authn_test

import (
	"crypto/x509"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/revocation"
	"mtls-auth/mtlsauth/internal/revocation/crldir"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

const longest = 8 << 10 // bytes of a header that is sent

// What a request goes on as, to the last header: nothing that a client sent under these
// names survives.
func TestHeadersOfAnAnswer(t *testing.T) {
	root := pki.NewCA("root")
	dir := &people{known: map[string]*consumer.Consumer{
		"alice": {ID: "1", Username: "alice", CustomID: "c-1"}, "guest": {ID: "2", Username: "guest"},
	}}
	leaf := root.Client("x", pki.DNS("x.example"))
	consumers := looking(anonymous("guest"))
	fallback := func(o *authn.Options) { o.Consumers.Default = consumer.ParseRef("guest") }
	for _, test := range []struct {
		name       string
		policy     *authn.Policy
		presented  authn.Presented
		want       map[string]string // the others are cleared
		credential string
		groups     []string
	}{
		{"a consumer", policyOf(trusting(root), consumers...), sent(root.Client("alice")), map[string]string{
			"X-Consumer-ID": "1", "X-Consumer-Username": "alice", "X-Consumer-Custom-ID": "c-1", "X-Credential-Identifier": "alice",
		}, "alice", []string{"alice"}},
		{"default_consumer", policyOf(trusting(root), looking(fallback)...), sent(root.Client("x")), map[string]string{
			"X-Consumer-ID": "2", "X-Consumer-Username": "guest", "X-Credential-Identifier": "*",
		}, "*", []string{"x"}},
		{"no consumer is looked up", policyOf(trusting(root)), sent(leaf), map[string]string{
			"X-Client-Cert-Dn": "CN=x", "X-Client-Cert-San": "x.example",
		}, leaf.Fingerprint(), []string{"x"}},
		{"anonymous", policyOf(trusting(root), consumers...), authn.Presented{}, map[string]string{
			"X-Consumer-ID": "2", "X-Consumer-Username": "guest", "X-Anonymous-Consumer": "true",
		}, "", nil},
		{"authenticated before", policyOf(trusting(root), consumers...), authn.Presented{Authenticated: true}, nil, "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := identify(test.policy, test.presented, dir, time.Now()).Answer()
			names, values := authn.HeaderNames(), a.HeaderValues()
			if test.name == "authenticated before" {
				names = []string{"X-Client-Cert-Dn", "X-Client-Cert-San"}
			}
			if len(values) != len(names) || a.Status != 0 || a.Body() != nil {
				t.Errorf("status %d, headers %q", a.Status, values)
			}
			for _, name := range names {
				want, got := test.want[name], values[name]
				if want == "*" && len(got) == 1 && len(got[0]) == 64 {
					continue // the fingerprint
				}
				if got == nil || want == "" && len(got) != 0 || want != "" && !reflect.DeepEqual(got, []string{want}) {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if test.credential != "*" && a.CredentialID != test.credential || !reflect.DeepEqual(a.Groups, test.groups) {
				t.Errorf("credential %q, groups %q", a.CredentialID, a.Groups)
			}
		})
	}
}

// The client learns no more than two sentences and the status.
func TestBodies(t *testing.T) {
	for reason, want := range map[authn.Reason]string{
		authn.NoneSent: `401 {"message":"No required TLS certificate was sent"}`,
		authn.Expired:  `401 {"message":"TLS certificate failed verification"}`,
		authn.Internal: `500 {"message":"An unexpected error occurred"}`, authn.LookupFailed: `500 {"message":"An unexpected error occurred"}`,
	} {
		if a := authn.Deny(reason, nil).Answer(); fmt.Sprintf("%d %s", a.Status, a.Body()) != want || len(a.Headers) > 0 || a.Consumer != nil {
			t.Errorf("%v: %d %s, want %s", reason, a.Status, a.Body(), want)
		}
	}
	p := policyOf(trusting(pki.NewCA("root")), looking(anonymous("a&<b>"))...)
	if a := identify(p, authn.Presented{}, knowing(), time.Now()).Answer(); string(a.Body()) != `{"message":"anonymous consumer a&<b> is configured but doesn't exist"}` {
		t.Errorf("an anonymous consumer that is not there: %s", a.Body())
	}
	if got := authn.Reason(250).String(); got == "" || got == authn.Passed.String() {
		t.Errorf("a reason that there is not: %q", got)
	}
}

// A value that a header cannot hold is left out whole, and the log says so.
func TestValuesThatAreLeftOut(t *testing.T) {
	root := pki.NewCA("root")
	for _, test := range []struct {
		name string
		id   string
		kept bool
		note string
	}{
		{"the longest", strings.Repeat("i", longest), true, ""},
		{"longer", strings.Repeat("i", longest+1), false, "X-Consumer-ID left out: 8193 bytes, at most 8192 are sent"},
		{"with a line end", "i\nx", false, "X-Consumer-ID left out: it has a control character"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := &people{known: map[string]*consumer.Consumer{"alice": {ID: test.id, Username: "alice", CustomID: test.id}}}
			d := identify(policyOf(trusting(root), looking()...), sent(root.Client("alice")), dir, time.Now())
			headers := upstreamOf(d.Answer())
			for _, name := range []string{"X-Consumer-ID", "X-Consumer-Custom-ID"} {
				if (headers[name] == test.id) != test.kept || !test.kept && headers[name] != "" {
					t.Errorf("%s: %d bytes are sent", name, len(headers[name]))
				}
			}
			if test.kept != (len(d.Notes) == 0) || !test.kept && (len(d.Notes) != 2 || d.Notes[0] != test.note) {
				t.Errorf("notes %q, want %q", d.Notes, test.note)
			}
		})
	}
}

// A serial number is written as OpenSSL writes it.
func TestSerialNumbers(t *testing.T) {
	root := pki.NewCA("root")
	for n, want := range map[int64]string{1: "01", 0x80: "80", 0xabc: "0ABC", 1 << 40: "010000000000"} {
		leaf := root.Client("a", pki.With(func(c *x509.Certificate) { c.SerialNumber = big.NewInt(n) }))
		headers := upstreamOf(authenticate(telling(trusting(root), authn.UpstreamDetails), sent(leaf)).Answer())
		if got := headers["X-Client-Cert-Serial"]; got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// A decision that rests on a CRL ends with it, a pass as well as a refusal.
func TestADecisionEndsWithTheCRL(t *testing.T) {
	root := pki.NewCA("root")
	now := time.Now()
	leaf, revoked := root.Client("leaf"), root.Client("revoked")
	dir := t.TempDir()
	list := pki.CRL{Issuer: root, Entries: pki.Revoked(revoked), NextUpdate: now.Add(time.Hour)}
	if err := os.WriteFile(filepath.Join(dir, "root.crl"), list.DER(), 0o600); err != nil {
		t.Fatal(err)
	}
	folder := crldir.Open(dir, crldir.Options{})
	go folder.Run(t.Context())
	<-folder.Ready()
	checker := revocation.New(revocation.Options{Folder: folder, Memory: revocation.NewMemory(1 << 20), MaxCRLSize: 1 << 20})
	p := policyOf(trusting(root), func(o *authn.Options) {
		o.Checker, o.Status = checker, &revocation.Settings{HTTPTimeout: time.Second}
	})
	if d := p.Authenticate(t.Context(), sent(leaf), nil, now); !d.Passed() || d.Left(now) > time.Hour || d.Left(now) == 0 {
		t.Errorf("%v for %v, want a pass until the CRL's nextUpdate", d.Reason, d.Left(now))
	}
	if d := p.Authenticate(t.Context(), sent(revoked), nil, now); d.Reason != authn.Revoked || d.Subject.Name != "CN=revoked" || d.CA != "a" {
		t.Errorf("%v about %q below %q", d.Reason, d.Subject.Name, d.CA)
	}
}

func TestKnown(t *testing.T) {
	root := pki.NewCA("root")
	fallback := func(o *authn.Options) { o.Consumers.Default = consumer.ParseRef("all") }
	for _, test := range []struct {
		name   string
		change []func(*authn.Options)
		want   string
	}{
		{"neither", looking(), ""},
		{"without consumers", nil, ""},
		{"anonymous", looking(anonymous("guest")), "guest"},
		{"anonymous without consumers", []func(*authn.Options){anonymous("guest")}, "guest"},
		{"default_consumer", looking(fallback), "all"},
		{"both", looking(anonymous("guest"), fallback), "all"},
	} {
		want := consumer.Ref{}
		if test.want != "" {
			want = consumer.ParseRef(test.want)
		}
		if got := policyOf(trusting(root), test.change...).Known(); got != want {
			t.Errorf("%s: %v, want %q", test.name, got, test.want)
		}
	}
}
