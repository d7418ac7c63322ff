package e2e

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// Ids of consumers in Kong.
const (
	idAlice = "a11ce000-0000-4000-8000-000000000001"
	idBob   = "b0b00000-0000-4000-8000-000000000002"
	idGuest = "0b0d0000-0000-4000-8000-000000000003"
	idAll   = "a1100000-0000-4000-8000-000000000004"
)

// expectConsumer expects a pass as this consumer.
func (r *rig) expectConsumer(what string, got answer, username, id, customID, credential string) {
	r.t.Helper()
	r.expect(what, got, 200, "")
	for name, want := range map[string]string{
		"X-Consumer-Username": username, "X-Consumer-Id": id, "X-Consumer-Custom-Id": customID,
		"X-Credential-Identifier": credential, "X-Anonymous-Consumer": "",
		"X-Client-Cert-Dn": "", "X-Client-Cert-San": "",
	} {
		if v := got.seen.Get(name); v != want {
			r.t.Errorf("%s: the upstream sees %s %q, want %q", what, name, v, want)
		}
	}
}

func TestAConsumerIsMatched(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	r := newRig(t, cas{idA: root}, routes{
		"/both":      matching([]string{idA}),
		"/custom_id": matching([]string{idA}, object{"consumer_by": []string{"custom_id"}}),
		"/username":  matching([]string{idA}, object{"consumer_by": []string{"username"}}),
		"/neither":   matching([]string{idA}, object{"consumer_by": []string{}}),
		"/null":      matching([]string{idA}, object{"consumer_by": nil}),
	}, with(t, consumers(
		consumer(idAlice, "alice", object{"custom_id": "4711"}),
		consumer(idBob, "bob@example.com"),
		consumer(idAll, "spiffe://example.com/web"),
		consumer(idGuest, `R&D <x> "ö" 'y'`, object{"custom_id": "a+b%20&c=<d>"}),
	)))
	client := func(name string, options ...pki.Option) *pki.Certificate {
		return root.Client(name, options...)
	}
	for _, test := range []struct {
		name, path       string
		cert             *pki.Certificate
		username, id     string
		customID, credID string
	}{
		{"DNS name", "/both", client("x", pki.DNS("guest", "alice")), "alice", idAlice, "4711", "alice"},
		{"CN with no SAN", "/both", client("alice"), "alice", idAlice, "4711", "alice"},
		{"custom_id", "/both", client("4711"), "alice", idAlice, "4711", "4711"},
		{"custom_id alone", "/custom_id", client("4711"), "alice", idAlice, "4711", "4711"},
		{"username alone", "/username", client("alice"), "alice", idAlice, "4711", "alice"},
		{"e-mail", "/both", client("x", pki.Email("bob@example.com")), "bob@example.com", idBob, "", "bob@example.com"},
		{"URI", "/both", client("x", pki.URI("spiffe://example.com/web")), "spiffe://example.com/web", idAll, "", "spiffe://example.com/web"},
		{"characters that JSON and URLs escape", "/both", client(`R&D <x> "ö" 'y'`), `R&D <x> "ö" 'y'`, idGuest, "a+b%20&c=<d>", `R&D <x> "ö" 'y'`},
		{"such a custom_id", "/both", client("a+b%20&c=<d>"), `R&D <x> "ö" 'y'`, idGuest, "a+b%20&c=<d>", "a+b%20&c=<d>"},
		{"two names, in order", "/both", client("x", pki.DNS("alice"), pki.Email("bob@example.com")), "alice", idAlice, "4711", "alice"},
	} {
		r.expectConsumer(test.name, r.get(test.path, test.cert), test.username, test.id, test.customID, test.credID)
	}
	for name, test := range map[string]struct {
		path string
		cert *pki.Certificate
	}{
		"the CN is none where there is a SAN": {"/both", client("alice", pki.DNS("guest"))},
		"the other attribute":                 {"/custom_id", client("alice")},
		"the other attribute still":           {"/username", client("4711")},
		"no attribute":                        {"/neither", client("alice")},
		"null":                                {"/null", client("alice")},
		"another case":                        {"/both", client("Alice")},
		"no consumer has the name":            {"/both", client("guest")},
		"no name at all":                      {"/both", client("", pki.Subject(pkix.Name{}))},
		"a name that would leave its place":   {"/both", client("x", pki.Email("../consumers/alice"))},
	} {
		r.expect(name, r.get(test.path, test.cert), 401, failed)
		r.expectLog(name, "[notice]", `reason="no_consumer"`)
	}
	// Kong takes a name that looks like a UUID for an id. Whether a consumer has that
	// name cannot be known.
	// In Lua mode a name is looked up as nothing else.
	if r.mode == luaMode {
		r.expect("an id is no name", r.get("/username", client(idAlice)), 401, failed)
		r.expectLog("an id is no name", "[notice]", `reason="no_consumer"`)
	} else {
		r.expect("an id is no name", r.get("/username", client(idAlice)), 500, internal)
		r.expectLog("an id is no name", "[error]", `reason="lookup_failed"`)
	}
	r.expect("an id is no custom_id", r.get("/custom_id", client(idAlice)), 401, failed)
}

// Test 1 of the enterprise plugin's changelog, and what crypto/x509 does not
// show: names in a directoryName and in an otherName.
func TestDirectoryNamesAndUPN(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	r := newRig(t, cas{idA: root}, routes{
		"/all":   matching([]string{idA}),
		"/CN":    matching([]string{idA}, object{"san_dirname_matcher": []string{"CN"}}),
		"/oid":   matching([]string{idA}, object{"san_dirname_matcher": []string{"2.5.4.3"}}),
		"/long":  matching([]string{idA}, object{"san_dirname_matcher": []string{"commonName"}}),
		"/lower": matching([]string{idA}, object{"san_dirname_matcher": []string{"cn"}}),
		"/O":     matching([]string{idA}, object{"san_dirname_matcher": []string{"O"}}),
	}, with(t, consumers(consumer(idAlice, "alice"), consumer(idBob, "Rig"), consumer(idAll, "upn@example.com"))))
	name, err := asn1.Marshal(pkix.Name{CommonName: "alice", Organization: []string{"Rig"}}.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	// Critical, with an empty subject, as RFC 5280 wants it.
	dirName := root.Client("", pki.Subject(pkix.Name{}), pki.Extension(san(t, asn1.RawValue{Class: 2, Tag: 4, IsCompound: true, Bytes: name})))
	for path, want := range map[string]string{"/all": "Rig", "/CN": "alice", "/oid": "alice", "/long": "alice", "/O": "Rig", "/lower": ""} {
		got := r.get(path, dirName)
		if v := got.seen.Get("X-Consumer-Username"); v != want || want == "" && got.status != 401 {
			t.Errorf("%s: got %d as %q, want %q", path, got.status, v, want)
		}
	}
	upn, err := asn1.Marshal(struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue
	}{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}, asn1.RawValue{Class: 2, Tag: 0, IsCompound: true, Bytes: []byte("\x0c\x0fupn@example.com")}})
	if err != nil {
		t.Fatal(err)
	}
	var inner asn1.RawValue
	if _, err := asn1.Unmarshal(upn, &inner); err != nil {
		t.Fatal(err)
	}
	other := root.Client("", pki.Subject(pkix.Name{}), pki.Extension(san(t, asn1.RawValue{Class: 2, Tag: 0, IsCompound: true, Bytes: inner.Bytes})))
	if got := r.get("/all", other); got.seen.Get("X-Consumer-Username") != "upn@example.com" {
		t.Errorf("UPN: got %d as %q", got.status, got.seen.Get("X-Consumer-Username"))
	}
}

// san is a critical subject alternative name of one general name.
func san(t *testing.T, name asn1.RawValue) pkix.Extension {
	t.Helper()
	der, err := asn1.Marshal([]asn1.RawValue{name})
	if err != nil {
		t.Fatal(err)
	}
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true, Value: der}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	a, b := pki.NewCA("a"), pki.NewCA("b")
	credential := func(subject, consumer, ca string) object {
		c := object{"subject_name": subject, "consumer": consumer}
		if ca != "" {
			c["ca_certificate"] = ca
		}
		return c
	}
	r := newRig(t, cas{idA: a, idB: b, idC: pki.NewCA("c")}, routes{"/echo": matching([]string{idA, idB}, object{"credentials": []object{
		credential("shared", "alice", idA),
		credential("shared", idBob, idB),
		credential("both", "alice", ""),
		credential("both", "bob", idB),
		credential("bob", "alice", ""),
		credential("elsewhere", "alice", idC),
		credential("gone", "missing", ""),
	}})}, with(t, consumers(consumer(idAlice, "alice"), consumer(idBob, "bob"))))
	for _, test := range []struct {
		name     string
		cert     *pki.Certificate
		username string
		id       string
	}{
		{"one name under one CA", a.Client("shared"), "alice", idAlice},
		{"one name under the other", b.Client("shared"), "bob", idBob},
		{"the bound one before the unbound", b.Client("both"), "bob", idBob},
		{"the unbound one", a.Client("both"), "alice", idAlice},
		{"a mapping before a consumer of that name", a.Client("bob"), "alice", idAlice},
	} {
		got := r.get("/echo", test.cert)
		r.expectConsumer(test.name, got, test.username, test.id, "", test.cert.Subject.CommonName)
	}
	r.expect("bound to another CA", r.get("/echo", a.Client("elsewhere")), 401, failed)
	r.expect("a mapped consumer that is not there", r.get("/echo", a.Client("gone")), 500, internal)
	r.expectLog("a mapped consumer that is not there", "[error]", `reason="lookup_failed"`, "missing")
}

// Test 33 of the enterprise plugin's changelog: a mapping names a CA on the
// path, whichever; the one nearest the certificate wins.
func TestCredentialsOnALongPath(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	inter := root.Intermediate("inter")
	mapped := func(subject, consumer, ca string) object {
		return object{"subject_name": subject, "consumer": consumer, "ca_certificate": ca}
	}
	credentials := object{"credentials": []object{
		mapped("by the root", "alice", idA), mapped("by the intermediate", "alice", idB),
		mapped("by both", "alice", idA), mapped("by both", "bob", idB),
		mapped("by another", "alice", idC),
	}}
	r := newRig(t, cas{idA: root, idB: inter, idC: pki.NewCA("other")}, routes{
		"/echo":    matching([]string{idA, idB, idC}, credentials),
		"/partial": matching([]string{idA, idB}, object{"allow_partial_chain": true}, credentials),
		"/sent":    matching([]string{idA}, credentials),
	}, with(t, consumers(consumer(idAlice, "alice"), consumer(idBob, "bob"))))
	for _, test := range []struct{ path, name, want string }{
		{"/echo", "by the root", "alice"}, {"/echo", "by the intermediate", "alice"}, {"/echo", "by both", "bob"},
		{"/partial", "by the root", "alice"}, {"/partial", "by both", "bob"},
		// An intermediate that is only sent is no configured CA.
		{"/sent", "by the root", "alice"}, {"/sent", "by both", "alice"},
	} {
		if got := r.get(test.path, inter.Client(test.name)); got.seen.Get("X-Consumer-Username") != test.want {
			t.Errorf("%s, mapped %s: got %d as %q, want %s", test.path, test.name, got.status, got.seen.Get("X-Consumer-Username"), test.want)
		}
	}
	r.expect("mapped by another CA", r.get("/echo", inter.Client("by another")), 401, failed)
	r.expect("mapped by an intermediate that is only sent", r.get("/sent", inter.Client("by the intermediate")), 401, failed)
}
