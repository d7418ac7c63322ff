package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// handshakeSeen is what a client sees of one with this SNI, "" for none: whether it was
// asked for a certificate, and the CAs that were named.
type handshakeSeen struct {
	asked bool
	names string // common names, sorted
}

func (r *rig) handshake(t *testing.T, sni string, version uint16) handshakeSeen {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.RootPEM())
	var seen handshakeSeen
	c, err := tls.Dial("tcp", r.URLTLS()[len("https://"):], &tls.Config{
		ServerName: sni, InsecureSkipVerify: true, // Kong's certificate is for none of these names
		MinVersion: version, MaxVersion: version,
		GetClientCertificate: func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			seen.asked = true
			var names []string
			for _, raw := range request.AcceptableCAs {
				name, err := commonName(raw)
				if err != nil {
					return nil, err
				}
				names = append(names, name)
			}
			slices.Sort(names)
			seen.names = fmt.Sprint(names)
			return new(tls.Certificate), nil
		},
	})
	if err != nil {
		t.Fatalf("SNI %q, %s: %v", sni, tls.VersionName(version), err)
	}
	c.Close()
	return seen
}

// commonName reads a name that a handshake has.
func commonName(raw []byte) (string, error) {
	var name pkix.Name
	var rdns pkix.RDNSequence
	if _, err := asn1.Unmarshal(raw, &rdns); err != nil {
		return "", err
	}
	name.FillFromRDNSequence(&rdns)
	return name.CommonName, nil
}

// askingRoute is a route by SNI or host.
type askingRoute struct {
	snis, hosts []string
	plugin      object // nil for none
}

// asking has these routes and no others.
func asking(routes map[string]askingRoute, more ...func(object)) func(object) {
	return func(config object) {
		var all []object
		for name, route := range routes {
			o := object{"name": name}
			if route.snis != nil {
				o["snis"] = route.snis
			}
			if route.hosts != nil {
				o["hosts"] = route.hosts
			}
			if route.plugin != nil {
				o["plugins"] = []object{{"name": "mtls-auth", "config": route.plugin}}
			}
			all = append(all, o)
		}
		for _, service := range list(config["services"]) {
			service["routes"] = all
		}
		for _, f := range more {
			f(config)
		}
	}
}

// Clients are asked where a route wants it and nowhere else, and told the CAs that
// it has; a change counts without a reload.
func TestLuaAsks(t *testing.T) {
	t.Parallel()
	a, b := pki.NewCA("a"), pki.NewCA("b")
	authorities := cas{idA: a, idB: b}
	named := func(ids ...string) object { return trusted(ids, object{"send_ca_dn": true}) }
	routes := map[string]askingRoute{
		"sni":       {snis: []string{"a.test"}, plugin: named(idA)},
		"without":   {snis: []string{"b.test"}},
		"host":      {hosts: []string{"c.test"}, plugin: trusted([]string{idA})},
		"port":      {hosts: []string{"port.test:8443"}, plugin: trusted([]string{idA})},
		"both":      {snis: []string{"d.test"}, hosts: []string{"e.test"}, plugin: named(idB)},
		"wild":      {hosts: []string{"*.wild.test"}, plugin: named(idA, idB)},
		"wild-end":  {hosts: []string{"w.*"}, plugin: trusted([]string{idA})},
		"union-one": {snis: []string{"u.test"}, plugin: named(idA)},
		"union-two": {snis: []string{"u.test"}, hosts: []string{"two.test"}, plugin: named(idB)},
		"quiet-one": {snis: []string{"q.test"}, plugin: named(idA)},
		"quiet-two": {snis: []string{"q.test"}, hosts: []string{"three.test"}, plugin: trusted([]string{idB})},
	}
	r := newLuaRig(t, authorities, nil, twoWorkers, func(o *realkong.Options) { with(t, asking(routes))(&o.Options) })
	versions := []uint16{tls.VersionTLS12, tls.VersionTLS13}
	expect := func(what string, want map[string]handshakeSeen) {
		t.Helper()
		if _, ok := r.kong.(real); ok && !r.since(3, 5) {
			// A worker asks every client, and names no CA, until it has read its routes,
			// 0.1 s after its start and after a change.
			time.Sleep(time.Second)
		}
		for sni, want := range want {
			for _, version := range versions {
				for range 4 { // of which each worker gets some
					if got := r.handshake(t, sni, version); got != want {
						t.Errorf("%s, SNI %q, %s: got %+v, want %+v", what, sni, tls.VersionName(version), got, want)
					}
				}
			}
		}
	}
	not, quiet := handshakeSeen{}, handshakeSeen{true, "[]"}
	expect("at first", map[string]handshakeSeen{
		"a.test": {true, "[a]"}, "b.test": not, "c.test": quiet, "port.test": quiet, "d.test": {true, "[b]"}, "e.test": not,
		"x.wild.test": {true, "[a b]"}, "wild.test": not, "w.example": quiet, "v.example": not,
		"u.test": {true, "[a b]"}, "q.test": quiet, "zzz.test": not, "": not,
	})

	// Routes change, the plugin comes and goes.
	routes["sni"] = askingRoute{snis: []string{"a.test"}}
	routes["without"] = askingRoute{snis: []string{"b.test", "bb.test"}, plugin: named(idB)}
	if err := r.Configure(declarative(t, r.upstream, authorities, nil, asking(routes))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new route's clients are asked by every worker", func() bool {
		for range 8 {
			if !r.handshake(t, "bb.test", tls.VersionTLS13).asked || r.handshake(t, "a.test", tls.VersionTLS13).asked {
				return false
			}
		}
		return true
	})
	expect("after a change", map[string]handshakeSeen{"a.test": not, "b.test": {true, "[b]"}, "bb.test": {true, "[b]"}, "c.test": quiet})

	// A CA certificate is replaced under its id.
	other := pki.NewCA("other")
	if err := r.Configure(declarative(t, r.upstream, cas{idA: a, idB: other}, nil, asking(routes))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new CA is named by every worker", func() bool {
		for range 8 {
			if r.handshake(t, "b.test", tls.VersionTLS12).names != "[other]" {
				return false
			}
		}
		return true
	})

	// With a global plugin everybody is asked.
	if err := r.Configure(declarative(t, r.upstream, authorities, nil, asking(routes, func(config object) {
		config["plugins"] = append(list(config["plugins"]), object{"name": "mtls-auth", "config": trusted([]string{idA})})
	}))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "everybody is asked by every worker", func() bool {
		for range 8 {
			if !r.handshake(t, "", tls.VersionTLS13).asked || !r.handshake(t, "zzz.test", tls.VersionTLS12).asked {
				return false
			}
		}
		return true
	})
}

// resumes tells whether Kong has the hook that resumption needs.
func (r *rig) resumes() bool { return r.since(3, 9) }

// since tells whether Kong is a real one of this version or a later one.
func (r *rig) since(major, minor int) bool {
	if _, ok := r.kong.(real); !ok {
		return false
	}
	return realKongSince(r.t, major, minor)
}

// realKongSince tells whether the real Kong that the environment names is of this version
// or a later one.
func realKongSince(t testing.TB, major, minor int) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	version, err := realkong.Version(ctx, os.Getenv(realkong.Variable))
	if err != nil {
		t.Fatal(err)
	}
	var gotMajor, gotMinor int
	fmt.Sscanf(version, "%d.%d", &gotMajor, &gotMinor)
	return gotMajor > major || gotMajor == major && gotMinor >= minor
}

// sessionClient is a client with a session cache of its own.
func (r *rig) sessionClient(cert *pki.Certificate, version uint16, sni string) *http.Client {
	c := r.client(cert)
	config := transport(c).TLSClientConfig
	config.MinVersion, config.MaxVersion, config.ServerName, config.InsecureSkipVerify = version, version, sni, true
	config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	return c
}

// reconnect asks on a new connection, which resumes the last session where it can.
func (r *rig) reconnect(c *http.Client, host string) answer {
	c.CloseIdleConnections()
	return r.ask(c, r.URLTLS()+"/", "Host", host)
}

// Sessions with a certificate are resumed, with the chain that came with it. Without the
// hook none is.
func TestLuaSessions(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	inter := root.Intermediate("inter")
	r := newLuaRig(t, cas{idA: root}, nil, twoWorkers, func(o *realkong.Options) {
		with(t, asking(map[string]askingRoute{
			"in": {hosts: []string{"in.test"}, plugin: trusted([]string{idA})}, "out": {hosts: []string{"out.test"}},
		}))(&o.Options)
	})
	resumes := r.resumes()
	time.Sleep(2 * time.Second) // workers know the server's session id
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			client := inter.Client("client")
			c := r.sessionClient(client, version, "in.test")
			resumed := 0
			for i := range 12 { // in both workers
				got := r.reconnect(c, "in.test")
				r.expect("asked", got, 200, "")
				if seen := got.seen.Get("X-Client-Cert-Dn"); seen != "CN=client" {
					t.Errorf("connection %d: the upstream sees %q", i, seen)
				}
				if got.resumed {
					resumed++
				}
			}
			if (resumed > 0) != resumes || resumes && resumed < 8 {
				t.Errorf("%d of 12 connections were resumed", resumed)
			}
			c = r.sessionClient(client, version, "out.test")
			for range 3 {
				r.expect("not asked", r.reconnect(c, "in.test"), 401, noneSent)
				r.expect("another route", r.ask(c, r.URLTLS()+"/", "Host", "out.test"), 200, "")
			}
		})
	}
}

// A client that holds a session from before the plugin was there is asked, and so is one
// with a session for other CAs or from another name.
func TestLuaSessionsFromBefore(t *testing.T) {
	t.Parallel()
	root, other := pki.NewCA("root"), pki.NewCA("other")
	inter := root.Intermediate("inter")
	authorities := cas{idA: root, idB: other}
	r := newLuaRig(t, authorities, nil, twoWorkers, func(o *realkong.Options) {
		with(t, asking(map[string]askingRoute{
			"a": {hosts: []string{"a.test"}}, "b": {hosts: []string{"b.test"}, plugin: trusted([]string{idA})},
		}))(&o.Options)
	})
	if !r.resumes() {
		t.Skip("SKIPPED: this Kong has no hook before a session is resumed")
	}
	if r.AdminURL() == "" {
		t.Skip("each change is a reload, whose workers resume no session until they have heard of their server")
	}
	time.Sleep(2 * time.Second)
	change := func(plugin object) {
		t.Helper()
		o := realkong.Options{}
		o.Config = declarative(t, r.upstream, authorities, nil)
		with(t, asking(map[string]askingRoute{
			"a": {hosts: []string{"a.test"}, plugin: plugin}, "b": {hosts: []string{"b.test"}, plugin: trusted([]string{idA})},
		}))(&o.Options)
		if err := r.Configure(o.Config); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
	}
	type held struct {
		name   string
		client *http.Client
	}
	var clients []held
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for i := range 4 {
			c := r.sessionClient(inter.Client("client"), version, "a.test")
			for range 3 {
				r.expect("before the plugin", r.reconnect(c, "a.test"), 200, "")
			}
			clients = append(clients, held{fmt.Sprintf("%s %d", tls.VersionName(version), i), c})
		}
	}
	each := func(what string, status int, message string, resumed bool) {
		t.Helper()
		for _, h := range clients {
			got := r.reconnect(h.client, "a.test")
			r.expect(what+" "+h.name, got, status, message)
			if got.resumed != resumed {
				t.Errorf("%s %s: resumed is %v", what, h.name, got.resumed)
			}
		}
	}
	change(trusted([]string{idA}))
	each("the plugin was added", 200, "", false)
	each("again", 200, "", true)
	change(trusted([]string{idA, idB}))
	each("another CA was added", 200, "", false)
	each("again", 200, "", true)
	change(trusted([]string{idB}))
	each("other CAs", 401, failed, false)
	change(trusted([]string{idA, idB}))
	each("as before", 200, "", false)

	// The server is another one: sessions are made again, and none is refused.
	before := r.Process().PID()
	r.Process().Kill()
	eventually(t, "another server", func() bool { pid := r.Process().PID(); return pid != 0 && pid != before })
	time.Sleep(2 * time.Second)
	each("another server", 200, "", false)
	each("again", 200, "", true)

	// A session of one name under another: Kong's certificate is the same for both.
	for _, h := range clients {
		config := transport(h.client).TLSClientConfig
		config.ClientSessionCache = otherName{config.ClientSessionCache, "a.test"}
		config.ServerName = "b.test"
		got := r.reconnect(h.client, "b.test")
		r.expect("under another name "+h.name, got, 200, "")
		if got.resumed {
			t.Errorf("%s: the session of another name was resumed", h.name)
		}
	}
}

// otherName is a cache that gives the session of one server name under every other.
type otherName struct {
	tls.ClientSessionCache
	name string
}

func (c otherName) Get(key string) (*tls.ClientSessionState, bool) {
	return c.ClientSessionCache.Get(c.name)
}
