package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"mtls-auth/mtlsauth/internal/handshake"
	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func TestDemo(t *testing.T) {
	t.Parallel()
	once(t)
	for _, mode := range []string{"lua", "plugin-server"} {
		t.Run(mode, func(t *testing.T) {
			cmd := exec.Command(program(t), "demo", "-mode", mode)
			cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, want := range []string{
				"401 {\"message\":\"No required TLS certificate was sent\"}",
				"401 {\"message\":\"TLS certificate failed verification\"}",
				"X-Client-Cert-Dn: CN=www.example.com,OU=Org,O=Kong,L=San Francisco,ST=California,C=US",
				"6 of 6 answers were as expected.",
			} {
				if !bytes.Contains(out, []byte(want)) {
					t.Errorf("the demo does not say %q:\n%s", want, out)
				}
			}
		})
	}
}

// The curl lines of a demo that stays up work as they are printed.
func TestDemoServe(t *testing.T) {
	t.Parallel()
	once(t)
	cmd := exec.Command(program(t), "demo", "-serve")
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	path := filepath.Join(t.TempDir(), "out")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var out []byte
	eventually(t, "the demo is through", func() bool {
		out, _ = os.ReadFile(path)
		return bytes.Contains(out, []byte("Still here"))
	})
	if _, err := exec.LookPath("curl"); err != nil {
		t.Log("NO CURL HERE: the printed lines were not tried")
	} else {
		var statuses []string
		for _, line := range regexp.MustCompile(`(?m)^\$ (curl .*)$`).FindAllSubmatch(out, -1) {
			answer, err := exec.Command("sh", "-c", string(line[1])+" -s").Output()
			if err != nil {
				t.Errorf("%s: %v", line[1], err)
			}
			status, _, _ := strings.Cut(string(answer), "\n")
			statuses = append(statuses, strings.Fields(status + " ?")[1])
		}
		if got := strings.Join(statuses, " "); got != "401 401 200 200 401 401" {
			t.Errorf("curl got %s", got)
		}
	}
	cmd.Process.Signal(syscall.SIGINT)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("after SIGINT: %v", err)
		}
	case <-time.After(20 * time.Second):
		cmd.Process.Kill()
		t.Error("SIGINT did not end it")
	}
}

// preFunctionFile is what those add to theirs who go without Lua.
const preFunctionFile = "../../deploy/pre-function.yaml"

// forMode returns a declarative file made for Lua mode as it is for this
// one: with the pre-function behind it, as docs/plugin-server.md says.
func forMode(t *testing.T, m mode, text []byte) []byte {
	t.Helper()
	if m == luaMode {
		return text
	}
	more, err := os.ReadFile(preFunctionFile)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(text, more)
}

// kong.yaml is what users begin with: it must load, and its CA must let no client in.
func TestKongYAML(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../kong.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte("name: pre-function")) {
		t.Error("kong.yaml has a pre-function, which Lua mode does not need")
	}
	r := newRig(t, nil, nil, func(o *anykong.Options) {
		local := bytes.ReplaceAll(text, []byte("http://127.0.0.1:1027"), []byte("http://127.0.0.1:1"))
		o.Config = forMode(t, chosenMode(t), local)
	})
	r.expect("none sent", r.get("/echo", nil), 401, noneSent)
	r.expect("a certificate of another CA with that name", r.get("/echo", pki.NewCA("Replace this CA by your own").Client("client")), 401, failed)
}

// The session with kong.yaml in docs/docker.md, as far as it needs no Docker.
func TestDockerSession(t *testing.T) {
	t.Parallel()
	once(t)
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("NO OPENSSL HERE: the session of docs/docker.md was not tried")
	}
	page, err := os.ReadFile("../../docs/docker.md")
	if err != nil {
		t.Fatal(err)
	}
	session := regexp.MustCompile(`(?s)(openssl req -x509.*?> my-kong\.yaml)`).Find(page)
	if session == nil {
		t.Fatal("docs/docker.md has no session that makes my-kong.yaml")
	}
	dir := t.TempDir()
	kongYAML, err := os.ReadFile("../../kong.yaml")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "kong.yaml"), string(kongYAML))
	cmd := exec.Command("sh", "-ec", string(session))
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	config, err := os.ReadFile(filepath.Join(dir, "my-kong.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, nil, nil)
	local := regexp.MustCompile(`(?m)^  url: .*$`).ReplaceAll(config, []byte("  url: "+r.upstream))
	if err := r.Configure(forMode(t, r.mode, local)); err != nil {
		t.Fatal(err)
	}
	// Kong's answer to a new configuration comes some milliseconds before it counts.
	eventually(t, "the configuration counts", func() bool { return r.get("/echo", nil).status != 404 })
	r.expect("none sent", r.get("/echo", nil), 401, noneSent)
	own, err := loadPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	r.expect("the CA's own", r.get("/echo", own), 200, "")
}

// What docs/demo.md shows of the demo is what it prints.
func TestDemoInTheDocs(t *testing.T) {
	t.Parallel()
	once(t)
	page, err := os.ReadFile("../../docs/demo.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?s)```\n(Making keys.*?)```").FindSubmatch(page)
	if shown == nil {
		t.Fatal("docs/demo.md does not show the demo")
	}
	cmd := exec.Command(program(t), "demo")
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var masked [2]string
	for i, text := range [][]byte{out, shown[1]} {
		for _, varying := range []string{`/\S*mtls-auth-demo-\d+`, `127\.0\.0\.1:\d+`, `serial="[^"]*"`, `fingerprint="[^"]*"`, `\d{4}-\d\d-\d\dT\S*Z`} {
			text = regexp.MustCompile(varying).ReplaceAll(text, []byte("VARYING"))
		}
		masked[i] = string(text)
	}
	if masked[0] != masked[1] {
		t.Errorf("the demo prints\n%s\nand docs/demo.md shows\n%s", masked[0], masked[1])
	}
}

// Every file that carries the handshake code carries the shipped one.
func TestPreFunctionFiles(t *testing.T) {
	once(t)
	type preFunction struct {
		Name, Plugin string
		Config       struct{ Certificate, Access []string }
	}
	for file, of := range map[string]func(*testing.T, []byte) preFunction{
		preFunctionFile: func(t *testing.T, text []byte) preFunction {
			var all struct{ Plugins []preFunction }
			if err := yaml.Unmarshal(text, &all); err != nil || len(all.Plugins) != 1 {
				t.Fatalf("got %+v, %v", all, err)
			}
			return all.Plugins[0]
		},
		"../../deploy/kubernetes/plugin-server/pre-function.yaml": func(t *testing.T, text []byte) preFunction {
			var plugin struct {
				Kind        string
				preFunction `yaml:",inline"`
			}
			if err := yaml.Unmarshal(text, &plugin); err != nil || plugin.Kind != "KongClusterPlugin" {
				t.Fatalf("got %+v, %v", plugin, err)
			}
			return plugin.preFunction
		},
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		plugin := of(t, text)
		if plugin.Name+plugin.Plugin != "pre-function" || len(plugin.Config.Certificate) != 1 || len(plugin.Config.Access) != 1 {
			t.Fatalf("%s: got %+v", file, plugin)
		}
		if plugin.Config.Certificate[0] != handshake.Certificate || plugin.Config.Access[0] != handshake.Access {
			t.Errorf("%s: the code is not the one that is shipped", file)
		}
	}
}
