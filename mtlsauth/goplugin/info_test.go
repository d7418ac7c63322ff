package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/config"

	lua "github.com/yuin/gopher-lua"
)

// kongs is the part of a schema that both have.
type kongs struct {
	Fields []map[string]struct {
		Type     string
		Fields   []map[string]struct{ Type string }
		Elements struct {
			Type   string
			Fields []map[string]struct{ Type string }
		}
	}
}

// read reads a schema into names and types of the configuration's fields.
func read(t *testing.T, schema any) map[string]string {
	t.Helper()
	text, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Fields []map[string]kongs
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	types := map[string]string{}
	for _, field := range s.Fields {
		for _, f := range field["config"].Fields {
			for name, what := range f {
				types[name] = what.Type + " " + what.Elements.Type
				for _, f := range what.Elements.Fields {
					for inner, what := range f {
						types[name+"."+inner] = what.Type
					}
				}
			}
		}
	}
	return types
}

// What go-pluginserver makes of Config are the fields that the plugin has.
func TestInfo(t *testing.T) {
	c := start(t)
	result, failed := c.call(t, "plugin.GetPluginInfo", "mtls-auth")
	if failed != "" {
		t.Fatal(failed)
	}
	info := result.(map[string]any)
	if info["Name"] != "mtls-auth" || !reflect.DeepEqual(info["Phases"], []any{"access"}) || info["Version"] != config.Version || integer(info["Priority"]) != config.Priority {
		t.Errorf("got %v", info)
	}
	got, want := read(t, info["Schema"]), read(t, config.Describe("mtls-auth").Schema)
	if len(want) < 19 || !reflect.DeepEqual(got, want) {
		t.Errorf("the fields are %v, want %v", got, want)
	}
}

// The query command answers with the plugin's own schema, for this protocol.
func TestQuery(t *testing.T) {
	out, err := exec.Command("go", "run", "./query").Output()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Protocol string
		Plugins  []struct{ Schema any }
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	want := read(t, config.Describe("mtls-auth").Schema)
	if got.Protocol != "MsgPack:1" || len(got.Plugins) != 1 || !reflect.DeepEqual(read(t, got.Plugins[0].Schema), want) {
		t.Errorf("got %s", out)
	}
	// Which Kong 2.x does not know.
	if strings.Contains(string(out), "description") {
		t.Error("the schema has descriptions")
	}
}

// Flags that cannot be used refuse every configuration, and say why.
func TestFlagsThatCannotBeUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ env, want string }{
		{"MTLS_AUTH_REFRESH=never", `environment variable MTLS_AUTH_REFRESH: invalid value \"never\": must be a duration from 1s to 24h`},
		{"MTLS_AUTH_ADMIN_URL=ftp://x", "admin-url"},
		{"MTLS_AUTH_STATE_DIR=" + file, "-state-dir"},
	} {
		t.Run(test.env, func(t *testing.T) {
			c := start(t, test.env)
			r := &request{pluginID: pluginID, vars: map[string]string{"ssl_client_raw_cert": "x"}}
			r.run(t, c, c.instance(t, configured(trust)))
			if r.exit == nil || r.exit.status != 500 || r.exit.body != ours {
				t.Errorf("got %+v, want our 500", r.exit)
			}
			if log := strings.Join(r.log, "\n"); !strings.Contains(log, `err reason="bad_config"`) || !strings.Contains(log, test.want) {
				t.Errorf("logged %q, want %q", log, test.want)
			}
		})
	}
}

// Kong's prefix, where .kong_env lies, is what go-pluginserver is told.
func TestThePrefixIsTheServers(t *testing.T) {
	c := start(t, "KONG_PREFIX=/proc/1/nowhere")
	c.instance(t, configured(trust))
	want := "file=" + filepath.Join(filepath.Dir(c.socket), ".kong_env")
	for end := time.Now().Add(time.Minute); !strings.Contains(c.log.String(), want); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("printed %s, want %s", c.log, want)
		}
	}
}

// The guard refuses a request that was not passed, or with another certificate.
func TestGuard(t *testing.T) {
	for _, test := range []struct{ passed, cert, want string }{
		{"nil", "nil", "exit 500"},
		{"nil", `"PEM"`, "exit 500"},
		{"false", "nil", "exit 500"},
		{"true", `"PEM"`, "exit 500"},
		{`"PEM"`, `"PEM"`, "goes on"},
		{`"PEM"`, `"another"`, "exit 500"},
		{`"PEM"`, "nil", "exit 500"},
		{`"PEM"`, `""`, "exit 500"},
		{`"none"`, "nil", "goes on"},
		{`"none"`, `""`, "goes on"},
		{`"none"`, `"PEM"`, "exit 500"},
	} {
		got := runGuard(t, test.passed, test.cert, "nil", 1.1)
		if got = strings.TrimSuffix(got, " nil nil An unexpected error occurred"); got != test.want {
			t.Errorf("passed %s, shown %s: %q, want %s", test.passed, test.cert, got, test.want)
		}
	}
}

// runGuard runs the guard on a request, and returns what it did.
func runGuard(t *testing.T, passed, cert, contentType string, version float64) string {
	t.Helper()
	L := lua.NewState()
	defer L.Close()
	err := L.DoString(fmt.Sprintf(`result = "goes on"
kong = {
  ctx = { shared = { mtls_auth_passed = %s } },
  request = { get_header = function() return %s end, get_http_version = function() return %v end },
  response = { exit = function(status, body, headers)
    headers = headers or {}
    result = ("exit %%d %%s %%s %%s"):format(status, tostring(headers["Content-Type"]), tostring(headers["grpc-message"]), body and body.message or "")
  end },
}
ngx = { var = { ssl_client_raw_cert = %s } }
dofile("guard.lua")`, passed, contentType, version, cert))
	if err != nil {
		t.Fatal(err)
	}
	return L.GetGlobal("result").String()
}

// A gRPC request is answered as the plugin does.
func TestGuardAnswersGRPC(t *testing.T) {
	const plain, grpc = "exit 500 nil nil An unexpected error occurred", "exit 500 application/grpc An unexpected error occurred "
	for _, test := range []struct {
		contentType string
		version     float64
		want        string
	}{
		{`"application/grpc"`, 2, grpc},
		{`"application/grpc+proto"`, 2, grpc},
		{`"application/grpc"`, 1.1, plain},
		{`"application/json"`, 2, plain},
		{"nil", 2, plain},
	} {
		t.Run(fmt.Sprint(test.contentType, test.version), func(t *testing.T) {
			if got := runGuard(t, "nil", "nil", test.contentType, test.version); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// What docs/go-pluginserver.md shows is the guard.
func TestGuardInTheDocs(t *testing.T) {
	guard, err := os.ReadFile("guard.lua")
	if err != nil {
		t.Fatal(err)
	}
	docs, err := os.ReadFile("../../docs/go-pluginserver.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(guard), "\nlocal ")
	for line := range strings.Lines("local " + code) {
		if !strings.Contains(string(docs), "      "+line) {
			t.Errorf("the docs do not have %q", line)
		}
	}
}
