package e2e

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	lua "mtls-auth/kong"
	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/errlog"
	"mtls-auth/mtlsauth/internal/testing/pki"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

var headerProgramOnce sync.Once

// headerProgram is the program under the name of the other plugin.
func headerProgram(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(filepath.Dir(program(tb)), lua.HeaderName)
	headerProgramOnce.Do(func() {
		if err := os.Symlink(program(tb), path); err != nil {
			tb.Fatal(err)
		}
	})
	return path
}

// newHeaderRig starts a Kong with header-cert-auth on its routes, that trusts the tests as
// a proxy in front.
func newHeaderRig(t testing.TB, authorities cas, plugins routes, change ...func(*anykong.Options)) *rig {
	t.Helper()
	return newRig(t, authorities, plugins, append([]func(*anykong.Options){func(o *anykong.Options) {
		o.Config = bytes.ReplaceAll(o.Config, []byte(`"name":"mtls-auth"`), []byte(`"name":"`+lua.HeaderName+`"`))
		o.TrustedIPs = []string{"127.0.0.1"}
		if chosenMode(t) == pluginServerMode {
			o.QueryCommand = strings.Replace(o.QueryCommand, program(t), headerProgram(t), 1)
			o.StartCommand = strings.Replace(o.StartCommand, program(t), headerProgram(t), 1)
			o.Socket = filepath.Join(o.Prefix, lua.HeaderName+".socket")
		}
	}}, change...)...)
}

// header is a configuration of header-cert-auth.
func header(name, format string, change ...object) object {
	return trusted([]string{idA}, append([]object{{"certificate_header_name": name, "certificate_header_format": format}}, change...)...)
}

// refusesSoMany reports that Kong itself answered a request with so many headers: 3.9.3's
// nginx takes no thousand.
func refusesSoMany(got answer) bool {
	return os.Getenv(realkong.Variable) != "" && got.status == 400 && strings.Contains(got.message, "Request header or cookie too large")
}

// send makes a request with these header lines, as they are, over plain HTTP.
func (r *rig) send(path string, lines ...string) answer {
	r.t.Helper()
	return r.sendTo(strings.TrimPrefix(r.URL(), "http://"), path, lines...)
}

func (r *rig) sendTo(address, path string, lines ...string) answer {
	r.t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		r.t.Fatal(err)
	}
	text := "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n"
	for _, line := range lines {
		text += line + "\r\n"
	}
	if _, err := io.WriteString(conn, text+"\r\n"); err != nil {
		r.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, body: string(body), message: string(body), header: resp.Header}
	var echo struct {
		Message string
		Headers http.Header
	}
	if json.Unmarshal(body, &echo) == nil {
		a.message, a.seen = echo.Message, echo.Headers
	}
	return a
}

// asked counts what Kong's workers have asked the server in Lua mode; 0 in the other mode,
// where they ask every time.
func (r *rig) asked() int {
	if r.mode != luaMode {
		return 0
	}
	return r.ping().decisions
}

// sample returns the header lines of a sample.
func sample(t testing.TB, name string) []string {
	t.Helper()
	text, err := os.ReadFile("../internal/certheader/testdata/" + name + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	return lines
}

// Ways in which proxies write certificates.

func base64DER(certs ...*pki.Certificate) string {
	var der []byte
	for _, c := range certs {
		der = append(der, c.Raw...)
	}
	return base64.StdEncoding.EncodeToString(der)
}

func escapedPEM(certs ...*pki.Certificate) string {
	var text string
	for _, c := range certs {
		text += c.PEM()
	}
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}

func byteSequences(certs ...*pki.Certificate) string {
	var items []string
	for _, c := range certs {
		items = append(items, ":"+base64DER(c)+":")
	}
	return strings.Join(items, ", ")
}

func spacedPEM(c *pki.Certificate) string {
	return strings.TrimSpace(strings.ReplaceAll(c.PEM(), "\n", " "))
}

// expectLine waits for a line of header-cert-auth in Kong's log that has all these parts.
func (r *rig) expectLine(what string, parts ...string) {
	r.t.Helper()
	r.expectLogged(what, append(parts, "["+lua.HeaderName+"] ")...)
}

// expectLogged waits for a line in Kong's log that has all these parts.
func (r *rig) expectLogged(what string, parts ...string) {
	r.t.Helper()
	for begin := time.Now(); time.Since(begin) < 30*time.Second; time.Sleep(20 * time.Millisecond) {
		if slices.ContainsFunc(r.Log().Lines(), func(line errlog.Line) bool {
			return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line.Text, part) })
		}) {
			return
		}
	}
	r.t.Errorf("%s: no line in the log has %q", what, parts)
}
