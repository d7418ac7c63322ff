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

// Kong, the query command, the server and the probe mean one socket. It lies on
// a volume that both containers have, and not in Kong's prefix, where the
// entrypoint of Kong's image removes it.
func TestTheSocketIsTheSameEverywhere(t *testing.T) {
	binary := program(t)
	for _, name := range []string{"values.yaml", "values-kong.yaml"} {
		kong, sidecar := values(t, name)
		env, _ := at(kong, "env").(object)
		server := text(env, "pluginserver_names")
		if server == "" || server == "mtls-auth" {
			t.Errorf("%s: pluginserver_names is %q: Kong itself starts /usr/local/bin/mtls-auth for a server of that name", name, server)
		}
		prefix := "pluginserver_" + strings.ReplaceAll(server, "-", "_")
		for key := range env {
			if !slices.Contains([]string{"plugins", "pluginserver_names", prefix + "_socket", prefix + "_query_cmd"}, key) {
				t.Errorf("%s: %s is set, which Kong does not know, or which starts the server a second time", name, key)
			}
		}
		socket := text(env, prefix+"_socket")
		dir := path.Dir(socket)
		if strings.HasPrefix(socket, "/kong_prefix") {
			t.Errorf("%s: the socket is in Kong's prefix", name)
		}

		query := strings.Fields(text(env, prefix+"_query_cmd"))
		if len(query) == 0 || query[0] != "/usr/local/bin/mtls-auth" {
			t.Fatalf("%s: the query command is %q", name, query)
		}
		out, err := exec.Command(binary, query[1:]...).Output()
		var dump struct {
			SocketPath string
			Plugins    []struct{ Name string }
		}
		if err := json.Unmarshal(out, &dump); err != nil {
			t.Fatal(err)
		}
		if err != nil || dump.SocketPath != socket {
			t.Errorf("%s: the query command answers %q, %v, and Kong is told %q", name, dump.SocketPath, err, socket)
		}
		if plugins := strings.Split(text(env, "plugins"), ","); !slices.Contains(plugins, dump.Plugins[0].Name) || !slices.Contains(plugins, "bundled") {
			t.Errorf("%s: plugins are %q", name, plugins)
		}
		if got := follows(command(sidecar), "-kong-prefix"); got != dir {
			t.Errorf("%s: the server listens in %q, want %q", name, got, dir)
		}
		if got := list(sidecar, "startupProbe", "exec", "command"); !reflect.DeepEqual(got, []any{"test", "-S", socket}) {
			t.Errorf("%s: the probe is %q", name, got)
		}
		inProxy := named(list(kong, "deployment", "userDefinedVolumeMounts"), "mountPath", dir)
		inSidecar := named(list(sidecar, "volumeMounts"), "mountPath", dir)
		if inProxy == nil || !reflect.DeepEqual(inProxy, inSidecar) {
			t.Errorf("%s: %s is %v for Kong, %v for the server", name, dir, inProxy, inSidecar)
		}
		if named(list(kong, "deployment", "userDefinedVolumes"), "name", text(inProxy, "name")) == nil {
			t.Errorf("%s: there is no volume %q", name, text(inProxy, "name"))
		}
	}
}

// The server is that of Kong's image, runs as Kong's user, and has the flags
// that the program knows.
func TestTheSidecar(t *testing.T) {
	help, _ := exec.Command(program(t), "-help").CombinedOutput()
	dockerfile, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^ARG KONG_VERSION=(.*)$`).FindSubmatch(dockerfile)
	if version == nil {
		t.Fatal("the Dockerfile names no version of Kong")
	}
	kong, _ := values(t, "values.yaml")
	image := text(kong, "image", "repository") + ":" + text(kong, "image", "tag")
	if got := text(kong, "image", "effectiveSemver"); got != string(version[1]) || !strings.HasPrefix(text(kong, "image", "tag"), got+"-") {
		t.Errorf("the image is %s, its version of Kong %s, and the Dockerfile has %s", image, got, version[1])
	}
	for _, name := range []string{"values.yaml", "values-kong.yaml", "values-ca-dir.yaml"} {
		_, sidecar := values(t, name)
		if got := text(sidecar, "image"); got != image {
			t.Errorf("%s: the server's image is %q, Kong's %q", name, got, image)
		}
		security := at(sidecar, "securityContext")
		if at(security, "runAsUser") != 1000 || at(security, "readOnlyRootFilesystem") != true || at(security, "allowPrivilegeEscalation") != false {
			t.Errorf("%s: got %v", name, security)
		}
		words := command(sidecar)
		words = words[slices.Index(words, "/usr/local/bin/mtls-auth")+1:]
		for _, w := range words {
			if strings.HasPrefix(w, "-") && !regexp.MustCompile(`(?m)^ *`+w+`\b`).Match(help) {
				t.Errorf("%s: the program has no flag %s", name, w)
			}
		}
	}
}

// The values for the two charts differ in nothing but the name of a volume, and
// those with -ca-dir in where the CA certificates come from.
func TestValuesAgree(t *testing.T) {
	kong, sidecar := values(t, "values.yaml")
	other, _ := values(t, "values-kong.yaml")
	mount, _ := named(list(sidecar, "volumeMounts"), "mountPath", "/kong_prefix").(object)
	if mount["name"] != "kong-gateway-prefix-dir" || mount["readOnly"] != true {
		t.Errorf("values.yaml: Kong's prefix is %v", mount)
	}
	mount["name"] = "kong-kong-prefix-dir"
	if !reflect.DeepEqual(kong, other) {
		t.Errorf("values.yaml has\n%v\nvalues-kong.yaml\n%v", kong, other)
	}

	overlay, withDir := values(t, "values-ca-dir.yaml")
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
		t.Errorf("values-ca-dir.yaml: the socket is in %q, want %q", got, want)
	}
	for _, key := range []string{"name", "restartPolicy", "startupProbe", "resources", "securityContext"} {
		if !reflect.DeepEqual(sidecar[key], withDir[key]) {
			t.Errorf("%s is %v, and in values-ca-dir.yaml %v", key, sidecar[key], withDir[key])
		}
	}
	for _, key := range []string{"userDefinedVolumes", "userDefinedVolumeMounts"} {
		for _, want := range list(kong, "deployment", key) {
			if got := named(list(overlay, "deployment", key), "name", text(want, "name")); !reflect.DeepEqual(got, want) {
				t.Errorf("values-ca-dir.yaml: %s has %v, want %v", key, got, want)
			}
		}
	}
}
