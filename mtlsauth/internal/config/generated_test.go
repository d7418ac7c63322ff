package config

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the generated files")

// upToDate compares a generated file with what it should be, or writes it.
func upToDate(t *testing.T, file string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the table of fields says: run go generate ./mtlsauth/internal/config", file)
	}
}

// go-pluginserver makes a schema of the fields of a struct.
func TestGoPluginIsUpToDate(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(`// Code generated from the table of fields in mtlsauth/internal/config. DO NOT EDIT.

package main

// Config is a configuration. go-pluginserver makes Kong's schema of its fields, which has
// no defaults, nothing that is required and no bounds: those are checked when an instance
// starts. The fields are for that schema alone and stay empty; only pointers are no fields
// of it.
type Config struct {
`)
	fields := fieldsOf(MTLSAuth) // go-pluginserver mode has no other plugin
	writeGoFields(&b, fields)
	b.WriteString("\n\tinstance *instance\n}\n")
	for _, f := range fields {
		if f.records != nil {
			fmt.Fprintf(&b, "\n// %s is an element of %s.\ntype %[1]s struct {\n", f.goName(), f.name)
			writeGoFields(&b, f.records)
			b.WriteString("}\n")
		}
	}
	source, err := format.Source(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	upToDate(t, "../../goplugin/fields.go", source)
}

func writeGoFields(b *bytes.Buffer, fields []field) {
	for _, f := range fields {
		types := map[kind]string{boolean: "bool", text: "string", number: "float64", integer: "int", array: "[]string"}
		goType := types[f.kind]
		if f.records != nil {
			goType = "[]" + f.goName()
		}
		fmt.Fprintf(b, "\t%s %s `json:%q`\n", f.goName(), goType, f.name)
	}
}

// goName is the name as Go writes names.
func (f field) goName() string {
	var b strings.Builder
	for word := range strings.SplitSeq(f.name, "_") {
		switch word {
		case "ca", "dn", "http", "https", "san", "spiffe", "ssl", "ttl":
			b.WriteString(strings.ToUpper(word))
		default:
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}

// The documentation's tables of fields lie between such lines, in whichever page: that of
// mtls-auth's fields, and that of the fields that header-cert-auth has besides.
const (
	tableBegins       = "<!-- fields: go generate ./mtlsauth/internal/config -->\n"
	headerTableBegins = "<!-- fields of header-cert-auth: go generate ./mtlsauth/internal/config -->\n"
	tableEnds         = "<!-- end of fields -->\n"
)

func TestDocumentationIsUpToDate(t *testing.T) {
	own := slices.DeleteFunc(fieldsOf(HeaderCertAuth), func(f field) bool { return f.plugin == "" })
	documented(t, tableBegins, table(fieldsOf(MTLSAuth)))
	documented(t, headerTableBegins, table(own))
}

// documented compares a table in the documentation with what it should be.
func documented(t *testing.T, tableBegins, table string) {
	t.Helper()
	pages, err := filepath.Glob("../../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, page := range append(pages, "../../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		before, rest, begins := strings.Cut(string(text), tableBegins)
		_, after, ends := strings.Cut(rest, tableEnds)
		if begins && !ends {
			t.Errorf("%s has %q and not %q after it", page, tableBegins, tableEnds)
		} else if begins {
			found = true
			upToDate(t, page, []byte(before+tableBegins+table+tableEnds+after))
		}
	}
	if !found {
		t.Errorf("no page has the line %q", tableBegins)
	}
}

// table is fields as a table in Markdown.
func table(fields []field) string {
	var b strings.Builder
	b.WriteString("| field | type | default | |\n|---|---|---|---|\n")
	for _, f := range fields {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.name, f.typeInWords(), f.defaultInWords(), f.text)
	}
	return b.String()
}

func (f field) typeInWords() string {
	element := string(f.kind)
	switch {
	case f.uuid:
		element = "UUID"
	case f.form != nil:
		element = f.form.short
	case f.oneOf != nil:
		element = "`" + strings.Join(f.oneOf, "`, `") + "`"
	case f.records != nil:
		var names []string
		for _, r := range f.records {
			names = append(names, "`"+r.name+"`")
		}
		element = "records of " + strings.Join(names, ", ")
	case f.kind == array:
		element = string(text)
	case f.bounds.expected != "":
		_, element, _ = strings.Cut(f.expected(), " ") // without its article
	}
	if f.kind == array {
		return "array of " + element
	}
	return element
}

func (f field) defaultInWords() string {
	switch fallback := f.fallback.(type) {
	case nil:
		if f.required {
			return "required"
		}
		return "none"
	case []string:
		if len(fallback) == 0 {
			return "`[]`"
		}
		return "`" + strings.Join(fallback, "`, `") + "`"
	}
	return fmt.Sprintf("`%v`", f.fallback)
}
