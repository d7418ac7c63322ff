package e2e

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/fakekong"
	"mtls-auth/mtlsauth/internal/testing/pki"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// Ids of CA certificates in Kong.
const (
	idA = "aaaaaaaa-0000-4000-8000-000000000001"
	idB = "bbbbbbbb-0000-4000-8000-000000000002"
	idC = "cccccccc-0000-4000-8000-000000000003"
)

// rig is a Kong with the server beside it, and an upstream.
type rig struct {
	kong
	t        testing.TB
	mode     mode
	upstream string
	prefix   string
	socket   string
}

// newRig starts a Kong in the mode of this process.
func newRig(t testing.TB, authorities cas, plugins routes, change ...func(*anykong.Options)) *rig {
	t.Helper()
	return newRigIn(t, chosenMode(t), authorities, plugins, func(o *realkong.Options) {
		for _, f := range change {
			f(&o.Options)
		}
	})
}

// newRigIn starts a Kong in a mode.
func newRigIn(t testing.TB, m mode, authorities cas, plugins routes, change ...func(*realkong.Options)) *rig {
	t.Helper()
	skipsIn(t, m)
	upstream := httptest.NewServer(fakekong.Echo)
	t.Cleanup(upstream.Close)
	r := &rig{t: t, mode: m, upstream: upstream.URL, prefix: filepath.Join(t.TempDir(), "kong")}
	o := realkong.Options{Options: anykong.Options{
		Prefix:       r.prefix,
		Config:       declarative(t, r.upstream, authorities, plugins),
		QueryCommand: program(t) + " -dump -kong-prefix " + r.prefix,
		StartCommand: program(t) + " -kong-prefix " + r.prefix + " -refresh 1s",
		LogLevel:     "debug",
	}}
	for _, f := range change {
		f(&o)
	}
	if m == luaMode {
		o.LuaPath = luaFiles(t)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var err error
	r.kong, err = startKong(ctx, o, m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	t.Cleanup(func() {
		if t.Failed() {
			for _, line := range tail(r.Log().Lines(), 40) {
				t.Logf("log: [%v] %s", line.Level, line.Text)
			}
		}
	})
	if o.StartCommand != "" {
		r.socket = o.Socket
		if r.socket == "" {
			r.socket = filepath.Join(r.prefix, "mtls-auth.socket")
		}
		awaitSocket(t, r.socket)
	}
	return r
}

func tail[T any](list []T, n int) []T { return list[max(0, len(list)-n):] }

// flags adds flags of the plugin server.
func flags(more string) func(*anykong.Options) {
	return func(o *anykong.Options) { o.StartCommand += " " + more }
}

// noKongEnv gives the plugin server a prefix of its own, in which there is no
// .kong_env: no source of consumers but Kong itself.
func noKongEnv(o *anykong.Options) {
	elsewhere := filepath.Join(filepath.Dir(o.Prefix), "elsewhere")
	if err := os.MkdirAll(elsewhere, 0o700); err != nil {
		panic(err)
	}
	o.QueryCommand = strings.ReplaceAll(o.QueryCommand, o.Prefix, elsewhere)
	o.StartCommand = strings.ReplaceAll(o.StartCommand, o.Prefix, elsewhere)
	o.Socket = filepath.Join(elsewhere, "mtls-auth.socket")
}

// client returns a client that shows a certificate, or none when it is nil.
func (r *rig) client(cert *pki.Certificate) *http.Client {
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM(r.RootPEM())
	if cert != nil {
		pair := cert.TLS()
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	transport := &http.Transport{TLSClientConfig: config}
	r.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// onlyLeaf is a certificate whose client sends none of what issued it.
func onlyLeaf(c *pki.Certificate) *pki.Certificate {
	return &pki.Certificate{Certificate: c.Certificate, Key: c.Key}
}

// answer is what a client got.
type answer struct {
	status  int
	message string // of a refusal
	body    string
	seen    http.Header // by the upstream
	header  http.Header // of the answer
	proto   string
	resumed bool // the TLS session
}

// get makes a request over TLS on a connection of its own.
func (r *rig) get(path string, cert *pki.Certificate, header ...string) answer {
	r.t.Helper()
	c := r.client(cert)
	defer c.CloseIdleConnections()
	return r.ask(c, r.URLTLS()+path, header...)
}

// ask makes a request with header fields, name and value in turn.
func (r *rig) ask(c *http.Client, url string, header ...string) answer {
	r.t.Helper()
	a, err := fetch(c, url, header...)
	if err != nil {
		r.t.Fatalf("GET %s: %v", url, err)
	}
	return a
}

func fetch(c *http.Client, url string, header ...string) (answer, error) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header[header[i]] = append(req.Header[header[i]], header[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: resp.StatusCode, body: string(body), header: resp.Header, proto: resp.Proto, resumed: resp.TLS != nil && resp.TLS.DidResume}
	var echo struct {
		Message string
		Headers http.Header
	}
	if err := json.Unmarshal(body, &echo); err == nil {
		a.message, a.seen = echo.Message, echo.Headers
	} else {
		a.message = string(body)
	}
	return a, nil
}

// The answers that clients can get.
const (
	noneSent = "No required TLS certificate was sent"
	failed   = "TLS certificate failed verification"
	internal = "An unexpected error occurred"
)

// expect checks an answer's status and message.
func (r *rig) expect(what string, got answer, status int, message string) {
	r.t.Helper()
	if got.status != status || got.message != message {
		r.t.Errorf("%s: got %d %q, want %d %q", what, got.status, got.message, status, message)
	}
}

// lines returns the plugin's lines in Kong's log since from, which begins with
// the number of lines that it returned before.
func (r *rig) pluginLines() []string {
	var lines []string
	for _, line := range r.Log().Lines() {
		if strings.Contains(line.Text, "[mtls-auth] ") && strings.Contains(line.Text, ", request: ") {
			lines = append(lines, "["+line.Level.String()+"] "+line.Text)
		}
	}
	return lines
}

// expectLog expects that the last line of the plugin has all these parts.
func (r *rig) expectLog(what string, parts ...string) {
	r.t.Helper()
	lines := r.pluginLines()
	if len(lines) == 0 {
		r.t.Errorf("%s: nothing was logged", what)
		return
	}
	last := lines[len(lines)-1]
	for _, part := range parts {
		if !strings.Contains(last, part) {
			r.t.Errorf("%s: logged %s\nwant %s in it", what, last, part)
		}
	}
}

// verified is request.tls.client_verify of the request with this answer.
func (r *rig) verified(a answer) string {
	r.t.Helper()
	if tls := r.record(a).Request.TLS; tls != nil {
		return tls.ClientVerify
	}
	r.t.Error("the access log tells nothing of TLS")
	return ""
}

// record is what the access log has of the request with this answer, soon after.
func (r *rig) record(a answer) anykong.Record {
	r.t.Helper()
	if a.header.Get("X-Kong-Request-Id") == "" { // Kong before 3.5: it is the last
		time.Sleep(300 * time.Millisecond)
		if all := r.Access(); len(all) > 0 {
			return all[len(all)-1]
		}
	}
	for range 3000 {
		for _, record := range r.Access() {
			if record.Request.ID == a.header.Get("X-Kong-Request-Id") {
				return record
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Errorf("the access log has no request %q", a.header.Get("X-Kong-Request-Id"))
	return anykong.Record{}
}

// loadPair reads a certificate and its key from files.
func loadPair(certFile, keyFile string) (*pki.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	return &pki.Certificate{Certificate: pair.Leaf, Key: pair.PrivateKey.(crypto.Signer)}, nil
}
