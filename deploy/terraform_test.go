package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/scanner"
)

// A block of Terraform's language, such as resource "kong_plugin" "mtls_auth" { … }.
type block struct {
	labels     []string // its type first
	attributes object
	blocks     []block
}

// A reference is an expression such as kong_service.echo.id.
type reference string

// hcl reads as much of Terraform's language as the examples need. What else it has is an error.
type hcl struct {
	scanner.Scanner
	t     *testing.T
	token rune // the next one
}

func readHCL(t *testing.T, file string) []block {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	h := &hcl{t: t}
	h.Init(strings.NewReader(regexp.MustCompile(`(?m)^\s*#.*$`).ReplaceAllString(string(source), "")))
	h.Filename, h.Mode = file, scanner.ScanIdents|scanner.ScanStrings|scanner.ScanInts
	h.Error = func(_ *scanner.Scanner, msg string) { t.Fatalf("%s: %s", h.Pos(), msg) }
	h.token = h.Scan()
	_, blocks := h.body(scanner.EOF)
	return blocks
}

// take returns the next token's text, which must be of that kind.
func (h *hcl) take(kind rune) string {
	h.t.Helper()
	if h.token != kind {
		h.t.Fatalf("%s: got %s %q, want %s", h.Position, scanner.TokenString(h.token), h.TokenText(), scanner.TokenString(kind))
	}
	text := h.TokenText()
	h.token = h.Scan()
	if kind == scanner.String {
		unquoted, err := strconv.Unquote(text)
		if err != nil || strings.Contains(text, "${") {
			h.t.Fatalf("%s: the text %s: %v", h.Position, text, err)
		}
		return unquoted
	}
	return text
}

func (h *hcl) body(end rune) (attributes object, blocks []block) {
	attributes = object{}
	for h.token != end {
		name := h.take(scanner.Ident)
		if h.token == '=' {
			h.take('=')
			if _, twice := attributes[name]; twice {
				h.t.Errorf("%s: %s is set twice", h.Position, name)
			}
			attributes[name] = h.expression()
			continue
		}
		b := block{labels: []string{name}}
		for h.token == scanner.String {
			b.labels = append(b.labels, h.take(scanner.String))
		}
		h.take('{')
		b.attributes, b.blocks = h.body('}')
		h.take('}')
		blocks = append(blocks, b)
	}
	return attributes, blocks
}

func (h *hcl) expression() any {
	switch h.token {
	case scanner.String:
		return h.take(scanner.String)
	case scanner.Int:
		n, err := strconv.Atoi(h.take(scanner.Int))
		if err != nil {
			h.t.Fatal(err)
		}
		return n
	case '[':
		all := []any{}
		for h.take('['); h.token != ']'; {
			all = append(all, h.expression())
			if h.token != ']' {
				h.take(',')
			}
		}
		h.take(']')
		return all
	case '{':
		h.take('{')
		o, blocks := h.body('}')
		if len(blocks) > 0 {
			h.t.Fatalf("%s: a block in an expression", h.Position)
		}
		h.take('}')
		return o
	}
	name := h.take(scanner.Ident)
	switch {
	case name == "true" || name == "false":
		return name == "true"
	case name == "jsonencode":
		h.take('(')
		v := h.expression()
		h.take(')')
		return v
	}
	for h.token == '.' {
		h.take('.')
		name += "." + h.take(scanner.Ident)
	}
	return reference(name)
}

// The arguments that the provider's documentation has, of those that the examples need.
var terraformArguments = map[string][]string{
	"kong_service":           {"name", "protocol", "host", "port"},
	"kong_route":             {"name", "protocols", "paths", "hosts", "service_id", "depends_on"},
	"kong_plugin":            {"name", "service_id", "consumer_id", "config_json"},
	"kong_consumer":          {"username", "custom_id"},
	"kong_consumer_key_auth": {"consumer_id", "key"},
}

func fromTerraform(t *testing.T, file string) example {
	t.Helper()
	e, username, consumers := newExample(), map[reference]string{}, map[reference]consumer{}
	resources, after := map[reference]object{}, []any{}
	for _, b := range readHCL(t, file) {
		if b.labels[0] != "resource" {
			continue
		}
		kind, id := b.labels[1], reference(b.labels[1]+"."+b.labels[2])
		known(t, file+": "+string(id), b.attributes, terraformArguments[kind]...)
		if resources[id] != nil {
			t.Errorf("%s: %s is there twice", file, id)
		}
		resources[id] = b.attributes
	}
	for id, r := range resources {
		for name, v := range r {
			if to, ok := v.(reference); ok && resources[reference(strings.TrimSuffix(string(to), ".id"))] == nil {
				t.Errorf("%s: %s: %s is %s, which is not there", file, id, name, to)
			}
		}
		switch kind, _, _ := strings.Cut(string(id), "."); kind {
		case "kong_route":
			e.Paths, e.Hosts = texts(list(r, "paths")), texts(list(r, "hosts"))
			after = list(r, "depends_on")
		case "kong_consumer":
			username[id] = text(r, "username")
			consumers[id] = consumer{CustomID: text(r, "custom_id"), Plugins: map[string]object{}}
		}
	}
	for id, r := range resources {
		of, _ := r["consumer_id"].(reference)
		of = reference(strings.TrimSuffix(string(of), ".id"))
		c := consumers[of]
		switch kind, _, _ := strings.Cut(string(id), "."); {
		case kind == "kong_consumer_key_auth":
			c.Keys = append(c.Keys, text(r, "key"))
			consumers[of] = c
		case kind == "kong_plugin" && of != "":
			c.Plugins[text(r, "name")] = plain(t, r["config_json"])
		case kind == "kong_plugin":
			e.Plugins[text(r, "name")] = plain(t, r["config_json"])
		}
		if strings.HasPrefix(string(id), "kong_plugin.") && !slices.Contains(after, any(id)) {
			t.Errorf("%s: the route does not wait for %s, so that requests pass meanwhile", file, id)
		}
	}
	for id, c := range consumers {
		e.Consumers[username[id]] = c
	}
	return e
}

// Terraform itself takes the files as they are written.
func TestTerraformFormat(t *testing.T) {
	terraform, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("NO TERRAFORM HERE: the examples were read by the tests alone")
	}
	dir, err := filepath.Abs("../examples")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(terraform, "fmt", "-check", "-diff", "-recursive", dir).Output(); err != nil {
		t.Errorf("terraform fmt: %v\n%s", err, out)
	}
}
