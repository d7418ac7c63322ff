package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// kongsConsumers are the consumers that Kong itself knows, by username.
type kongsConsumers map[string]string

func (c kongsConsumers) ConsumerByID(id string) map[string]any {
	for name, other := range c {
		if other == id {
			return map[string]any{"id": id, "username": name, "custom_id": "custom of " + name}
		}
	}
	return nil
}

func (c kongsConsumers) ConsumerByUsername(name string) map[string]any {
	if id := c[name]; id != "" {
		return c.ConsumerByID(id)
	}
	return nil
}

func knownToKong(c kongsConsumers) func(*rpc.Options, *rpc.Request) {
	return func(o *rpc.Options, _ *rpc.Request) { o.Consumers = c }
}

// byUsername is a configuration as Kong would send it, with consumer_by.
func byUsername(change ...object) object {
	return matching([]string{idA}, append([]object{{"consumer_by": []string{"username"}}}, change...)...)
}

// withoutSources is a rig whose plugin has no source of consumers but Kong.
func withoutSources(t *testing.T, root *pki.Certificate, more string) *rig {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, idA+".pem"), root.PEM())
	return newRig(t, nil, nil, noKongEnv, flags("-ca-dir "+dir+more))
}

// What later plugins find in Kong's context.
func TestWhatIsSetForLaterPlugins(t *testing.T) {
	root := pki.NewCA("root")
	r := withoutSources(t, root, "")
	kong := knownToKong(kongsConsumers{"alice": idAlice, "guest": idGuest})
	alice := root.Client("alice")

	got := r.made(t, alice.PEM(), "", byUsername(), kong)
	c, cred := got.Consumer(), got.Credential()
	if got.Exit != nil || c["id"] != idAlice || c["username"] != "alice" || c["custom_id"] != "custom of alice" {
		t.Errorf("a consumer: got %v, consumer %v", got.Exit, c)
	}
	if cred["id"] != "alice" || cred["consumer_id"] != idAlice {
		t.Errorf("a consumer: got credential %v", cred)
	}
	got = r.made(t, alice.PEM(), "", trusted([]string{idA}), kong)
	if c, cred := got.Consumer(), got.Credential(); got.Exit != nil || len(c) > 0 || cred["id"] != alice.Fingerprint() || cred["consumer_id"] != nil {
		t.Errorf("no lookup: got %v, consumer %v, credential %v", got.Exit, c, cred)
	}
	got = r.made(t, "", "", byUsername(object{"anonymous": "guest"}), kong)
	if c, cred := got.Consumer(), got.Credential(); got.Exit != nil || c["username"] != "guest" || len(cred) > 0 {
		t.Errorf("anonymous: got %v, consumer %v, credential %v", got.Exit, c, cred)
	}
}

// An earlier plugin has authenticated the request: with anonymous that is
// enough, without it both have to.
func TestACredentialOfAnEarlierPlugin(t *testing.T) {
	root := pki.NewCA("root")
	r := withoutSources(t, root, "")
	kong := knownToKong(kongsConsumers{"guest": idGuest})
	earlier := func(_ *rpc.Options, req *rpc.Request) {
		req.Ctx["authenticated_credential"] = map[string]any{"id": "earlier"}
		req.Ctx["authenticated_consumer"] = map[string]any{"id": idBob}
		req.Header.Set("X-Consumer-Username", "bob")
		req.Header.Set("X-Client-Cert-Dn", "forged")
	}
	or := byUsername(object{"anonymous": "guest"})
	got := r.made(t, "", "", or, kong, earlier)
	if got.Exit != nil || got.Credential()["id"] != "earlier" || got.Header.Get("X-Consumer-Username") != "bob" || got.Header.Get("X-Client-Cert-Dn") != "" {
		t.Errorf("or: got %+v, credential %v, headers %v", got.Exit, got.Credential(), got.Header)
	}
	if got := r.made(t, "", "", or, kong); got.Consumer()["username"] != "guest" {
		t.Errorf("or, with no credential: got %+v as %v, want anonymous", got.Exit, got.Consumer())
	}
	if got := r.made(t, "", "", byUsername(), kong, earlier); got.Exit == nil || got.Exit.Status != 401 {
		t.Errorf("and: got %+v, want 401", got.Exit)
	}
}

// Kong answers a lookup that failed like one that found no consumer. A consumer that is to
// be had by default shows which it was.
func TestKongThatKnowsNobodyAtAll(t *testing.T) {
	root := pki.NewCA("root")
	r := withoutSources(t, root, "")
	away := knownToKong(kongsConsumers{})
	there := knownToKong(kongsConsumers{"all": idAll})
	for name, field := range map[string]string{"default": "default_consumer", "anonymous": "anonymous"} {
		config := byUsername(object{field: "all"})
		if got := r.made(t, root.Client("stray").PEM(), "", config, there); got.Exit != nil || got.Consumer()["username"] != "all" {
			t.Errorf("%s, Kong's database is there: got %+v as %v", name, got.Exit, got.Consumer())
		}
		// That consumer is remembered now; who the next one is, is not known.
		got := r.made(t, root.Client("another").PEM(), "", config, away)
		if got.Exit == nil || got.Exit.Status != 500 || len(got.Log) == 0 || !strings.Contains(got.Log[len(got.Log)-1].Text, `reason="lookup_failed"`) {
			t.Errorf("%s, Kong's database is away: got %+v as %v, want 500", name, got.Exit, got.Consumer())
		}
	}
}

func TestCredentialsThatCanNotBeReadAtTheStart(t *testing.T) {
	root := pki.NewCA("root")
	r := withoutSources(t, root, " -credentials "+filepath.Join(t.TempDir(), "absent"))
	kong := knownToKong(kongsConsumers{"alice": idAlice})
	if got := r.made(t, root.Client("alice").PEM(), "", byUsername(), kong); got.Exit == nil || got.Exit.Status != 500 {
		t.Errorf("got %+v as %v, want 500: it is not known whom the file would have mapped", got.Exit, got.Consumer())
	}
	if got := r.made(t, root.Client("alice").PEM(), "", trusted([]string{idA}), kong); got.Exit != nil {
		t.Errorf("with no lookup: got %+v, want a pass", got.Exit)
	}
}
