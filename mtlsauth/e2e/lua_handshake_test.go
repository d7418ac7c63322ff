package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net/http"
	"slices"
	"testing"

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

// Where clients are asked no session is resumed, so that the chain is there on
// every connection; one that was asked for elsewhere is no way in.
func TestLuaSessions(t *testing.T) {
	root := pki.NewCA("root")
	inter := root.Intermediate("inter")
	r := newLuaRig(t, cas{idA: root}, nil, func(o *realkong.Options) {
		with(t, asking(map[string]askingRoute{
			"in": {hosts: []string{"in.test"}, plugin: trusted([]string{idA})}, "out": {hosts: []string{"out.test"}},
		}))(&o.Options)
	})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		connect := func(sni string) *http.Client {
			c := r.client(inter.Client("client"))
			config := transport(c).TLSClientConfig
			config.MinVersion, config.MaxVersion, config.ServerName, config.InsecureSkipVerify = version, version, sni, true
			config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			return c
		}
		name := tls.VersionName(version)
		c := connect("in.test")
		for i := range 3 {
			got := r.ask(c, r.URLTLS()+"/", "Host", "in.test")
			r.expect(name+", asked", got, 200, "")
			if got.resumed {
				t.Errorf("%s: connection %d was resumed", name, i)
			}
			c.CloseIdleConnections()
		}
		c = connect("out.test")
		for range 3 {
			r.expect(name+", not asked", r.ask(c, r.URLTLS()+"/", "Host", "in.test"), 401, noneSent)
			r.expect(name+", another route", r.ask(c, r.URLTLS()+"/", "Host", "out.test"), 200, "")
			c.CloseIdleConnections()
		}
	}
}
