package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/testing/pki"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// spellings returns a header's name with each of its dashes as - or _.
func spellings(name string) []string {
	before, after, ok := strings.Cut(name, "-")
	if !ok {
		return []string{name}
	}
	var all []string
	for _, rest := range spellings(after) {
		all = append(all, before+"-"+rest, before+"_"+rest)
	}
	return all
}

// What a client sends under the plugin's names reaches no upstream, in whatever
// spelling, case, number and protocol, whether the worker asked the server or not.
func TestLuaForgedHeaders(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	r := newLuaRig(t, cas{idA: root}, routes{
		"/consumer":  matching([]string{idA}),
		"/default":   matching([]string{idA}, object{"default_consumer": "all"}),
		"/anonymous": matching([]string{idA}, object{"anonymous": "guest"}),
		"/skip":      trusted([]string{idA}),
		"/or":        matching([]string{idA}, object{"anonymous": "guest"}),
	}, func(o *realkong.Options) {
		with(t, consumers(
			consumer(idAlice, "alice", object{"keyauth_credentials": []object{{"key": "secret"}}}), consumer(idAll, "all"), consumer(idGuest, "guest"),
		), also("/or", object{"name": "key-auth", "config": object{"anonymous": "guest"}}))(&o.Options)
	})
	var all []string
	for _, name := range authn.HeaderNames() {
		all = append(all, spellings(name)...)
	}
	for _, test := range []struct {
		path string
		cert *pki.Certificate
	}{
		{"/consumer", root.Client("alice")}, {"/default", root.Client("x")}, {"/anonymous", nil}, {"/anonymous", root.Client("stray")},
		{"/skip", root.Client("x")}, {"/or", nil}, {"/or", root.Client("alice")},
	} {
		for _, http2 := range []bool{false, true} {
			c := r.client(test.cert)
			transport(c).ForceAttemptHTTP2 = http2
			ask := func(what string, header ...string) {
				t.Helper()
				got := r.ask(c, r.URLTLS()+test.path, append(header, "apikey", "secret")...)
				r.expect(test.path+", "+what, got, 200, "")
				expectGenuine(t, fmt.Sprintf("%s, HTTP/2 %v, %s", test.path, http2, what), got.seen)
			}
			for _, name := range all {
				for _, spelled := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
					ask(spelled, spelled, "forged")
				}
			}
			var together, many []string
			for i, name := range all {
				together = append(together, name, "forged", name, "forged once more", strings.ToLower(name), fmt.Sprint("forged ", i))
			}
			ask("all of them", together...)
			for i := range 150 { // Kong looks at a hundred by default
				many = append(many, fmt.Sprintf("X-Filler-%d", i), "x")
			}
			ask("behind many others", append(many, together...)...)
		}
	}
}

// expectGenuine expects no forged header, and none twice.
func expectGenuine(t *testing.T, what string, seen http.Header) {
	t.Helper()
	plain := map[string]string{}
	for name, values := range seen {
		if strings.Contains(strings.Join(values, " "), "forged") {
			t.Errorf("%s: the upstream sees %s: %q", what, name, values)
		}
		folded := strings.ToLower(strings.ReplaceAll(name, "_", "-"))
		for _, ours := range authn.HeaderNames() {
			if folded != strings.ToLower(ours) {
				continue
			}
			if plain[folded] != "" || len(values) > 1 || strings.Contains(name, "_") {
				t.Errorf("%s: the upstream sees %s: %q beside %q", what, name, values, plain[folded])
			}
			plain[folded] = name
		}
	}
}
