package demo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"mtls-auth/mtlsauth/internal/testing/fakekong"
)

// request is one request of the demo and the answer that is expected.
type request struct {
	howTo   *howTo
	what    string
	url     string
	cert    string // name of the client certificate's files; "" for none
	status  int
	message string // of the body of a 401
}

// curl returns the request as a line for a shell.
func (r request) curl() string {
	line := "curl -i --cacert " + r.howTo.path("kong.crt")
	if !strings.HasPrefix(r.url, "https:") {
		line = "curl -i"
	}
	if r.cert != "" {
		line += " --cert " + r.howTo.cert(r.cert) + " --key " + r.howTo.key(r.cert)
	}
	return line + " " + r.url
}

// run makes the request, prints it with its answer, and tells whether that was
// the expected one.
func (r request) run(ctx context.Context, kong *fakekong.Kong, out io.Writer) bool {
	fmt.Fprintf(out, "\n# %s\n$ %s\n", r.what, r.curl())
	before := len(pluginLines(kong))
	status, body, err := r.send(ctx)
	if err != nil {
		fmt.Fprintf(out, "no answer: %v\n", err)
		return false
	}
	ok := status == r.status
	switch status {
	case http.StatusOK:
		fmt.Fprintln(out, "200, and the upstream sees")
		var seen struct {
			Headers http.Header `json:"headers"`
		}
		if err := json.Unmarshal(body, &seen); err != nil {
			fmt.Fprintf(out, "  not the echo that was expected: %v\n", err)
			ok = false
		}
		for _, name := range []string{"X-Client-Cert-Dn", "X-Client-Cert-San"} {
			if value := seen.Headers.Get(name); value != "" {
				fmt.Fprintf(out, "  %s: %s\n", name, value)
			}
		}
		ok = ok && seen.Headers.Get("X-Client-Cert-Dn") != ""
	default:
		fmt.Fprintf(out, "%d %s\n", status, body)
		var answer struct{ Message string }
		ok = ok && json.Unmarshal(body, &answer) == nil && answer.Message == r.message
	}
	for _, line := range pluginLines(kong)[before:] {
		fmt.Fprintf(out, "Kong's log: %s\n", line)
	}
	if !ok {
		fmt.Fprintf(out, "EXPECTED %d %s\n", r.status, r.message)
	}
	return ok
}

func (r request) send(ctx context.Context) (status int, body []byte, err error) {
	roots, err := os.ReadFile(r.howTo.path("kong.crt"))
	if err != nil {
		return 0, nil, err
	}
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM(roots)
	if r.cert != "" {
		pair, err := tls.LoadX509KeyPair(r.howTo.cert(r.cert), r.howTo.key(r.cert))
		if err != nil {
			return 0, nil, err
		}
		// Send it whatever CAs the server names, as curl does.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	client := &http.Client{
		Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true},
		Timeout:   30 * time.Second,
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, body, err
}

// pluginLines are the lines that the plugin wrote to Kong's log about requests. What the
// server prints is there too, at any time.
func pluginLines(kong *fakekong.Kong) []string {
	var lines []string
	for _, line := range kong.Log().Lines() {
		if at := strings.Index(line.Text, "[mtls-auth] reason="); at >= 0 {
			text, _, _ := strings.Cut(line.Text[at:], ", client: ")
			lines = append(lines, text)
		}
	}
	return lines
}
