package deploy_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// example is what one form of an example sets up in Kong.
type example struct {
	Plugins      map[string]object // of the service, by name: the configuration
	Consumers    map[string]consumer
	Paths, Hosts []string
	Order        []string // what is created, in this order, where the form says so
}

type consumer struct {
	CustomID string
	Keys     []string // API keys
	Plugins  map[string]object
}

// Each example says the same in its four forms, and Kong's and decK's rules hold.
func TestExamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../examples/*/kong.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 14 {
		t.Fatalf("found %d examples", len(files))
	}
	page, err := os.ReadFile("../docs/examples.md")
	if err != nil {
		t.Fatal(err)
	}
	schemas := map[string]schema{
		"mtls-auth": pluginSchema(t, "dump.json"), "header-cert-auth": pluginSchema(t, "dump-header-cert-auth.json"),
	}
	for _, file := range files {
		dir := filepath.Dir(file)
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			want := fromDeck(t, "examples/"+name+"/kong.yaml")
			found := false
			for plugin, schema := range schemas {
				config, ok := want.Plugins[plugin]
				if !ok {
					continue
				}
				found = true
				for _, wrong := range schema.check(config) {
					t.Error(wrong)
				}
				for _, field := range []string{"anonymous", "default_consumer"} {
					if username, set := config[field].(string); set && !want.has(username) {
						t.Errorf("%s: there is no consumer %q", field, username)
					}
				}
			}
			if !found {
				t.Fatal("kong.yaml sets up neither plugin")
			}
			for form, got := range map[string]example{
				"kongplugin.yaml": fromKubernetes(t, "examples/"+name+"/kongplugin.yaml"),
				"main.tf":         fromTerraform(t, filepath.Join(dir, "main.tf")),
				"admin-api.sh":    fromAdminAPI(t, filepath.Join(dir, "admin-api.sh")),
			} {
				if len(got.Order) > 0 && got.Order[len(got.Order)-1] != "routes" {
					t.Errorf("%s: the route is not the last that is created, so that requests pass meanwhile: %q", form, got.Order)
				}
				got.Order = nil
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s sets up\n%+v\nkong.yaml\n%+v", form, got, want)
				}
			}
			for _, form := range []string{"kong.yaml", "admin-api.sh", "kongplugin.yaml", "main.tf"} {
				if link := "](../examples/" + name + "/" + form + ")"; !strings.Contains(string(page), link) {
					t.Errorf("docs/examples.md does not have %s", link)
				}
			}
		})
	}
}

func (e example) has(username string) bool { _, ok := e.Consumers[username]; return ok }

// plain is a configuration as JSON has it.
func plain(t *testing.T, v any) object {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	o := object{}
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatal(err)
	}
	if o == nil { // null: no configuration
		o = object{}
	}
	return o
}

// texts are the strings of a list.
func texts(v []any) (all []string) {
	for _, e := range v {
		s, _ := e.(string)
		all = append(all, s)
	}
	return all
}

func newExample() example {
	return example{Plugins: map[string]object{}, Consumers: map[string]consumer{}}
}

// known fails for keys that are not among those.
func known(t *testing.T, what string, v any, keys ...string) {
	t.Helper()
	o, ok := v.(object)
	if !ok {
		t.Fatalf("%s is not an object: %v", what, v)
	}
	for key := range o {
		if !slices.Contains(keys, key) {
			t.Errorf("%s has the unknown key %q", what, key)
		}
	}
}

func fromDeck(t *testing.T, file string) example {
	t.Helper()
	e, doc := newExample(), documents(t, file)[0]
	known(t, file, doc, "_format_version", "services", "consumers")
	if version := text(doc, "_format_version"); version != "3.0" {
		t.Errorf("%s: _format_version is %q", file, version)
	}
	service := at(doc, "services", 0)
	known(t, "the service", service, "name", "url", "routes", "plugins")
	route := at(service, "routes", 0)
	known(t, "the route", route, "name", "paths", "hosts")
	e.Paths, e.Hosts = texts(list(route, "paths")), texts(list(route, "hosts"))
	plugins := func(of any) map[string]object {
		all := map[string]object{}
		for _, p := range list(of, "plugins") {
			known(t, "a plugin", p, "name", "config")
			all[text(p, "name")] = plain(t, at(p, "config"))
		}
		return all
	}
	e.Plugins = plugins(service)
	for _, c := range list(doc, "consumers") {
		known(t, "a consumer", c, "username", "custom_id", "keyauth_credentials", "mtls_auth_credentials", "plugins")
		one := consumer{CustomID: text(c, "custom_id"), Plugins: plugins(c)}
		for _, credential := range list(c, "keyauth_credentials") {
			one.Keys = append(one.Keys, text(credential, "key"))
		}
		for _, credential := range list(c, "mtls_auth_credentials") {
			if wrong := credentialRule(credential.(object)); len(wrong) > 0 {
				t.Errorf("%s: %v: %q", file, credential, wrong)
			}
		}
		e.Consumers[text(c, "username")] = one
	}
	return e
}

func fromKubernetes(t *testing.T, file string) example {
	t.Helper()
	e, plugins, secrets := newExample(), map[string]object{}, map[string]string{}
	var consumers []object
	named := func(of object) map[string]object {
		all := map[string]object{}
		for _, name := range strings.Split(text(of, "metadata", "annotations", "konghq.com/plugins"), ", ") {
			if name == "" {
				continue
			}
			p, ok := plugins[name]
			if !ok {
				t.Errorf("%s: there is no KongPlugin %q", file, name)
			}
			all[text(p, "plugin")] = plain(t, p["config"])
		}
		return all
	}
	for _, doc := range documents(t, file) {
		name := text(doc, "metadata", "name")
		switch kind := text(doc, "apiVersion") + " " + text(doc, "kind"); kind {
		case "configuration.konghq.com/v1 KongPlugin":
			known(t, kind, doc, "apiVersion", "kind", "metadata", "plugin", "config")
			plugins[name] = doc
		case "v1 Secret":
			if label := text(doc, "metadata", "labels", "konghq.com/credential"); label != "key-auth" {
				t.Errorf("%s: the Secret %s has the label %q", file, name, label)
			}
			secrets[name] = text(doc, "stringData", "key")
		case "configuration.konghq.com/v1 KongConsumer":
			known(t, kind, doc, "apiVersion", "kind", "metadata", "username", "custom_id", "credentials")
			if class := text(doc, "metadata", "annotations", "kubernetes.io/ingress.class"); class != "kong" {
				t.Errorf("%s: the KongConsumer %s has the class %q", file, name, class)
			}
			consumers = append(consumers, doc)
		case "networking.k8s.io/v1 Ingress":
			e.Plugins = named(doc)
			rule := at(doc, "spec", "rules", 0)
			if host := text(rule, "host"); host != "" {
				e.Hosts = []string{host}
			}
			if path := text(rule, "http", "paths", 0, "path"); path != "/" { // all paths
				e.Paths = []string{path}
			}
		default:
			t.Errorf("%s has %s", file, kind)
		}
	}
	for _, c := range consumers {
		one := consumer{CustomID: text(c, "custom_id"), Plugins: named(c)}
		for _, secret := range texts(list(c, "credentials")) {
			one.Keys = append(one.Keys, secrets[secret])
		}
		e.Consumers[text(c, "username")] = one
	}
	return e
}

// fromAdminAPI runs the commands and hears what they ask of Kong.
func fromAdminAPI(t *testing.T, file string) example {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("NO CURL HERE: the examples for the Admin API were not run")
	}
	e := newExample()
	change := func(username string, with func(*consumer)) {
		c := e.Consumers[username]
		with(&c)
		e.Consumers[username] = c
	}
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var o object
		if err != nil || r.Method != http.MethodPost || json.Unmarshal(body, &o) != nil {
			t.Errorf("%s: %s %s: %v: %s", file, r.Method, r.URL, err, body)
		}
		path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
		e.Order = append(e.Order, path[len(path)-1])
		plugin := func(all map[string]object) { all[text(o, "name")] = plain(t, o["config"]) }
		switch {
		case r.URL.Path == "/services":
		case r.URL.Path == "/services/echo/routes":
			e.Paths, e.Hosts = texts(list(o, "paths")), texts(list(o, "hosts"))
		case r.URL.Path == "/services/echo/plugins":
			plugin(e.Plugins)
		case r.URL.Path == "/consumers":
			e.Consumers[text(o, "username")] = consumer{CustomID: text(o, "custom_id"), Plugins: map[string]object{}}
		case len(path) == 3 && path[0] == "consumers" && path[2] == "key-auth":
			change(path[1], func(c *consumer) { c.Keys = append(c.Keys, text(o, "key")) })
		case len(path) == 3 && path[0] == "consumers" && path[2] == "plugins":
			change(path[1], func(c *consumer) { plugin(c.Plugins) })
		default:
			t.Errorf("%s: %s", file, r.URL)
		}
		w.WriteHeader(http.StatusCreated)
	}))
	defer admin.Close()
	cmd := exec.Command("sh", file)
	cmd.Env = append(os.Environ(), "ADMIN="+admin.URL)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", file, err, out)
	}
	return e
}
