package fetch_test

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// TestEnvironment: proxies are the plugin's configuration, and never those of
// the process. It has a process of its own, since net/http reads them once.
func TestEnvironment(t *testing.T) {
	const within = "FETCH_TEST_PROXY"
	if proxy := os.Getenv(within); proxy != "" {
		testEnvironment(t)
		return
	}
	p := newProxy(t, "127.0.0.1:1")
	cmd := exec.CommandContext(soon(t), os.Args[0], "-test.run=^TestEnvironment$", "-test.v")
	cmd.Env = append(os.Environ(), within+"="+p.addr, "NO_PROXY=", "no_proxy=")
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		cmd.Env = append(cmd.Env, name+"=http://"+p.addr)
	}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS: TestEnvironment") {
		t.Errorf("%v:\n%s", err, out)
	}
	if got := p.requests(); len(got) > 0 {
		t.Errorf("the proxy got %q", got)
	}
}

func testEnvironment(t *testing.T) {
	ca := pki.NewCA("web")
	empty := func(http.ResponseWriter, *http.Request) {}
	plain, secure := serve(t, empty), serveTLS(t, ca, empty)
	c := newClient(t, fetch.Options{UserAgent: "ours"})
	// net/http never takes a proxy to loopback by its address.
	c.UseResolver(dns(t, func(string) []string { return []string{"127.0.0.1"} }))
	for _, url := range []string{named(t, "ocsp.test", plain), strings.Replace(secure.URL, "127.0.0.1", "ocsp.test", 1)} {
		if _, err := get(t, c, url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}
