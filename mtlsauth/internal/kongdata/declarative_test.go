package kongdata_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
)

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") + "\n"
}

func yamlOf(id, pem string) string {
	return fmt.Sprintf("_format_version: \"3.0\"\nservices:\n- name: x\n  url: http://x\nca_certificates:\n- cert: |\n%s  id: %s\n", indent(pem), id)
}

func jsonOf(t *testing.T, id, pem string) string {
	t.Helper()
	out, err := json.Marshal(map[string]any{
		"_format_version": "3.0",
		"services":        []any{map[string]any{"name": "x"}},
		"ca_certificates": []any{map[string]any{"id": id, "cert": pem, "tags": []string{"x"}}, map[string]any{"cert": "no id"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestDeclarative(t *testing.T) {
	one := pemOf("one")
	id := uuid(0xa)
	upper := strings.ToUpper(id)
	tests := []struct {
		name, file, text, want, log string
	}{
		{"YAML", "kong.yml", yamlOf(id, one), "one/", ""},
		{"JSON", "kong.json", jsonOf(t, id, one), "one/", ""},
		{"JSON in a file without extension", "kong", jsonOf(t, id, one), "one/", ""},
		{"JSON as YAML", "kong.yaml", "\n" + jsonOf(t, id, one), "one/", ""},
		{"YAML in flow style", "kong.yml", fmt.Sprintf("{ca_certificates: [{id: %s, cert: %q}]}", id, one), "one/", ""},
		{"id in upper case", "kong.yml", yamlOf(upper, one), "one/", ""},
		{"no CA certificates", "kong.yml", "_format_version: \"3.0\"\n", "other/", ""},
		{"null", "kong.yml", "ca_certificates:\n", "other/", ""},
		{"an entry without id", "kong.yml", fmt.Sprintf("ca_certificates:\n- cert: |\n%s", indent(one)), "other/", ""},
		{"an entry without certificate", "kong.yml", "ca_certificates:\n- id: " + id + "\n", "/a", "no PEM certificate"},
		{"empty", "kong.yml", "", "/a", "holds nothing"},
		{"empty JSON", "kong.json", "", "/a", "JSON"},
		{"a list", "kong.yml", "- a\n", "/a", "it is a list; must be a mapping"},
		{"JSON nested too deep", "kong.json", `{"x":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + "}", "/a", "nested more than 1000 deep"},
		{"more after JSON", "kong.json", "{}{}", "/a", "there is more after it"},
		{"half of JSON", "kong.json", jsonOf(t, id, one)[:200], "/a", "JSON"},
		{"broken YAML", "kong.yml", yamlOf(id, one) + "x: [\n", "/a", "yaml"},
		{"an id twice", "kong.yml", yamlOf(id, one) + "- id: " + upper + "\n", "/a", "appears twice"},
		{"not a UUID", "kong.yml", yamlOf("secret", one), "/a", "must be a UUID"},
		{"a wrong type", "kong.yml", "ca_certificates: top-secret\n", "/a", "ca_certificates: it is text; must be a list"},
		{"an alias bomb", "kong.yml", "a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nca_certificates: [*c,*c,*c,*c]\n", "/a", "ca_certificates[0]: it is a list"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), test.file)
			write(t, path, test.text)
			log, logger := newLog()
			sources, err := kongdata.Open(kongdata.Config{DeclarativeConfig: path}, logger)
			if err != nil {
				t.Fatal(err)
			}
			lower := newFake("lower")
			lower.set(id, pemOf("other"))
			s := start(t, kongdata.Options{Sources: append(sources, lower.source()), Log: logger})
			wantNames(t, "", s.Want([]string{id}).Wait(t.Context()), test.want)
			log.await(test.log)
			if !strings.Contains(log.String(), test.log) {
				t.Errorf("log lacks %q:\n%s", test.log, log)
			}
			if strings.Contains(log.String(), "secret") {
				t.Errorf("the log quotes the file:\n%s", log)
			}
		})
	}
}

func TestDeclarativeFollowsChanges(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kong.yml")
	log, logger := newLog()
	sources, err := kongdata.Open(kongdata.Config{DeclarativeConfig: path}, logger)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, kongdata.Options{Sources: sources, Refresh: 50 * time.Millisecond, Log: logger})
	set := s.Want([]string{uuid(1)})
	wantNames(t, "no file", set.Wait(t.Context()), "/1")
	one := yamlOf(uuid(1), pemOf("one"))
	write(t, path, one)
	eventually(t, set, "one/")
	write(t, path, one+"]")
	time.Sleep(200 * time.Millisecond)
	wantNames(t, "broken", set.Snapshot(), "one/")
	if log.count("level=ERROR") == 0 {
		t.Error("a broken version is not in the log")
	}
	replace(t, path, yamlOf(uuid(1), pemOf("two")))
	eventually(t, set, "two/")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	wantNames(t, "file away", set.Snapshot(), "two/")
	write(t, path, "_format_version: \"3.0\"\n")
	eventually(t, set, "/1")
}

// One reading of a file has one rule for all that is in it: CA certificates, consumers
// and credentials are there together, or none of them is.
func TestDeclarativeDocuments(t *testing.T) {
	entities := func(subject string) string {
		return yamlOf(uuid(1), pemOf("one")) + "consumers: [{username: alice, mtls_auth_credentials: [{subject_name: " + subject + "}]}]\n"
	}
	for _, row := range []struct {
		name, text string
		known      bool
		log        string
	}{
		{name: "one document", text: entities("a"), known: true},
		{name: "of two the first", text: entities("a") + "---\nconsumers: [{username: bob}]\n", known: true, log: "the first counts"},
		{name: "an empty one first", text: "---\n---\n" + entities("a"), log: "holds nothing"},
		{name: "an end mark", text: entities("a") + "...\n", known: true},
		{name: "a second that cannot be read", text: entities("a") + "---\nx: [\n", log: "yaml"},
		{name: "a tag that is not YAML's own", text: entities("!name a"), known: true},
		{name: "a tag of YAML's own", text: entities("!!str 17"), known: true},
		{name: "a number with a tag that is not YAML's own", text: entities("!name 17"), log: "it is a number"},
		{name: "a broken credential", text: entities("{}"), log: "subject_name: it is a mapping"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, log := openFile(t, "kong.yml", row.text)
			want := map[bool][3]string{true: {"one/", "alice", "alice"}, false: {"/1", "error: …", ""}}[row.known]
			wantNames(t, "CA certificates", s.Want([]string{uuid(1)}).Wait(t.Context()), want[0])
			wantLookup(t, s, consumer.ByUsername, "alice", want[1])
			s.AwaitCredentials()
			if credentials := s.Credentials(); len(credentials) != 1 || (credentials[0] != nil) != row.known {
				t.Errorf("credentials %v", credentials)
			}
			log.await(row.log)
			if !strings.Contains(log.String(), row.log) {
				t.Errorf("log lacks %q:\n%s", row.log, log)
			}
		})
	}
}

func FuzzParseEntities(f *testing.F) {
	f.Add([]byte(yamlOf(uuid(1), "x")), "kong.yml")
	f.Add([]byte(`{"ca_certificates":[{"id":"x","cert":"y"}]}`), "kong.json")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		entities, err := kongdata.ParseEntities(data, name)
		if (entities == nil) == (err == nil) {
			t.Fatal("entities and an error, or neither")
		}
	})
}
