package fakekong_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/handshake"
	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/errlog"
	"mtls-auth/mtlsauth/internal/testing/fakekong"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// go-pdk's own server, built from testdata/gopdk, knows the protocol as Kong speaks it:
// what the fake Kong makes of it is not a matter between our client and our server. (A
// real Kong runs the same end-to-end tests as the fake one.)
func TestGoPDK(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: with -short no other server is built")
	}
	binary := filepath.Join(t.TempDir(), "gopdk") // go-pdk calls the plugin by its binary's name
	build := exec.Command("go", "build", "-buildvcs=false", "-mod=readonly", "-o", binary, ".")
	build.Dir = filepath.Join("testdata", "gopdk")
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: go-pdk's own server could not be built, so it was not tried against the fake Kong: %v\n%s", err, out)
	}
	upstream := httptest.NewServer(fakekong.Echo)
	defer upstream.Close()
	prefix, err := os.MkdirTemp("", "fakekong") // t.TempDir is too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(prefix)
	quoted := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	k, err := fakekong.Start(context.Background(), anykong.Options{
		Prefix: prefix, LogLevel: "info",
		QueryCommand: binary + " -dump -kong-prefix " + prefix, StartCommand: binary + " -kong-prefix " + prefix,
		Config: []byte(`
_format_version: "3.0"
services:
- url: ` + upstream.URL + `
  routes:
  - {paths: [/pass], plugins: [{name: gopdk, config: {mode: pass}}]}
  - {paths: [/exit], plugins: [{name: gopdk, config: {mode: exit}}]}
  - {paths: [/panic], plugins: [{name: gopdk, config: {mode: panic}}]}
consumers: [{id: 11111111-1111-4111-8111-111111111111, username: alice}]
plugins:
- {name: pre-function, config: {certificate: [` + quoted(handshake.Certificate) + `], access: [` + quoted(handshake.Access) + `]}}
`)})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	logged := func(n int, level errlog.Level, line string) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); k.Log().Count(level, line) < n; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("not %d lines with %q: %v", n, line, k.Log().Lines())
			}
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(k.RootPEM())
	leaf := pki.NewCA("root").Intermediate("i").Client("alice")
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}}
	transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		c := leaf.TLS()
		return &c, nil
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	get := func(path string, status int) http.Header {
		t.Helper()
		response, err := client.Get(k.URLTLS() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var echo fakekong.Echoed
		if response.StatusCode != status || json.NewDecoder(response.Body).Decode(&echo) != nil {
			t.Errorf("%s: status %d, want %d and JSON", path, response.StatusCode, status)
		}
		return echo.Headers
	}

	logged(1, errlog.Info, "Listening on socket: ")
	for range 3 {
		headers := get("/pass", http.StatusOK)
		for name, want := range map[string]string{
			"X-Client-Cert-Len": strconv.Itoa(len(leaf.PEM())), "X-Chain-Len": strconv.Itoa(len(leaf.ChainPEM())), "X-Nothing": "true",
			"X-Host": strings.TrimPrefix(k.URLTLS(), "https://"), "X-Consumer-Id": "11111111-1111-4111-8111-111111111111",
		} {
			if got := headers.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
	logged(3, errlog.Notice, "[kong] pb_rpc.lua:233 [gopdk] served pass, client: 127.0.0.1")
	for range 2 {
		get("/exit", http.StatusUnauthorized)
	}
	logged(2, errlog.Info, "use of closed network connection") // go-pdk's complaint of each exit

	// A panic ends the process; the next one does not know the instance, closes, and Kong
	// starts it again.
	get("/panic", http.StatusInternalServerError)
	logged(1, errlog.Notice, "external pluginserver 'gopdk' terminated: exit 2")
	logged(2, errlog.Info, "Listening on socket: ")
	get("/pass", http.StatusOK)
	logged(1, errlog.Warn, "pb_rpc.lua:378 [gopdk] closed")
}
