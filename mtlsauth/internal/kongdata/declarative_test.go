package kongdata_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
		{"a list", "kong.yml", "- a\n", "/a", "cannot unmarshal"},
		{"half of JSON", "kong.json", jsonOf(t, id, one)[:200], "/a", "JSON"},
		{"broken YAML", "kong.yml", yamlOf(id, one) + "x: [\n", "/a", "yaml"},
		{"an id twice", "kong.yml", yamlOf(id, one) + "- id: " + upper + "\n", "/a", "appears twice"},
		{"an id that is none", "kong.yml", yamlOf("secret", one), "/a", "no UUID"},
		{"a wrong type", "kong.yml", "ca_certificates: top-secret\n", "/a", "cannot unmarshal"},
		{"an alias bomb", "kong.yml", "a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nca_certificates: [*c,*c,*c,*c]\n", "/a", "yaml"},
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
			s := start(t, kongdata.Options{Sources: append(sources, lower), Log: logger})
			wantNames(t, "", s.Want([]string{id}).Wait(t.Context()), test.want)
			time.Sleep(5 * time.Millisecond)
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

func FuzzParseDeclarative(f *testing.F) {
	f.Add([]byte(yamlOf(uuid(1), "x")), "kong.yml")
	f.Add([]byte(`{"ca_certificates":[{"id":"x","cert":"y"}]}`), "kong.json")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		entities, err := kongdata.ParseDeclarative(data, name)
		if (entities == nil) == (err == nil) {
			t.Fatal("entities and an error, or neither")
		}
	})
}
