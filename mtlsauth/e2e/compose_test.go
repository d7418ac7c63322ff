package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"mtls-auth/mtlsauth"
	"mtls-auth/mtlsauth/internal/gateway"
)

// What the compose file's first service makes is what its Kong runs with: both
// curl lines of the README get their answers.
func TestCompose(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("NO OPENSSL HERE: the certificates of compose.yaml were not made")
	}
	text, err := os.ReadFile("../../compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var compose struct {
		Services map[string]struct {
			Entrypoint  []string
			Environment map[string]string
			Image       string
			ReadOnly    bool     `yaml:"read_only"`
			CapDrop     []string `yaml:"cap_drop"`
		}
	}
	if err := yaml.Unmarshal(text, &compose); err != nil {
		t.Fatal(err)
	}
	for name, service := range compose.Services {
		if !service.ReadOnly || len(service.CapDrop) != 1 || service.CapDrop[0] != "ALL" {
			t.Errorf("service %s may do more than it needs: %+v", name, service)
		}
	}
	entrypoint := compose.Services["certificates"].Entrypoint
	if len(entrypoint) != 6 {
		t.Fatalf("certificates is started by %q", entrypoint)
	}
	dir := t.TempDir()
	keys, config := filepath.Join(dir, "keys"), filepath.Join(dir, "config")
	upstream := newRig(t, nil, nil).upstream
	script := func() {
		for _, folder := range []string{keys, config} {
			if err := os.MkdirAll(folder, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command("sh", "../../deploy/compose/certificates.sh", "../../kong.yaml", keys, config, upstream)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	script()
	made, err := os.ReadFile(filepath.Join(keys, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	script() // at the second start the keys are those of the first
	if again, err := os.ReadFile(filepath.Join(keys, "cert.pem")); err != nil || string(again) != string(made) {
		t.Errorf("the second start made other certificates (%v)", err)
	}
	rendered, err := os.ReadFile(filepath.Join(config, "kong.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, nil, nil, func(o *gateway.Options) { o.Config = rendered })
	r.expect("none sent", r.get("/echo", nil), 401, noneSent)
	for cert, key := range map[string]string{"cert.pem": "key.pem", "client.pem": "client.key"} {
		pair, err := loadPair(filepath.Join(keys, cert), filepath.Join(keys, key))
		if err != nil {
			t.Fatal(err)
		}
		r.expect(cert, r.get("/echo", pair), 200, "")
	}
}

func TestImageVersion(t *testing.T) {
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if want := `image.version="` + mtlsauth.Version + `"`; !strings.Contains(string(text), want) {
		t.Errorf("the Dockerfile's label is not %s", want)
	}
}

// The image and the compose file name one socket, to Kong and to the program.
func TestOneSocket(t *testing.T) {
	for _, file := range []string{"Dockerfile", "compose.yaml"} {
		text, err := os.ReadFile("../../" + file)
		if err != nil {
			t.Fatal(err)
		}
		setting := func(name string) string {
			m := regexp.MustCompile(`KONG_PLUGINSERVER_MTLS_AUTH_` + name + `(?:=|: )'?([^'\n\\]*)`).FindSubmatch(text)
			if m == nil {
				t.Fatalf("%s does not set %s", file, name)
			}
			return strings.TrimSpace(string(m[1]))
		}
		socket := setting("SOCKET")
		prefix, ok := strings.CutSuffix(socket, "/mtls-auth.socket")
		for name, want := range map[string]string{
			"QUERY_CMD": "/usr/local/bin/mtls-auth -dump -kong-prefix " + prefix,
			"START_CMD": "/usr/local/bin/mtls-auth -kong-prefix " + prefix,
		} {
			if got := setting(name); !ok || got != want {
				t.Errorf("%s: with the socket %s, %s is %q, want %q", file, socket, name, got, want)
			}
		}
	}
}
