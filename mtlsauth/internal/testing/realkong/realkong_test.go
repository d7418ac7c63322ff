package realkong

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/errlog"
)

func TestParseLog(t *testing.T) {
	lines := parseLog([]byte(`rubbish before
2026/11/25 14:27:51 [notice] 24150#0: *56 [kong] pb_rpc.lua:233 [mtls-auth] reason="expired", client: 127.0.0.1
2026/11/25 14:27:52 [error] 24150#12: of two
lines
2026/11/25 14:27:53 [emerg] 1#0: bind() failed
2026/11/25 14:27:53 [nonsense] 1#0: left out
`))
	want := []errlog.Line{
		{Level: errlog.Notice, Text: `[kong] pb_rpc.lua:233 [mtls-auth] reason="expired", client: 127.0.0.1`},
		{Level: errlog.Error, Text: "of two\nlines"},
		{Level: errlog.Alert, Text: "bind() failed"},
	}
	if len(lines) != len(want) {
		t.Fatalf("got %d lines: %v", len(lines), lines)
	}
	for i, line := range lines {
		if line.Level != want[i].Level || line.Text != want[i].Text || line.Time.IsZero() {
			t.Errorf("line %d: got %v %v %q, want %v %q", i, line.Time, line.Level, line.Text, want[i].Level, want[i].Text)
		}
	}
}

func TestProcess(t *testing.T) {
	prefix := t.TempDir()
	k := &Kong{opts: Options{Options: anykong.Options{Prefix: prefix}}, files: files{errors: filepath.Join(prefix, "error.log")}}
	if pid, n := k.Process().PID(), k.starts(); pid != 0 || n != 0 {
		t.Errorf("before a start: pid %d, %d starts", pid, n)
	}
	l, err := net.Listen("unix", filepath.Join(prefix, "mtls-auth.socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if pid := k.Process().PID(); pid != os.Getpid() {
		t.Errorf("pid %d, want that of the listener, %d", pid, os.Getpid())
	}
	text := "2026/11/25 14:27:51 [notice] 1#0: [kong] process.lua:162 [pluginserver] started, pid 41\n" +
		"2026/11/25 14:27:52 [info] 1#0: [mtls-auth] time=2026-11-25T14:27:52.000Z level=INFO msg=listening socket=/s\n"
	if err := os.WriteFile(k.files.errors, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := k.starts(); n != 2 {
		t.Errorf("%d starts were counted", n)
	}
}

func TestParseAccess(t *testing.T) {
	records := parseAccess([]byte(`{"request":{"id":"a","tls":{"client_verify":"NONE"}},"response":{"status":401}}
{"request":{"id":"b"}}
{"request":{"id":"half a li`))
	if len(records) != 2 || records[0].Request.TLS.ClientVerify != "NONE" || records[1].Request.ID != "b" {
		t.Errorf("got %+v", records)
	}
}

func TestWithAccessLog(t *testing.T) {
	for name, config := range map[string]string{
		"YAML": "_format_version: \"3.0\"\nplugins:\n- name: acl\n",
		"JSON": `{"plugins":[{"name":"acl"}]}`,
		"none": "",
	} {
		text, err := withAccessLog([]byte(config), "/a/file")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var doc struct {
			Version string `json:"_format_version"`
			Plugins []struct {
				Name   string
				Config struct{ Path string }
			}
		}
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		last := doc.Plugins[len(doc.Plugins)-1]
		if doc.Version != "3.0" || last.Name != "file-log" || last.Config.Path != "/a/file" || config != "" && doc.Plugins[0].Name != "acl" {
			t.Errorf("%s: got %s", name, text)
		}
	}
	if _, err := withAccessLog([]byte("- a list"), "/a/file"); err == nil {
		t.Error("a list was taken")
	}
	text, err := withAccessLog([]byte(`{"plugins":[{"name":"acl"}]}`), "")
	if err != nil || string(text) != `{"_format_version":"3.0","plugins":[{"name":"acl"}]}` {
		t.Errorf("without a file: got %s (%v)", text, err)
	}
}

func TestSettings(t *testing.T) {
	k := &Kong{config: "/p.d/kong.json", ports: ports{1, 2, 3}, opts: Options{
		Options: anykong.Options{Prefix: "/p", QueryCommand: "q -dump", StartCommand: "s", Workers: 2, LogLevel: "debug", SSLVerifyClient: "optional_no_ca"},
	}}
	text := k.settings("/p.d")
	for _, want := range []string{
		"proxy_listen = 127.0.0.1:1, 127.0.0.1:2 http2 ssl\n", "admin_listen = 127.0.0.1:3\n",
		"nginx_worker_processes = 2\n", "nginx_proxy_ssl_verify_client = optional_no_ca\n",
		"pluginserver_mtls_auth_socket = /p/mtls-auth.socket\n", "pluginserver_mtls_auth_query_cmd = q -dump\n",
		"plugins = pre-function,post-function,key-auth,acl,file-log,prometheus,mtls-auth\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "access_log") {
		t.Errorf("the access log was not to be left out:\n%s", text)
	}
	k.opts.NoAccessLog = true
	k.opts.Servers = []PluginServer{{"Other-One", "q2", "", "/s2"}, {"third", "q3", "s3", "/s3"}}
	text = k.settings("/p.d")
	for _, want := range []string{
		"proxy_access_log = off\n", "pluginserver_names = mtls-auth,Other-One,third\n",
		"pluginserver_other_one_socket = /s2\n", "pluginserver_other_one_query_cmd = q2\n", "pluginserver_third_start_cmd = s3\n",
		"plugins = pre-function,post-function,key-auth,acl,file-log,prometheus,mtls-auth,Other-One,third\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("with further servers: no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "other_one_start_cmd") {
		t.Errorf("Kong starts a server that runs by other means:\n%s", text)
	}
	k.opts.NoAdmin, k.opts.QueryCommand, k.opts.Servers = true, "", nil
	text = k.settings("/p.d")
	if !strings.Contains(text, "admin_listen = off\n") || strings.Contains(text, "pluginserver") {
		t.Errorf("without Admin API and plugin server:\n%s", text)
	}
	if k.AdminURL() != "" {
		t.Error("an Admin API that is off has an address")
	}
}

// What kong prints is in the error, and variables of Kong's own are kept from it.
func TestACommandThatFails(t *testing.T) {
	command := filepath.Join(t.TempDir(), "kong")
	if err := os.WriteFile(command, []byte("#!/bin/sh\necho \"$1, KONG_DATABASE=$KONG_DATABASE.\"; exit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KONG_DATABASE", "postgres")
	_, err := Start(context.Background(), Options{Command: command, Options: anykong.Options{Prefix: filepath.Join(t.TempDir(), "kong")}})
	if err == nil || !strings.Contains(err.Error(), "start, KONG_DATABASE=.") {
		t.Errorf("got %v", err)
	}
}

// A Kong whose start went wrong after nginx was there does not stay.
func TestStartThatFailsHalfWay(t *testing.T) {
	dir := t.TempDir()
	command, pidFile := filepath.Join(dir, "kong"), filepath.Join(dir, "prefix", "pids", "nginx.pid")
	script := "#!/bin/sh\nmkdir $5/pids; sleep 60 >/dev/null 2>&1 &\necho $! > $5/pids/nginx.pid; exit 1\n"
	if err := os.WriteFile(command, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(context.Background(), Options{Command: command, Options: anykong.Options{Prefix: filepath.Join(dir, "prefix")}}); err == nil {
		t.Fatal("no error")
	}
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	// It may be left to be reaped, but it runs no more.
	if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && !strings.Contains(string(state), ") Z ") {
		t.Errorf("still there: %s", state)
	}
}

func TestVersion(t *testing.T) {
	command := filepath.Join(t.TempDir(), "kong")
	if err := os.WriteFile(command, []byte("#!/bin/sh\n[ $1 = version ] && echo 3.9.1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if v, err := Version(context.Background(), command); err != nil || v != "3.9.1" {
		t.Errorf("got %q (%v)", v, err)
	}
	if _, err := Version(context.Background(), command+"x"); err == nil {
		t.Error("a command that is not there has a version")
	}
}
