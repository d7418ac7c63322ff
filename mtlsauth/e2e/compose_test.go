package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"mtls-auth/mtlsauth"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// composed is what the tests read of a compose file.
type composed struct {
	Services map[string]struct {
		Entrypoint  []string
		Environment map[string]string
		Image       string
		ReadOnly    bool     `yaml:"read_only"`
		CapDrop     []string `yaml:"cap_drop"`
		Volumes     []string
	}
}

func readCompose(t *testing.T, path string) (compose composed) {
	t.Helper()
	text, err := os.ReadFile("../../" + path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &compose); err != nil {
		t.Fatal(err)
	}
	return compose
}

// What the compose file's first service makes is what its Kong runs with: both
// curl lines of the README get their answers. So they do without Lua files, with
// what the second file says besides.
func TestCompose(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("NO OPENSSL HERE: the certificates of compose.yaml were not made")
	}
	compose, without := readCompose(t, "compose.yaml"), readCompose(t, "deploy/compose/plugin-server.yaml")
	for name, service := range compose.Services {
		if !service.ReadOnly || len(service.CapDrop) != 1 || service.CapDrop[0] != "ALL" {
			t.Errorf("service %s may do more than it needs: %+v", name, service)
		}
	}
	for m, service := range map[mode]composed{luaMode: compose, pluginServerMode: without} {
		if m == luaMode && chosenMode(t) != luaMode || m == pluginServerMode && testing.Short() {
			continue
		}
		if m == pluginServerMode && os.Getenv(realkong.Variable) != "" && !realKongSince(t, 3, 8) {
			continue // without the guard requests pass there while the server starts
		}
		entrypoint := service.Services["certificates"].Entrypoint
		if len(entrypoint) < 6 || entrypoint[1] != "/certificates.sh" {
			t.Fatalf("certificates is started by %q", entrypoint)
		}
		mounted := append(compose.Services["certificates"].Volumes, service.Services["certificates"].Volumes...)
		dir := t.TempDir()
		keys, config := filepath.Join(dir, "keys"), filepath.Join(dir, "config")
		upstream := newRigIn(t, m, nil, nil).upstream
		here := func(path string) string {
			switch path {
			case "/keys", "/config":
				return filepath.Join(dir, path)
			case "http://echo:8080":
				return upstream
			}
			for _, volume := range mounted {
				if source, ok := strings.CutSuffix(volume, ":"+path+":ro"); ok {
					return "../../" + source
				}
			}
			t.Fatalf("nothing is mounted at %s: %q", path, mounted)
			return ""
		}
		var args []string
		for _, path := range entrypoint[1:] {
			args = append(args, here(path))
		}
		script := func() string {
			for _, folder := range []string{keys, config} {
				if err := os.MkdirAll(folder, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if out, err := exec.Command("sh", args...).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			made, err := os.ReadFile(filepath.Join(keys, "cert.pem"))
			if err != nil {
				t.Fatal(err)
			}
			return string(made)
		}
		made := script()
		if again := script(); again != made {
			t.Error("the second start made other certificates")
		}
		rendered, err := os.ReadFile(filepath.Join(config, "kong.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		r := newRigIn(t, m, nil, nil, func(o *realkong.Options) { o.Config = rendered })
		r.expect("none sent", r.get("/echo", nil), 401, noneSent)
		for cert, key := range map[string]string{"cert.pem": "key.pem", "client.pem": "client.key"} {
			pair, err := loadPair(filepath.Join(keys, cert), filepath.Join(keys, key))
			if err != nil {
				t.Fatal(err)
			}
			r.expect(cert, r.get("/echo", pair), 200, "")
		}
	}
}

// The image has the Lua files where Kong is told to look for them, and those who
// go without take Kong's own path.
func TestLuaPathOfTheImage(t *testing.T) {
	once(t)
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		" lua -out /opt/mtls-auth\n",
		"\nCOPY --from=build /opt/mtls-auth /opt/mtls-auth\n",
		"\nENV KONG_LUA_PACKAGE_PATH=/opt/mtls-auth/?.lua;; \\\n    KONG_PLUGINS=bundled,mtls-auth\n",
		// The Lua plugin starts the program from where it wrote the files.
		" -o /usr/local/bin/mtls-auth . && \\\n    /usr/local/bin/mtls-auth lua -out /opt/mtls-auth\n",
		"\nCOPY --from=build --chmod=0755 /mtls-auth /usr/local/bin/mtls-auth\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the Dockerfile has no %q", want)
		}
	}
	const name = "KONG_LUA_PACKAGE_PATH"
	if got, set := readCompose(t, "compose.yaml").Services["kong"].Environment[name]; set {
		t.Errorf("compose.yaml: %s is %q", name, got)
	}
	if got := readCompose(t, "deploy/compose/plugin-server.yaml").Services["kong"].Environment[name]; got != ";;" {
		t.Errorf("plugin-server.yaml: %s is %q", name, got)
	}
}

func TestImageVersion(t *testing.T) {
	once(t)
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if want := `image.version="` + mtlsauth.Version + `"`; !strings.Contains(string(text), want) {
		t.Errorf("the Dockerfile's label is not %s", want)
	}
}

// Without Lua files Kong starts the program, with the prefix of compose.yaml. With them
// the Lua plugin does, so that no setting of plugin servers breaks GET / of the Admin API.
func TestOneSocket(t *testing.T) {
	once(t)
	lua, server := readCompose(t, "compose.yaml").Services["kong"].Environment, readCompose(t, "deploy/compose/plugin-server.yaml").Services["kong"].Environment
	prefix := lua["KONG_PREFIX"]
	for name, want := range map[string]string{
		"NAMES":               "mtls-auth",
		"MTLS_AUTH_SOCKET":    prefix + "/mtls-auth.socket",
		"MTLS_AUTH_QUERY_CMD": "/usr/local/bin/mtls-auth -dump -kong-prefix " + prefix,
		"MTLS_AUTH_START_CMD": "/usr/local/bin/mtls-auth -kong-prefix " + prefix,
	} {
		if got := server["KONG_PLUGINSERVER_"+name]; prefix == "" || got != want {
			t.Errorf("plugin-server.yaml: %s is %q, want %q", name, got, want)
		}
	}
	image, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for name := range lua {
		if strings.HasPrefix(name, "KONG_PLUGINSERVER") {
			t.Errorf("compose.yaml sets %s", name)
		}
	}
	if strings.Contains(string(image), "PLUGINSERVER") {
		t.Error("the Dockerfile sets a plugin server")
	}
}
