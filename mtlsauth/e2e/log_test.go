package e2e

import (
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// What an operator has to see is in Kong's log at its default level, and what
// the process itself prints is not.
func TestKongsLogAtItsDefaultLevel(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	r := newRig(t, cas{idA: root}, routes{"/echo": trusted([]string{idA}), "/gone": trusted([]string{idC})},
		func(o *anykong.Options) { o.LogLevel = "" })
	expired := root.Client("client", pki.Expired())
	for _, test := range []struct {
		name, path string
		cert       *pki.Certificate
		status     int
		message    string
		want       []string // in the last line; nil for no further line
	}{
		{"a pass", "/echo", root.Client("client"), 200, "", nil},
		{"none sent", "/echo", nil, 401, noneSent, nil},
		{"expired", "/echo", expired, 401, failed, []string{"[notice]", `[mtls-auth] reason="expired" subject="CN=client" issuer="CN=root" serial="`, `request: "GET /echo HTTP/1.1"`}},
		{"no CA certificate", "/gone", root.Client("client"), 500, internal, []string{"[error]", `[mtls-auth] reason="ca_not_loaded"`, idC}},
	} {
		before := len(r.pluginLines())
		r.expect(test.name, r.get(test.path, test.cert), test.status, test.message)
		if test.want != nil {
			r.expectLog(test.name, test.want...)
		} else if lines := r.pluginLines()[before:]; len(lines) > 0 {
			t.Errorf("%s: logged %q", test.name, lines)
		}
	}
	for _, line := range r.Log().Lines() {
		if strings.Contains(line.Text, "level=INFO") || strings.Contains(line.Text, "-----BEGIN") {
			t.Errorf("Kong's log: [%v] %s", line.Level, line.Text)
		}
	}
}
