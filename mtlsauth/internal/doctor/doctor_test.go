package doctor_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/doctor"
	"mtls-auth/mtlsauth/internal/kongdata"
)

// A node whose plugin server does not answer.
func node(t *testing.T, files map[string]string) doctor.Options {
	t.Helper()
	prefix := t.TempDir()
	for name, text := range files {
		path := filepath.Join(prefix, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "PREFIX", prefix)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return doctor.Options{
		Name: "mtls-auth", Names: []string{"mtls-auth", "header-cert-auth"}, Now: time.Now(), Admin: kongdata.Config{Prefix: prefix},
		Files: func(string) (map[string][]byte, error) { return nil, nil },
		Ping: func(string, time.Duration) (doctor.Server, error) {
			return doctor.Server{}, errors.New("no server listens")
		},
	}
}

// run returns what doctor writes.
func run(t *testing.T, o doctor.Options, asJSON bool) string {
	t.Helper()
	var out bytes.Buffer
	w := doctor.Writer{Out: &out, JSON: asJSON}
	doctor.Run(t.Context(), o, w.Write)
	if _, err := w.Summary(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

const kongEnv = "prefix = PREFIX\nadmin_listen = off\ndatabase = off\nrole = traditional\ndeclarative_config = PREFIX/kong.yml\nlua_package_path = PREFIX/?.lua\n"

// What the node's files tell, with a Kong that runs and one that does not.
func TestFiles(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	running := "proxy_listen = " + listener.Addr().String() + " ssl\n"
	stopped := "proxy_listen = 127.0.0.1:1 ssl\n"
	header := `{"_format_version":"3.0","plugins":[{"name":"header-cert-auth","config":{}}]}`
	both := `{"_format_version":"3.0","plugins":[{"name":"header-cert-auth","config":{}},{"name":"mtls-auth","config":{}}]}`
	ended := `2026/12/01 10:00:00 [error] 1#0: *2 [lua] log.lua:50: [mtls-auth] server="ended" path="/nowhere" how="exit 1; /nowhere: No such file or directory" restarted_in="30s", context: ngx.timer`
	for _, test := range []struct {
		name       string
		files      map[string]string
		want, lack []string // patterns
	}{
		{
			name:  "Kong is stopped",
			files: map[string]string{".kong_env": kongEnv + stopped + "plugins = bundled,mtls-auth", "kong.yml": header},
			want:  []string{`FAIL +Kong +it does not run .*\n.*cure: kong start`},
			lack:  []string{`FAIL +server`, `FAIL +handshake`},
		},
		{
			name:  "Kong is stopped, and its process id is another's",
			files: map[string]string{".kong_env": kongEnv + stopped + "plugins = bundled,mtls-auth", "kong.yml": header, "pids/nginx.pid": "1073741824\n"},
			want:  []string{`FAIL +Kong `},
		},
		{
			name:  "one plugin that is used is not enabled",
			files: map[string]string{".kong_env": kongEnv + running + "plugins = bundled,mtls-auth", "kong.yml": header},
			want:  []string{`ok +plugin mtls-auth +enabled`, `FAIL +plugin header-cert-auth +not enabled: .*\n.*cure: plugins = bundled,mtls-auth,header-cert-auth in`},
			lack:  []string{`FAIL +Kong `},
		},
		{
			name:  "mtls-auth is used and not enabled",
			files: map[string]string{".kong_env": kongEnv + running + "plugins = bundled,header-cert-auth", "kong.yml": both},
			want:  []string{`ok +plugin header-cert-auth`, `FAIL +plugin mtls-auth .*\n.*cure: plugins = bundled,header-cert-auth,mtls-auth in`},
		},
		{
			name:  "none of both is enabled",
			files: map[string]string{".kong_env": kongEnv + running + "plugins = bundled", "kong.yml": both},
			want:  []string{`FAIL +plugin mtls-auth .*\n.*cure: plugins = bundled,mtls-auth,header-cert-auth in`, `FAIL +plugin header-cert-auth .*\n.*cure: plugins = bundled,mtls-auth,header-cert-auth in`},
		},
		{
			name:  "one that is switched off is not enabled",
			files: map[string]string{".kong_env": kongEnv + running + "plugins = bundled,header-cert-auth", "kong.yml": `{"_format_version":"3.0","plugins":[{"name":"mtls-auth","enabled":false,"config":{}}]}`},
			want:  []string{`FAIL +plugin mtls-auth `},
		},
		{
			name:  "none is used, and none is enabled",
			files: map[string]string{".kong_env": kongEnv + running + "plugins = bundled", "kong.yml": `{"_format_version":"3.0"}`},
			want:  []string{`FAIL +plugin mtls-auth .*\n.*cure: plugins = bundled,mtls-auth in`},
			lack:  []string{`plugin header-cert-auth`},
		},
		{
			name:  "a control plane runs no server, and takes no headers",
			files: map[string]string{".kong_env": strings.Replace(kongEnv, "traditional", "control_plane", 1) + stopped + "plugins = bundled,mtls-auth,header-cert-auth", "mtls-auth.socket": "", "kong.yml": `{"_format_version":"3.0","plugins":[{"name":"header-cert-auth","config":{"ca_certificates":["aaaaaaaa-0000-4000-8000-000000000001"],"certificate_header_name":"x-client-cert","certificate_header_format":"base64_encoded"}}]}`},
			want:  []string{`warn +configuration +header-cert-auth, .*data planes' trusted_ips`},
			lack:  []string{`FAIL +(server|socket|trusted_ips|Kong|handshake)`},
		},
		{
			name:  "the server ends again and again",
			files: map[string]string{".kong_env": kongEnv + running + "plugins = bundled,mtls-auth", "kong.yml": header, "logs/error.log": ended + "\n" + strings.Repeat("another line\n", 100)},
			want:  []string{`FAIL +server +no server listens\n.*cure: .*its last line.*No such file or directory" restarted_in="30s"\n`},
			lack:  []string{`context: ngx.timer`},
		},
		{
			name:  "the log is elsewhere",
			files: map[string]string{".kong_env": kongEnv + running + "plugins = bundled,mtls-auth\nproxy_error_log = other/kong.log", "kong.yml": header},
			want:  []string{`FAIL +server .*\n.*grep mtls-auth in \S+/other/kong\.log\n`},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := run(t, node(t, test.files), false)
			for _, want := range test.want {
				if !regexp.MustCompile(`(?mi)^` + want).MatchString(text) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
			for _, lack := range test.lack {
				if regexp.MustCompile(`(?m)` + lack).MatchString(text) {
					t.Errorf("%q in\n%s", lack, text)
				}
			}
		})
	}
}

// The program is that which the running Kong was told of.
func TestProgram(t *testing.T) {
	kong := exec.Command("sleep", "600")
	kong.Env = []string{"MTLS_AUTH_BIN=/nowhere/given"}
	if err := kong.Start(); err != nil {
		t.Fatal(err)
	}
	defer kong.Wait()
	defer kong.Process.Kill()
	files := map[string]string{
		".kong_env": kongEnv + "proxy_listen = 127.0.0.1:1 ssl\nplugins = bundled,mtls-auth", "kong.yml": `{"_format_version":"3.0"}`,
		"kong/plugins/mtls-auth/handler.lua": "", "kong/plugins/mtls-auth/binary.lua": "return \"/nowhere/written\"\n",
	}
	for _, test := range []struct{ name, pid, want string }{
		{"MTLS_AUTH_BIN", strconv.Itoa(kong.Process.Pid), `FAIL +program +the Lua plugin starts /nowhere/given \(MTLS_AUTH_BIN\): no such file`},
		{"none", "", `FAIL +program +the Lua plugin starts /nowhere/written: no such file`},
	} {
		t.Run(test.name, func(t *testing.T) {
			files["pids/nginx.pid"] = test.pid
			o := node(t, files)
			o.Files = func(string) (map[string][]byte, error) {
				return map[string][]byte{"handler.lua": {}, "binary.lua": {}}, nil
			}
			if text := run(t, o, false); !regexp.MustCompile(`(?m)^` + test.want).MatchString(text) {
				t.Errorf("no %q in\n%s", test.want, text)
			}
		})
	}
}

// The form for programs.
func TestJSON(t *testing.T) {
	o := node(t, map[string]string{".kong_env": kongEnv + "proxy_listen = 127.0.0.1:1 ssl\nplugins = bundled"})
	var got struct {
		Version string
		Fail    int
		Checks  []struct{ Name, Grade, Text, Cure string }
	}
	text := run(t, o, true)
	if err := json.Unmarshal([]byte(text), &got); err != nil || got.Version == "" {
		t.Fatalf("%v:\n%s", err, text)
	}
	failed := 0
	for _, c := range got.Checks {
		if c.Grade == "FAIL" && c.Text != "" && c.Cure != "" {
			failed++
		}
	}
	if failed == 0 || failed != got.Fail {
		t.Errorf("%d of %d checks failed, fail is %d:\n%s", failed, len(got.Checks), got.Fail, text)
	}
}
