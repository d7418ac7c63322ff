package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// figures are samples by name and labels, the labels in alphabetical order.
type figures map[string]float64

var label = regexp.MustCompile(`\w+="(?:[^"\\]|\\.)*"`)

// scrape reads the samples of ours from an endpoint.
func scrape(client *http.Client, url string) (figures, error) {
	response, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", url, response.Status)
	}
	all := figures{}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		line := strings.TrimPrefix(lines.Text(), "kong_")
		if !strings.HasPrefix(line, "mtls_auth_") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", line, err)
		}
		name, rest, _ := strings.Cut(line[:at], "{")
		labels := label.FindAllString(rest, -1)
		slices.Sort(labels)
		all[name+"{"+strings.Join(labels, ",")+"}"] = value
	}
	return all, nil
}

// becomes waits until an endpoint has samples, each of at least the value given where it
// is a time, exactly that otherwise.
func (r *rig) becomes(client *http.Client, url string, want figures) {
	r.t.Helper()
	var got figures
	var err error
	for begun := time.Now(); time.Since(begun) < 30*time.Second; time.Sleep(100 * time.Millisecond) {
		if got, err = scrape(client, url); err == nil && want.in(got) {
			return
		}
	}
	for key, value := range want {
		if has, ok := got[key]; !ok || has != value {
			r.t.Errorf("%s is %v (%v), want %v", key, has, ok, value)
		}
	}
	r.t.Errorf("%s: %v, has %v", url, err, got)
}

func (f figures) in(got figures) bool {
	for key, value := range f {
		if has, ok := got[key]; !ok || has != value {
			return false
		}
	}
	return true
}

// socketClient goes to a Unix socket, whatever the URL.
func socketClient(t *testing.T, path string) *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

func prometheusPlugin(config object) {
	config["plugins"] = append(list(config["plugins"]), object{"name": "prometheus"})
}

// The server's own endpoint has all requests, in both modes: in Lua mode the workers tell
// it what they have answered.
func TestMetricsOfTheServer(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	issued := newAuthority(t, root)
	lists, socket := t.TempDir(), filepath.Join(t.TempDir(), "metrics.socket")
	r := newStatusRig(t, cas{idA: root}, routes{
		"/echo": trusted([]string{idA}), "/strict": checked("STRICT"), "/missing": trusted([]string{idA, idB}),
	}, flags("-crl-dir "+lists), flags("-metrics-listen unix:"+socket), with(t, prometheusPlugin))
	until := time.Now().Add(time.Hour).Truncate(time.Second)
	replaceList(t, lists, "a", pki.CRL{Issuer: pki.NewCA("of lists"), NextUpdate: until})
	client := socketClient(t, socket)
	// From when the worker knows of the CRL on, it keeps the decisions that it caches.
	ready := figures{
		"mtls_auth_server_up{}": 1, `mtls_auth_crl_next_update_timestamp_seconds{issuer="CN=of lists"}`: float64(until.Unix()),
	}
	r.becomes(client, "http://localhost/metrics", ready)
	if r.mode == luaMode && r.AdminURL() != "" {
		r.becomes(http.DefaultClient, r.AdminURL()+"/metrics", ready)
	}

	good := root.Client("good", pki.Valid(time.Now().Add(-time.Hour), time.Now().Add(6*24*time.Hour)))
	c := r.client(good)
	for range 3 {
		r.expect("a pass", r.ask(c, r.URLTLS()+"/echo"), 200, "")
	}
	r.expect("expired", r.get("/echo", root.Client("old", pki.Expired())), 401, failed)
	r.expect("none sent", r.get("/echo", nil), 401, noneSent)
	answered := root.Client("ocsp", issued.byOCSP(), pki.Valid(time.Now().Add(-time.Hour), time.Now().Add(20*24*time.Hour)))
	issued.responder.Good(answered)
	r.expect("OCSP", r.get("/strict", answered), 200, "")
	r.expect("no responder", r.get("/strict", root.Client("none", pki.OCSPServer("http://127.0.0.1:1/"))), 401, failed)
	r.expect("a CA that is missing", r.get("/missing", good), 200, "")
	want := figures{
		`mtls_auth_requests_total{plugin="mtls-auth",reason="passed",result="pass"}`:           5,
		`mtls_auth_requests_total{plugin="mtls-auth",reason="expired",result="refuse"}`:        1,
		`mtls_auth_requests_total{plugin="mtls-auth",reason="none_sent",result="refuse"}`:      1,
		`mtls_auth_requests_total{plugin="mtls-auth",reason="status_unknown",result="refuse"}`: 1,
		`mtls_auth_revocation_exchanges_total{kind="ocsp",result="ok"}`:                        1,
		`mtls_auth_ca_not_after_timestamp_seconds{id="` + idA + `"}`:                           float64(root.Certificate.NotAfter.Unix()),
		`mtls_auth_ca_certificates_missing{}`:                                                  1,
		`mtls_auth_crl_next_update_timestamp_seconds{issuer="CN=of lists"}`:                    float64(until.Unix()),
		`mtls_auth_client_certificates_expiring{within="30d"}`:                                 2,
		`mtls_auth_client_certificates_expiring{within="7d"}`:                                  1,
		`mtls_auth_limits_reached_total{kind="verification"}`:                                  0,
		`mtls_auth_cache_entries{kind="ocsp"}`:                                                 2,
	}
	decided := figures{
		`mtls_auth_decisions_total{from="connection",plugin="mtls-auth"}`: 2,
		`mtls_auth_decisions_total{from="server",plugin="mtls-auth"}`:     6,
		`mtls_auth_decision_duration_seconds_count{plugin="mtls-auth"}`:   6,
	}
	if r.mode == pluginServerMode {
		decided = figures{
			`mtls_auth_decisions_total{from="server",plugin="mtls-auth"}`:   8,
			`mtls_auth_decision_duration_seconds_count{plugin="mtls-auth"}`: 8,
		}
	}
	for key, value := range decided {
		want[key] = value
	}
	r.becomes(client, "http://localhost/metrics", want)
	r.lint(client, "http://localhost/metrics")
}

// Where Kong's prometheus plugin is enabled, all figures are in Kong's own /metrics too, of
// all workers together.
func TestMetricsOfKong(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	issued := newAuthority(t, root)
	r := newLuaRig(t, cas{idA: root}, routes{"/echo": trusted([]string{idA}), "/strict": checked("STRICT")}, func(o *realkong.Options) {
		o.Workers = 2
		with(t, prometheusPlugin)(&o.Options)
	})
	if r.AdminURL() == "" {
		t.Skip("needs an Admin API")
	}
	good, answered := root.Client("good"), root.Client("ocsp", issued.byOCSP())
	issued.responder.Good(answered)
	c := r.client(good)
	for range 3 {
		r.expect("a pass", r.ask(c, r.URLTLS()+"/echo"), 200, "")
	}
	r.expect("expired", r.get("/echo", root.Client("old", pki.Expired())), 401, failed)
	r.expect("OCSP", r.get("/strict", answered), 200, "")
	r.becomes(http.DefaultClient, r.AdminURL()+"/metrics", figures{
		`mtls_auth_requests_total{plugin="mtls-auth",reason="passed",result="pass"}`:    4,
		`mtls_auth_requests_total{plugin="mtls-auth",reason="expired",result="refuse"}`: 1,
		`mtls_auth_revocation_exchanges_total{kind="ocsp",result="ok"}`:                 1,
		`mtls_auth_revocation_exchange_duration_seconds_count{kind="ocsp"}`:             1,
		`mtls_auth_ca_not_after_timestamp_seconds{id="` + idA + `"}`:                    float64(root.Certificate.NotAfter.Unix()),
		`mtls_auth_ca_certificates_missing{}`:                                           0,
		`mtls_auth_server_up{}`:                                                         1,
	})
	// Both workers know types and help texts, also the one that was told no figures yet.
	for range 4 {
		r.lint(&http.Client{Transport: new(http.Transport)}, r.AdminURL()+"/metrics")
	}
	decided := func() float64 {
		got, err := scrape(http.DefaultClient, r.AdminURL()+"/metrics")
		if err != nil {
			t.Fatal(err)
		}
		server, count := got[`mtls_auth_decisions_total{from="server",plugin="mtls-auth"}`], got[`mtls_auth_decision_duration_seconds_count{plugin="mtls-auth"}`]
		infinite := got[`mtls_auth_decision_duration_seconds_bucket{le="+Inf",plugin="mtls-auth"}`]
		if count != infinite || count != 0 && count != server {
			return 0
		}
		return count
	}
	eventually(t, "as many durations as decisions of the server", func() bool { return decided() >= 3 })
	before := decided()

	// Another server goes on where the first one ended.
	r.Process().Kill()
	eventually(t, "another server decides", func() bool { return r.get("/echo", root.Client("another")).status == 200 })
	r.becomes(http.DefaultClient, r.AdminURL()+"/metrics", figures{
		`mtls_auth_server_up{}`: 1,
		`mtls_auth_revocation_exchanges_total{kind="ocsp",result="ok"}`: 1,
	})
	eventually(t, "durations of both servers", func() bool { return decided() > before })
}
