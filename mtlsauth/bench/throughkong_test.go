package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/bench/role"
	"mtls-auth/mtlsauth/bench/server"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

var allRoutes = []string{
	noPlugin, doesNil, oneCall, twoCalls, sixCalls, byHand, oursWarm, oursConsumer, oursAnew, nativeWarm, nativeConsumer, nativeAnew, keyAuth,
}

// With a Kong every route is measured; what the figures are is nobody's
// business in a test.
func TestThroughKong(t *testing.T) {
	if os.Getenv(realkong.Variable) == "" {
		t.Skip(realkong.Variable + " names no kong command")
	}
	out, _ := bare(t, 0, "-quick", "-rounds", "1", "-only", "kong")
	for _, name := range allRoutes {
		want := 1
		switch name {
		case noPlugin, nativeConsumer, oursConsumer:
			want = 3 // tables
		}
		if n := strings.Count(out, "\n"+name+"  "); n != want {
			t.Errorf("%d rows of %q, want %d:\n%s", n, name, want, out)
		}
	}
	_, goals, _ := strings.Cut(out, "\ngoals\n")
	if n := strings.Count(goals, " at "); n != 8 {
		t.Errorf("%d goals, want 8:\n%s", n, out)
	}
}

func TestACommandThatIsNoKong(t *testing.T) {
	t.Setenv(realkong.Variable, "/nowhere/kong")
	if _, errOut := bare(t, 1, "-quick", "-only", "kong"); !strings.Contains(errOut, "/nowhere/kong") {
		t.Errorf("got %q", errOut)
	}
}

// Ratios are the middle of those of one turn, whatever the machine did between
// turns; and what no plugin server does has no processor time.
func TestKongTable(t *testing.T) {
	routes := make([]*route, 0, len(allRoutes))
	for i, name := range allRoutes {
		r := &route{name: name, server: &role.Process{}}
		for turn := range 3 {
			slow := math.Pow(10, float64(turn))
			f := figures{rate: 9000 / slow, p50: 1000, p99: 2000 * slow, server: 3000, writes: 2, kong: 4000 * slow}
			if i > 0 {
				f.rate, f.kong = f.rate/2, f.kong+2000
			}
			r.figures = append(r.figures, f)
		}
		routes = append(routes, r)
	}
	routes[0].server = nil
	routeNamed(routes, byHand).figures[2].rate *= 10 // one turn that is no measure
	routeNamed(routes, oursWarm).figures[1].rate *= 0.9
	out := new(bytes.Buffer)
	b := &bench{out: out}
	b.printKong(routes)
	for name, want := range map[string]string{
		noPlugin: "900 1.00 1.0 20.0 - - 40.0 0.0", byHand: "450 0.50 1.0 20.0 3.0 2.0 42.0 2.0", oursWarm: "405 0.50 1.0 20.0 3.0 2.0 42.0 2.0",
	} {
		found := false
		for line := range strings.Lines(out.String()) {
			if cells, ok := strings.CutPrefix(line, name+"  "); ok {
				found = true
				if got := strings.Join(strings.Fields(cells), " "); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
		}
		if !found {
			t.Errorf("no row for %q:\n%s", name, out)
		}
	}
	b.pluginServerGoals(routes)
	b.nativeGoals(routes, 2)
	b.anewGoals(routes)
	var got []string
	for _, g := range b.goals {
		got = append(got, fmt.Sprintf("%s: %.2f, %s", g.what, g.got, g.met()))
	}
	want := []string{
		"requests/s through Kong, of hand-written bytes: 0.90, missed",
		"requests/s through Kong, of StartServer with two calls: 1.00, goal met",
		"requests/s through Kong, native door, 2 workers, of no plugin: 0.50, missed",
		"requests/s through Kong, native door, 2 workers, of key-auth: 1.00, goal met",
		"Kong's CPU µs beyond no plugin, native door, 2 workers: 2.00, goal met",
		"Kong's CPU µs beyond no plugin, native door, decided anew: 2.00, goal met",
		"p50 ms, native door, decided anew: 0.00, goal met",
		"turnarounds to the engine, native door, decided anew: 2.00, goal met",
	}
	if !slices.Equal(got, want) {
		t.Errorf("goals:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestDeclarativeConfiguration(t *testing.T) {
	text, err := declarative([]*route{
		{path: "/none"},
		{path: "/two", plugin: "bench-two"},
		{path: "/ours", plugin: "mtls-auth", config: kongConfig("skip_consumer_lookup", false)},
		{path: "/key-auth", plugin: "key-auth", apikey: "k"},
	}, "http://127.0.0.1:9", "PEM")
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Services []struct {
			URL    string
			Routes []struct {
				Name    string
				Paths   []string
				Plugins []struct {
					Name   string
					Config map[string]any
				}
			}
		}
		Consumers []struct {
			ID, Username string
			KeyAuth      []struct{ Key string } `json:"keyauth_credentials"`
		}
		CAs []struct{ ID, Cert string } `json:"ca_certificates"`
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Services) != 1 || len(got.Services[0].Routes) != 4 || len(got.Consumers) != 1 || len(got.CAs) != 1 {
		t.Fatalf("got %s", text)
	}
	for i, want := range []string{"/none", "/two bench-two", "/ours mtls-auth", "/key-auth key-auth"} {
		r := got.Services[0].Routes[i]
		is := strings.Join(r.Paths, ",")
		for _, p := range r.Plugins {
			is += " " + p.Name
		}
		if is != want || "/"+r.Name != r.Paths[0] {
			t.Errorf("route %d is %q, want %q", i, is, want)
		}
	}
	ours := got.Services[0].Routes[2].Plugins[0].Config
	if _, ok := ours["__plugin_id"]; ok || ours["skip_consumer_lookup"] != false || ours["cache_ttl"] != 3600.0 {
		t.Errorf("our configuration is %v", ours)
	}
	if c := got.Consumers[0]; c.ID != consumerID || c.Username != "client.example" || len(c.KeyAuth) != 1 || c.KeyAuth[0].Key != "k" {
		t.Errorf("the consumer is %+v", c)
	}
	if got.Services[0].URL != "http://127.0.0.1:9" || got.CAs[0].ID != server.CAID || got.CAs[0].Cert != "PEM" {
		t.Errorf("got %s", text)
	}
}

func TestDump(t *testing.T) {
	const want = `{"Plugins":[{"Name":"bench-two","Phases":["access"],"Priority":1,"Schema":{"fields":[{"config":{"fields":[],"type":"record"}}],` +
		`"name":"bench-two"},"Version":"0.1.0"}],"Protocol":"ProtoBuf:1","SocketPath":"/a.socket"}`
	if got := dump("bench-two", "/a.socket"); string(got) != want {
		t.Errorf("got %s", got)
	}
}

func TestRequestOfARoute(t *testing.T) {
	r := &route{path: "/key-auth", apikey: "k", sees: []string{"X-Consumer-ID: 1", "a: b"}}
	if got, want := r.request("X: y\r\n"), "GET /key-auth HTTP/1.1\r\nHost: localhost\r\n"+usual+"X: y\r\napikey: k\r\n\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := r.seen("GET / HTTP/1.1\na: b\nx-consumer-id: 1\n"); err != nil {
		t.Error(err)
	}
	for _, request := range []string{"GET / HTTP/1.1\na: b\n", "GET / HTTP/1.1\na: b\nX-Consumer-ID: 12\n", "GET / HTTP/1.1\nX-Consumer-ID: 1\naa: b\n", ""} {
		if err := r.seen(request); err == nil {
			t.Errorf("%q: nothing is missed", request)
		}
	}
}

func TestSchedstat(t *testing.T) {
	if got, err := parseSchedstat("598535 989695 6\n"); err != nil || got != 598535 {
		t.Errorf("got %v (%v)", got, err)
	}
	for _, text := range []string{"", "a 1 2", "\n"} {
		if got, err := parseSchedstat(text); err == nil || got != 0 {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

// Each table has figures of its own, of the routes that it names, in that order.
func TestRoutesOfATable(t *testing.T) {
	all := &routing{routes: []*route{{name: "a"}, {name: "b"}, {name: "c"}}}
	some := all.named("c", "a")
	if len(some) != 2 || some[0].name != "c" || some[1].name != "a" {
		t.Fatalf("got %v", some)
	}
	some[0].figures = append(some[0].figures, figures{rate: 1})
	if again := all.named("c"); len(again[0].figures) != 0 {
		t.Errorf("another table has its figures too: %v", again[0].figures)
	}
}
