package deploy_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mtls-auth/mtlsauth"
)

// values returns what a values file says of Kong's release, and its container
// with the plugin server.
func values(t *testing.T, name string) (kong object, sidecar object) {
	t.Helper()
	kong = documents(t, "deploy/kubernetes/"+name)[0]
	if gateway, ok := at(kong, "gateway").(object); ok {
		kong = gateway
	}
	sidecar, _ = at(kong, "deployment", "initContainers", 0).(object)
	if text(sidecar, "restartPolicy") != "Always" {
		t.Fatalf("%s: the first init container is no sidecar: %v", name, sidecar)
	}
	return kong, sidecar
}

// command returns the words of the sidecar's command.
func command(sidecar object) []string {
	var words []string
	for _, w := range list(sidecar, "command") {
		words = append(words, strings.Fields(w.(string))...)
	}
	return words
}

// follows returns the word behind a flag.
func follows(words []string, flag string) string {
	if i := slices.Index(words, flag); i >= 0 && i+1 < len(words) {
		return words[i+1]
	}
	return ""
}

// Kong, its Lua path, the query command, the server and the probe mean one folder.
// It is a volume that both containers have, which only the server writes to, and
// not Kong's prefix, where the entrypoint of Kong's image removes the socket.
func TestTheFolderIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	binary := program(t)
	for _, name := range []string{"sidecar/values.yaml", "sidecar/values-kong.yaml"} {
		kong, sidecar := values(t, name)
		env, _ := at(kong, "env").(object)
		// The Lua plugin looks for a server of its own name.
		if got := text(env, "pluginserver_names"); got != "mtls-auth" {
			t.Errorf("%s: pluginserver_names is %q", name, got)
		}
		const server = "pluginserver_mtls_auth"
		for key := range env {
			if !slices.Contains([]string{"plugins", "lua_package_path", "pluginserver_names", server + "_socket", server + "_query_cmd"}, key) {
				t.Errorf("%s: %s is set, which Kong does not know, or which starts the server a second time", name, key)
			}
		}
		if image := text(kong, "image", "repository"); image != "kong" {
			t.Errorf("%s: Kong's image is %q: one that has the program starts it too", name, image)
		}
		socket := text(env, server+"_socket")
		dir := path.Dir(socket)
		if strings.HasPrefix(dir, "/kong_prefix") {
			t.Errorf("%s: the socket is in Kong's prefix", name)
		}
		if got, want := text(env, "lua_package_path"), dir+"/?.lua;;"; got != want {
			t.Errorf("%s: lua_package_path is %q, want %q", name, got, want)
		}

		// The sidecar's own command, in a folder of the test.
		here := t.TempDir()
		script, _ := list(sidecar, "command")[2].(string)
		script, starts := strings.CutSuffix(script, "exec mtls-auth -lua-mode -kong-prefix "+dir+"\n")
		if !starts {
			t.Errorf("%s: the sidecar does not end in the server, in %s: %q", name, dir, script)
		}
		cmd := exec.Command("sh", "-ec", strings.ReplaceAll(script, dir, here))
		cmd.Env = append(os.Environ(), "PATH="+path.Dir(binary)+":"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		if got, err := os.Readlink(here + "/.kong_env"); err != nil || got != "/kong_prefix/.kong_env" {
			t.Errorf("%s: .kong_env leads to %q, %v", name, got, err)
		}
		if _, err := os.Stat(here + "/kong/plugins/mtls-auth/handler.lua"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		answer, ok := strings.CutPrefix(text(env, server+"_query_cmd"), "cat "+dir+"/")
		if !ok {
			t.Errorf("%s: the query command is %q", name, text(env, server+"_query_cmd"))
		}
		out, err := os.ReadFile(here + "/" + answer)
		if err != nil {
			t.Fatal(err)
		}
		var dump struct {
			SocketPath string
			Plugins    []struct{ Name string }
		}
		if err := json.Unmarshal(out, &dump); err != nil {
			t.Fatal(err)
		}
		if want := here + "/" + path.Base(socket); dump.SocketPath != want {
			t.Errorf("%s: the query command answers %q, want %q", name, dump.SocketPath, want)
		}
		if plugins := strings.Split(text(env, "plugins"), ","); !slices.Contains(plugins, dump.Plugins[0].Name) || !slices.Contains(plugins, "bundled") {
			t.Errorf("%s: plugins are %q", name, plugins)
		}
		for _, probe := range []string{"startupProbe", "readinessProbe", "livenessProbe"} {
			got := list(sidecar, probe, "exec", "command")
			if len(got) < 4 || !reflect.DeepEqual(got[:4], []any{"mtls-auth", "ping", "-kong-prefix", path.Dir(socket)}) {
				t.Errorf("%s: the %s is %q", name, probe, got)
			}
		}
		inProxy := named(list(kong, "deployment", "userDefinedVolumeMounts"), "mountPath", dir)
		inSidecar := named(list(sidecar, "volumeMounts"), "mountPath", dir)
		if text(inProxy, "name") == "" || text(inProxy, "name") != text(inSidecar, "name") {
			t.Errorf("%s: %s is %v for Kong, %v for the server", name, dir, inProxy, inSidecar)
		}
		if at(inProxy, "readOnly") != true || at(inSidecar, "readOnly") != nil {
			t.Errorf("%s: who writes to %s: Kong %v, the server %v", name, dir, inProxy, inSidecar)
		}
		if named(list(kong, "deployment", "userDefinedVolumes"), "name", text(inProxy, "name")) == nil {
			t.Errorf("%s: there is no volume %q", name, text(inProxy, "name"))
		}
	}
}

// The server runs as Kong's user, since others get no answer, and has the flags
// that the program knows. Kong is that of the Dockerfile.
func TestTheSidecar(t *testing.T) {
	t.Parallel()
	help, _ := exec.Command(program(t), "-help").CombinedOutput()
	dockerfile, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^ARG KONG_VERSION=(.*)$`).FindSubmatch(dockerfile)
	if version == nil {
		t.Fatal("the Dockerfile names no version of Kong")
	}
	for _, name := range []string{"sidecar/values.yaml", "sidecar/values-kong.yaml", withoutLua, withCADir} {
		kong, sidecar := values(t, name)
		if got := text(kong, "image", "tag"); !strings.HasPrefix(name, "plugin-server/") && got != string(version[1]) {
			t.Errorf("%s: Kong is %q, and the Dockerfile has %s", name, got, version[1])
		}
		if got, want := text(sidecar, "image"), "/kong-mtls-auth:"+string(version[1])+"-mtls-auth-"+mtlsauth.Version; !strings.HasSuffix(got, want) {
			t.Errorf("%s: the server's image is %q, want …%s", name, got, want)
		}
		security := at(sidecar, "securityContext")
		if at(security, "runAsUser") != 1000 || at(security, "readOnlyRootFilesystem") != true || at(security, "allowPrivilegeEscalation") != false {
			t.Errorf("%s: got %v", name, security)
		}
		words := command(sidecar)
		words = words[slices.Index(words, "exec")+2:]
		for _, w := range words {
			if strings.HasPrefix(w, "-") && !regexp.MustCompile(`(?m)^ *`+w+`\b`).Match(help) {
				t.Errorf("%s: the program has no flag %s", name, w)
			}
		}
	}
}

// The Lua plugin of the image starts the program: nothing else has to be said, and no
// setting of plugin servers breaks the controller's GET /.
func TestTheImageAlone(t *testing.T) {
	dockerfile, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^ARG KONG_VERSION=(.*)$`).FindSubmatch(dockerfile)
	setting := func(name string) string {
		m := regexp.MustCompile(`\bKONG_` + name + `=(\S+)`).FindSubmatch(dockerfile)
		if m == nil {
			t.Fatalf("the Dockerfile does not set %s", name)
		}
		return string(m[1])
	}
	want := object{
		"image": object{"repository": "registry.example/kong-mtls-auth", "tag": string(version[1]) + "-mtls-auth-" + mtlsauth.Version},
		"env":   object{"plugins": setting("PLUGINS"), "lua_package_path": setting("LUA_PACKAGE_PATH")},
	}
	if got := documents(t, "deploy/kubernetes/values.yaml")[0]["gateway"]; !reflect.DeepEqual(got, want) {
		t.Errorf("values.yaml has %v, want %v", got, want)
	}
	if got := documents(t, "deploy/kubernetes/values-kong.yaml")[0]; !reflect.DeepEqual(got, want) {
		t.Errorf("values-kong.yaml has %v, want %v", got, want)
	}
}

// Values in plugin-server mode: with CA certificates from the Admin API, and from mounted
// Secrets.
const (
	withoutLua = "plugin-server/values.yaml"
	withCADir  = "plugin-server/values-ca-dir.yaml"
)

// The values for the two charts differ in nothing but the name of a volume, those
// without Lua files in Kong's path, and those with -ca-dir in where the CA
// certificates come from.
func TestValuesAgree(t *testing.T) {
	kong, sidecar := values(t, "sidecar/values.yaml")
	other, _ := values(t, "sidecar/values-kong.yaml")
	mount, _ := named(list(sidecar, "volumeMounts"), "mountPath", "/kong_prefix").(object)
	if mount["name"] != "kong-gateway-prefix-dir" || mount["readOnly"] != true {
		t.Errorf("values.yaml: Kong's prefix is %v", mount)
	}
	mount["name"] = "kong-kong-prefix-dir" // in sidecar, for the comparison
	if !reflect.DeepEqual(kong, other) {
		t.Errorf("values.yaml has\n%v\nvalues-kong.yaml\n%v", kong, other)
	}

	without, inPluginServerMode := values(t, withoutLua)
	if want := (object{"lua_package_path": ";;"}); !reflect.DeepEqual(without["env"], want) {
		t.Errorf("without Lua files: the environment is %v, want %v", without["env"], want)
	}
	script := strings.NewReplacer("mtls-auth lua -out /mtls-auth\n", "", " -lua-mode", "").Replace(list(sidecar, "command")[2].(string))
	if got := list(inPluginServerMode, "command"); !reflect.DeepEqual(got, []any{"sh", "-ec", script}) {
		t.Errorf("without Lua files: the command is %q, want %q", got, script)
	}

	overlay, withDir := values(t, withCADir)
	dir := follows(command(withDir), "-ca-dir")
	volume := named(list(withDir, "volumeMounts"), "mountPath", dir)
	projected := named(list(overlay, "deployment", "userDefinedVolumes"), "name", text(volume, "name"))
	secrets := list(projected, "projected", "sources")
	if len(secrets) == 0 {
		t.Fatalf("nothing is mounted at -ca-dir %q", dir)
	}
	for _, s := range secrets {
		items := list(s, "secret", "items")
		for _, key := range []string{"id", "cert"} {
			if got, want := text(named(items, "key", key), "path"), text(s, "secret", "name")+"/"+key; got != want {
				t.Errorf("the key %s is at %q, want %q", key, got, want)
			}
		}
	}
	if got, want := follows(command(withDir), "-kong-prefix"), follows(command(sidecar), "-kong-prefix"); got != want {
		t.Errorf("with -ca-dir: the socket is in %q, want %q", got, want)
	}
	for _, key := range []string{"name", "image", "restartPolicy", "startupProbe", "resources", "securityContext"} {
		if !reflect.DeepEqual(sidecar[key], withDir[key]) || !reflect.DeepEqual(sidecar[key], inPluginServerMode[key]) {
			t.Errorf("%s is %v, with -ca-dir %v, without Lua files %v", key, sidecar[key], withDir[key], inPluginServerMode[key])
		}
	}
	for _, want := range list(kong, "deployment", "userDefinedVolumes") {
		if got := named(list(overlay, "deployment", "userDefinedVolumes"), "name", text(want, "name")); !reflect.DeepEqual(got, want) {
			t.Errorf("with -ca-dir: got the volume %v, want %v", got, want)
		}
	}
}
