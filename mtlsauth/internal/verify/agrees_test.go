package verify_test

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/engine"
	"mtls-auth/mtlsauth/internal/flags"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/konglog"
	"mtls-auth/mtlsauth/internal/testing/suites"
	"mtls-auth/mtlsauth/internal/verify"
)

// at is a request at an instant.
type at time.Time

func (a at) Time() time.Time     { return time.Time(a) }
func (at) Log(konglog.Line)      {}
func (at) SessionReused() string { return "" }

// Find and Prefetch: there are no consumers.
func (at) Find(_ context.Context, queries []consumer.Query) []consumer.Result {
	return make([]consumer.Result, len(queries))
}
func (at) Prefetch(context.Context, consumer.Questions) (*consumer.Credentials, error) {
	return consumer.NewCredentials(nil)
}

// The verdict is that of the server's engine, without a trace, on the cases of x509-limbo
// and on those in the field that parsers disagree about. PKITS, with CRLs and the server as
// a process, is in e2e.
func TestAgreesWithTheServer(t *testing.T) {
	root := suites.Folder(t, "x509-limbo", "verify goes")
	limbo, err := suites.ReadLimbo(root)
	if err != nil {
		t.Fatal(err)
	}
	counted := map[string]int{}
	for _, c := range limbo {
		chain := ""
		for _, text := range c.Untrusted {
			chain += text + "\n"
		}
		counted[agree(t, c.ID, c.Now, c.Peer, chain, c.Trusted)]++
	}
	cases, err := filepath.Glob(filepath.Join(root, "..", "..", "findings", "cases", "open", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range cases {
		leaf, err := os.ReadFile(filepath.Join(dir, "leaf.pem"))
		if err != nil {
			continue
		}
		files, _ := filepath.Glob(filepath.Join(dir, "ca*.pem"))
		var cas []string
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			cas = append(cas, string(text))
		}
		counted[agree(t, filepath.Base(dir), time.Now(), string(leaf), "", cas)]++
	}
	if counted["passed"] == 0 || len(counted) < 5 {
		t.Errorf("the verdicts are %v", counted)
	}
	t.Log(counted)
}

// agree has a certificate judged by both, and returns the reason.
func agree(t *testing.T, name string, now time.Time, leaf, chain string, cas []string) string {
	t.Helper()
	o := verify.Options{Name: "mtls-auth", Prefix: t.TempDir(), At: now, MinRSABits: 2048, MaxCRLSize: 1 << 20, Leaf: []byte(leaf), Chain: []byte(chain)}
	ids := []string{}
	for i, ca := range cas {
		ids = append(ids, caID(i))
		o.CACertificates = append(o.CACertificates, kongdata.Entity{ID: caID(i), Cert: ca})
	}
	if len(ids) == 0 {
		ids = []string{caID(0)}
	}
	configuration, err := json.Marshal(map[string]any{"ca_certificates": ids, "skip_consumer_lookup": true, "revocation_check_mode": "SKIP", "allow_partial_chain": true})
	if err != nil {
		t.Fatal(err)
	}
	o.Configuration = verify.Configuration{From: name, Config: configuration}
	report, err := verify.Run(t.Context(), o)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	e, err := engine.Open(flags.Options{Name: "mtls-auth", Prefix: t.TempDir(), LuaMode: true, MinRSABits: 2048, MaxCRLSize: 1 << 20}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	policy := e.StartWith("mtls-auth", configuration, o.CACertificates)
	d := policy.Refused(at(now))
	if d == nil {
		d = policy.DecideBy(t.Context(), at(now), at(now), authn.Presented{Leaf: o.Leaf, Chain: o.Chain})
	}
	if report.Reason != d.Reason.String() || report.Answer.Status != d.Status() || report.Detail != d.Detail || report.About != d.About {
		t.Errorf("%s: verify says %s, %d, %q, the server %s, %d, %q", name, report.Reason, report.Answer.Status, report.Detail, d.Reason, d.Status(), d.Detail)
	}
	return report.Reason
}
