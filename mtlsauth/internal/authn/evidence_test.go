package authn_test

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/revocation"
	"mtls-auth/mtlsauth/internal/revocation/crldir"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// mapped is a source of credentials whose entries can be replaced.
type mapped struct{ lists []*consumer.Credentials }

func (m *mapped) Credentials() []*consumer.Credentials { return m.lists }

func mapping(t *testing.T, entries ...consumer.Credential) *consumer.Credentials {
	t.Helper()
	c, err := consumer.NewCredentials(entries)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func named(subject, username string) consumer.Credential {
	return consumer.Credential{SubjectName: subject, Consumer: consumer.RefTo(consumer.Query{By: consumer.ByUsername, Value: username})}
}

// A cached decision ends as soon as any of what it rests on is replaced.
func TestADecisionEndsWithItsEvidence(t *testing.T) {
	root := pki.NewCA("root")
	now := time.Now()
	t.Run("cached lookups", func(t *testing.T) {
		lookups := consumer.NewLookups(1 << 20)
		p := policyOf(trusting(root), looking(func(o *authn.Options) { o.Lookups = lookups })...)
		dir := knowing("alice")
		if d := identify(p, sent(root.Client("alice")), dir, now); !d.Passed() {
			t.Fatal(d.Reason)
		}
		presented := sent(root.Client("alice"))
		identify(p, presented, dir, now)
		delete(dir.known, "alice")
		lookups.Forget()
		if d := identify(p, presented, dir, now); d.Passed() {
			t.Error("passes as a consumer that is gone")
		}
	})
	t.Run("credentials of a source", func(t *testing.T) {
		source := &mapped{[]*consumer.Credentials{mapping(t, named("x", "alice"))}}
		p := policyOf(trusting(root), looking(func(o *authn.Options) { o.Consumers.Source = source })...)
		dir, presented := knowing("alice", "bob"), sent(root.Client("x"))
		for _, username := range []string{"alice", "bob", ""} {
			source.lists = nil
			if username != "" {
				source.lists = []*consumer.Credentials{mapping(t, named("x", username))}
			}
			d := identify(p, presented, dir, now)
			if got := d.Answer().Consumer; username == "" && d.Passed() || username != "" && (got == nil || got.Username != username) {
				t.Errorf("mapped to %q: got %v as %+v", username, d.Reason, got)
			}
		}
	})
	t.Run("a CRL", func(t *testing.T) {
		leaf, dir := root.Client("leaf"), t.TempDir()
		write := func(number int64, entries ...pki.CRLEntry) {
			list := pki.CRL{Issuer: root, Number: number, Entries: entries, NextUpdate: now.Add(time.Hour)}
			if err := os.WriteFile(filepath.Join(dir, "root.crl"), list.DER(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(1)
		folder := crldir.Open(dir, crldir.Options{Every: time.Millisecond})
		go folder.Run(t.Context())
		<-folder.Ready()
		checker := revocation.New(revocation.Options{Folder: folder, Memory: revocation.NewMemory(1 << 20), MaxCRLSize: 1 << 20})
		p := policyOf(trusting(root), func(o *authn.Options) {
			o.Checker, o.Status = checker, &revocation.Settings{HTTPTimeout: time.Second}
		})
		if d := authenticate(p, sent(leaf)); !d.Passed() {
			t.Fatalf("%v %s", d.Reason, d.Detail)
		}
		write(2, pki.Revoked(leaf)...)
		for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
			if d := p.Authenticate(t.Context(), sent(leaf), nil, now); d.Reason == authn.Revoked {
				return
			} else if time.Since(began) > 30*time.Second {
				t.Fatalf("got %v, want revoked by the new CRL", d.Reason)
			}
		}
	})
}

// Two certificates of one length are told apart by their bytes.
func TestADecisionBelongsToItsCertificate(t *testing.T) {
	root, stranger := pki.NewCA("root"), pki.NewCA("tool")
	p := policyOf(trusting(root))
	good := authn.Presented{Leaf: []byte(root.Client("a").PEM())}
	if d := authenticate(p, good); !d.Passed() {
		t.Fatal(d.Reason)
	}
	for range 100 {
		forged := authn.Presented{Leaf: []byte(stranger.Client("a").PEM())}
		if len(forged.Leaf) < len(good.Leaf) {
			forged.Leaf = append(forged.Leaf, bytes.Repeat([]byte("\n"), len(good.Leaf)-len(forged.Leaf))...)
		}
		if len(forged.Leaf) != len(good.Leaf) {
			continue
		}
		if d := authenticate(p, forged); d.Passed() {
			t.Error("a stranger's certificate got the decision about a client's")
		}
		return
	}
	t.Fatal("no two certificates of one length")
}

// What a proxy hands over and cannot be read is decided about each time, as the decision
// that came with it says.
func TestWhatWasDeniedBefore(t *testing.T) {
	root := pki.NewCA("root")
	dir := knowing("guest")
	denied := authn.Deny(authn.Unreadable, nil)
	presented := authn.Presented{Denied: denied}
	if d := identify(policyOf(trusting(root), looking()...), presented, dir, time.Now()); d != denied {
		t.Errorf("without anonymous: got %+v, want what came", d)
	}
	guests := policyOf(trusting(root), looking(anonymous("guest"))...)
	first, second := identify(guests, presented, dir, time.Now()), identify(guests, presented, dir, time.Now())
	if !first.GoesOn() || first.Passed() || first.Reason != authn.Unreadable || first == second || denied.CAIDs != nil {
		t.Errorf("anonymous: got %+v and %+v, want each anonymous for unreadable", first, second)
	}
	if d := identify(policyOf(trusting(root), looking(anonymous("nobody"))...), presented, dir, time.Now()); d.GoesOn() || d.Status() != 500 {
		t.Errorf("an anonymous consumer that is not there: got %v with %d", d.Reason, d.Status())
	}
}

// The log is told which CA certificates a decision was made with.
func TestADecisionTellsItsCAs(t *testing.T) {
	root := pki.NewCA("root")
	issuing := root.Intermediate("issuing")
	set := trusting(root, issuing)
	set.set.Missing = []string{"c"}
	dir := knowing("guest", "alice")
	p := policyOf(set, looking(anonymous("guest"))...)
	passed := identify(p, sent(issuing.Client("alice")), dir, time.Now())
	if passed.CA != "a" || !slices.Equal(passed.CAIDs, []string{"a"}) || !slices.Equal(passed.Missing, []string{"c"}) {
		t.Errorf("a pass: anchor %q of %v, missing %v", passed.CA, passed.CAIDs, passed.Missing)
	}
	for name, presented := range map[string]authn.Presented{"no consumer": sent(issuing.Client("x"))} {
		d := identify(policyOf(set, looking()...), presented, dir, time.Now())
		if d.CA != "a" || d.Subject.Name != "CN=x" {
			t.Errorf("%s: anchor %q, subject %q", name, d.CA, d.Subject.Name)
		}
	}
	if d := identify(p, authn.Presented{}, dir, time.Now()); d.Missing != nil || !slices.Equal(d.CAIDs, []string{"a"}) {
		t.Errorf("none sent: %v, missing %v", d.CAIDs, d.Missing)
	}
	gone := policyOf(set, looking(anonymous("gone"))...)
	if d := identify(gone, sent(root.Client("x", pki.Expired())), dir, time.Now()); d.Subject.Name != "CN=x" || d.About == "" || !slices.Equal(d.Missing, []string{"c"}) || !slices.Equal(d.CAIDs, []string{"a"}) {
		t.Errorf("without the anonymous consumer: %+v", d)
	}
}

// A credential may be bound to a CA certificate: to one on the path.
func TestCredentialsOfACA(t *testing.T) {
	root := pki.NewCA("root")
	issuing := root.Intermediate("issuing")
	namesake := pki.NewCA("issuing")
	confined := root.Intermediate("confined", pki.With(func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"example"}
	}))
	for _, test := range []struct {
		name    string
		cas     []*pki.Certificate // a, b
		partial bool
		leaf    *pki.Certificate
		bound   string
		want    bool
	}{
		{"the anchor", []*pki.Certificate{root}, false, issuing.Client("x"), "a", true},
		{"an intermediate that is configured", []*pki.Certificate{root, issuing}, false, issuing.Client("x"), "b", true},
		{"an intermediate that is not", []*pki.Certificate{root}, false, issuing.Client("x"), "b", false},
		{"another of its name", []*pki.Certificate{root, namesake}, false, issuing.Client("x"), "b", false},
		{"where a partial chain ends", []*pki.Certificate{root, issuing}, true, issuing.Client("x"), "b", true},
		{"the root above", []*pki.Certificate{root, issuing}, true, issuing.Client("x"), "a", true},
		{"a root that has not issued it", []*pki.Certificate{root, pki.NewCA("other")}, false, root.Client("x"), "b", false},
		{"the anchor of a confined CA", []*pki.Certificate{root}, false, confined.Client("y", pki.DNS("x.example")), "a", true},
		{"the root above where the ways differ", []*pki.Certificate{root, confined}, true, confined.Client("y", pki.DNS("x.example")), "a", false},
		{"a confined end of a partial chain", []*pki.Certificate{root, confined}, true, confined.Client("y", pki.DNS("x.example")), "b", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			ids := map[string]string{"a": "aaaaaaaa-0000-4000-8000-000000000001", "b": "bbbbbbbb-0000-4000-8000-000000000002"}
			set, names := trusting(test.cas...), []string{"x", "x.example"}
			for i, id := range []string{"a", "b"}[:len(test.cas)] {
				set.set.CAs[i].ID = ids[id]
			}
			var entries []consumer.Credential
			for _, name := range names {
				c := named(name, "alice")
				c.CACertificateID = ids[test.bound]
				entries = append(entries, c)
			}
			p := policyOf(set, looking(func(o *authn.Options) {
				o.AllowPartialChain, o.Consumers.Credentials = test.partial, mapping(t, entries...)
			})...)
			d := identify(p, sent(test.leaf), knowing("alice"), time.Now())
			if d.Passed() != test.want || !test.want && d.Reason != authn.NoConsumer {
				t.Errorf("got %v (%s), want a pass: %v", d.Reason, d.Detail, test.want)
			}
		})
	}
}
