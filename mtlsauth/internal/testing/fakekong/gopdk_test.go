package fakekong_test

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/errlog"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// go-pdk's own server, built from testdata/gopdk.
func TestGoPDK(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	binary := filepath.Join(dir, "gopdk") // go-pdk calls the plugin by its binary's name
	build := exec.Command("go", "build", "-buildvcs=false", "-mod=readonly", "-o", binary, ".")
	build.Dir = filepath.Join("testdata", "gopdk")
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: go-pdk's own server could not be built, so it was not tried against the fake Kong: %v\n%s", err, out)
	}
	s := start(t, `
_format_version: "3.0"
services:
- url: UPSTREAM
  routes:
  - {paths: [/pass], plugins: [{name: gopdk, config: {mode: pass}}]}
  - {paths: [/exit], plugins: [{name: gopdk, config: {mode: exit}}]}
  - {paths: [/panic], plugins: [{name: gopdk, config: {mode: panic}}]}
consumers: [{id: 11111111-1111-4111-8111-111111111111, username: alice}]
plugins: [PREFUNCTION]
`, func(o *anykong.Options) {
		o.QueryCommand = binary + " -dump -kong-prefix " + o.Prefix
		o.StartCommand = "/bin/sh -c 'echo \"] plugin up\"; exec " + binary + " -kong-prefix " + o.Prefix + "'"
	})
	listening := func(n int) {
		s.wait("go-pdk listening", func() bool { return s.Log().Count(errlog.Info, "Listening on socket: ") >= n })
	}
	listening(1)
	leaf := pki.NewCA("root").Intermediate("i").Client("alice")
	c := s.client(leaf)
	for range 3 {
		a := s.get(c, s.URLTLS()+"/pass")
		for name, want := range map[string]string{
			"X-Client-Cert-Len": strconv.Itoa(len(leaf.PEM())), "X-Chain-Len": strconv.Itoa(len(leaf.ChainPEM())), "X-Nothing": "true",
			"X-Host": strings.TrimPrefix(s.URLTLS(), "https://"), "X-Consumer-Id": "11111111-1111-4111-8111-111111111111",
		} {
			if got := a.header(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
	if got := s.Log().Count(errlog.Notice, "[kong] pb_rpc.lua:233 [gopdk] served pass, client: 127.0.0.1"); got != 3 {
		t.Errorf("%d log lines of the plugin", got)
	}
	for range 2 {
		if a := s.get(c, s.URLTLS()+"/exit"); a.StatusCode != 401 || a.body != `{"message":"no"}` {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	}
	// go-pdk complains of each exit.
	s.wait("go-pdk's complaint", func() bool { return s.Log().Count(errlog.Info, "use of closed network connection") == 2 })

	// A panic ends the process; the next one does not know the instance, closes,
	// and Kong starts it again.
	time.Sleep(time.Second)
	if a := s.get(c, s.URLTLS()+"/panic"); a.StatusCode != 500 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	s.wait("the end", func() bool {
		return s.Log().Count(errlog.Notice, "external pluginserver 'gopdk' terminated: exit 2") >= 1
	})
	listening(2)
	if a := s.get(c, s.URLTLS()+"/pass"); a.StatusCode != 200 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if s.Log().Count(errlog.Warn, "pb_rpc.lua:378 [gopdk] closed") == 0 {
		t.Error("no closed event in the log")
	}
}
