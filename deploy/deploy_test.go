// Package deploy_test holds what the files for Kubernetes have to agree on with
// each other, with the program and with the how-to in kong.yaml: what can be
// seen without a cluster and without Kong's charts.
package deploy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"
)

// object is a YAML document, or what lies in one.
type object = map[string]any

// documents returns the documents of a file of the repository.
func documents(t *testing.T, path string) []object {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash("../" + path))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.ContainsRune(text, '\t') || !bytes.HasSuffix(text, []byte("\n")) {
		t.Errorf("%s has a tab, or no newline at its end", path)
	}
	var all []object
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var one object
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, one)
	}
}

// at follows keys, and numbers of list entries, to what lies there; nil for
// nothing.
func at(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := v.(object)
			v = m[step]
		case int:
			list, _ := v.([]any)
			if step >= len(list) {
				return nil
			}
			v = list[step]
		}
	}
	return v
}

// text is at for a string.
func text(v any, path ...any) string {
	s, _ := at(v, path...).(string)
	return s
}

// list is at for a list.
func list(v any, path ...any) []any {
	l, _ := at(v, path...).([]any)
	return l
}

// named returns the entry of a list with that value of a key.
func named(entries []any, key, value string) any {
	i := slices.IndexFunc(entries, func(e any) bool { return text(e, key) == value })
	if i < 0 {
		return nil
	}
	return entries[i]
}

var folder string // of the program

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "mtls-auth-deploy-"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

var build = sync.OnceValues(func() (string, error) {
	path := filepath.Join(folder, "mtls-auth")
	if out, err := exec.Command("go", "build", "-o", path, "..").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// program builds mtls-auth, once, under its name, which is the plugin's.
func program(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Whatever is to run somewhere is pinned to a version.
func TestImagesArePinned(t *testing.T) {
	files, err := filepath.Glob("kubernetes/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	below, err := filepath.Glob("kubernetes/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, below...)
	if len(files) != 10 {
		t.Fatalf("got %q", files)
	}
	pinned := regexp.MustCompile(`^[a-z0-9./-]+:v?\d+\.\d+\.\d+[\w.-]*$`)
	found := 0
	var look func(file string, v any)
	look = func(file string, v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				look(file, e)
			}
		case object:
			for key, e := range v {
				image, isText := e.(string)
				if key == "image" {
					found++
					if !isText {
						image = text(e, "repository") + ":" + text(e, "tag")
					}
					if !pinned.MatchString(image) {
						t.Errorf("%s: image %q", file, image)
					}
				}
				look(file, e)
			}
		}
	}
	for _, file := range files {
		for _, d := range documents(t, "deploy/"+filepath.ToSlash(file)) {
			look(file, d)
		}
	}
	if found != 9 {
		t.Errorf("got %d images, want 9", found)
	}
}

// The how-to on Kubernetes is the one of kong.yaml, and what one file names is
// called so in the other.
func TestHowTo(t *testing.T) {
	howTo := documents(t, "kong.yaml")[0]
	plugin := documents(t, "deploy/kubernetes/plugin.yaml")[0]
	if got, want := at(plugin, "config"), at(howTo, "services", 0, "plugins", 0, "config"); !reflect.DeepEqual(got, want) {
		t.Errorf("plugin.yaml has config %v, kong.yaml %v", got, want)
	}
	if text(plugin, "kind") != "KongPlugin" || text(plugin, "plugin") != "mtls-auth" {
		t.Errorf("plugin.yaml: got %v", plugin)
	}
	echo := documents(t, "deploy/kubernetes/echo.yaml")
	if len(echo) != 3 {
		t.Fatalf("echo.yaml has %d documents", len(echo))
	}
	deployment, service, ingress := echo[0], echo[1], echo[2]
	if got, want := text(service, "metadata", "annotations", "konghq.com/plugins"), text(plugin, "metadata", "name"); got != want {
		t.Errorf("the Service names the plugin %q, want %q", got, want)
	}
	if got, want := at(deployment, "spec", "template", "metadata", "labels"), at(service, "spec", "selector"); !reflect.DeepEqual(got, want) {
		t.Errorf("the pods have labels %v, the Service selects %v", got, want)
	}
	rule := at(ingress, "spec", "rules", 0, "http", "paths", 0)
	if got, want := text(rule, "backend", "service", "name"), text(service, "metadata", "name"); got != want {
		t.Errorf("the Ingress leads to %q, want %q", got, want)
	}
	if got, want := text(rule, "path"), text(howTo, "services", 0, "routes", 0, "paths", 0); got != want {
		t.Errorf("the Ingress has the path %q, kong.yaml %q", got, want)
	}
	id := text(plugin, "config", "ca_certificates", 0)
	page, err := os.ReadFile("../docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"--from-literal=id=$CERT_ID", `sed "s/` + id + `/$CERT_ID/" deploy/kubernetes/plugin.yaml`} {
		if !strings.Contains(string(page), want) {
			t.Errorf("docs/kubernetes.md does not have %s", want)
		}
	}
	routes := documents(t, "deploy/kubernetes/httproute.yaml")
	if len(routes) != 3 {
		t.Fatalf("httproute.yaml has %d documents", len(routes))
	}
	class, gateway, route := routes[0], routes[1], routes[2]
	if got, want := text(gateway, "spec", "gatewayClassName"), text(class, "metadata", "name"); got != want {
		t.Errorf("the Gateway has the class %q, want %q", got, want)
	}
	if got, want := text(route, "spec", "parentRefs", 0, "name"), text(gateway, "metadata", "name"); got != want {
		t.Errorf("the HTTPRoute names the Gateway %q, want %q", got, want)
	}
	rule = at(route, "spec", "rules", 0)
	if got, want := text(rule, "matches", 0, "path", "value"), text(howTo, "services", 0, "routes", 0, "paths", 0); got != want {
		t.Errorf("the HTTPRoute has the path %q, kong.yaml %q", got, want)
	}
	backend := at(rule, "backendRefs", 0)
	if got, want := text(backend, "name"), text(service, "metadata", "name"); got != want {
		t.Errorf("the HTTPRoute has the backend %q, want %q", got, want)
	}
	if got, want := at(backend, "port"), at(service, "spec", "ports", 0, "port"); got == nil || got != want {
		t.Errorf("the HTTPRoute has the port %v, the Service %v", got, want)
	}
}

// The fields of plugin.yaml are those of the schema that Kong will ask for.
func TestPluginSchema(t *testing.T) {
	t.Parallel()
	out, err := exec.Command(program(t), "-dump").Output()
	if err != nil {
		t.Fatal(err)
	}
	var dump struct {
		Plugins []struct {
			Schema struct {
				Fields []map[string]struct{ Fields []object }
			}
		}
	}
	if err := json.Unmarshal(out, &dump); err != nil || len(dump.Plugins) != 1 {
		t.Fatalf("got %v, %s", err, out)
	}
	known := make(object)
	for _, field := range dump.Plugins[0].Schema.Fields {
		for _, f := range field["config"].Fields {
			for name := range f {
				known[name] = true
			}
		}
	}
	config, _ := at(documents(t, "deploy/kubernetes/plugin.yaml")[0], "config").(object)
	for name := range config {
		if known[name] == nil {
			t.Errorf("the schema has no field %q", name)
		}
	}
}

// The settings in the docs are those that the program prints.
func TestSettings(t *testing.T) {
	t.Parallel()
	binary, dir := program(t), t.TempDir()
	out, err := exec.Command(binary, "lua", "-out", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	settings := regexp.MustCompile(`(?m)(^\w+ = .*\n)+`).FindString(string(out))
	if settings == "" {
		t.Fatalf("no settings in %s", out)
	}
	want := strings.NewReplacer(dir, "/opt/mtls-auth", binary, "/usr/local/bin/mtls-auth", "PREFIX", "/usr/local/kong").Replace(settings)
	for page, want := range map[string]string{"../README.md": "```\n" + want + "```\n", "../docs/install.md": "<<'EOF'\n" + want + "EOF\n"} {
		got, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(got), want) {
			t.Errorf("%s does not have\n%s", page, want)
		}
	}
}
