package mtlsauth_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// policy lists for each package what it may import from this module and from others; a
// search for a package's name finds the packages that may import it. The standard library
// is free but for noStd. The table is the design: an import that does not fit it is to be
// removed, not added here.
var policy = map[string][]string{
	".":                 {"mtlsauth/cli"},
	"mtlsauth":          {"authn", "certheader", "config", "consumer", "engine", "filewatch", "flags", "handshake", "kongenv", "konglog", "lru", "luaserver", "metrics", "pluginserver", "github.com/Kong/go-pdk", "google.golang.org/protobuf"},
	"mtlsauth/cli":      {"mtlsauth", "mtlsauth/cli/demo", "doctor", "filewatch", "flags", "kong", "kongdata", "verify"},
	"mtlsauth/cli/demo": {"handshake", "kong", "testing/anykong", "testing/errlog", "testing/fakekong", "testing/pki"}, // not in a release

	"kong": {}, // the Lua plugin's files

	"mtlsauth/e2e":        {}, // tests alone
	"mtlsauth/e2e/faults": {},

	// How far it can be trusted: figures that anybody can make again.
	"mtlsauth/conformance":         {"certificate", "certpath", "testing/anykong", "testing/fakekong/...", "testing/pki", "testing/suites", "golang.org/x/crypto/cryptobyte", "golang.org/x/sync"},
	"mtlsauth/conformance/mutants": {},
	"mtlsauth/conformance/fuzz":    {},

	// Measures a real Kong from outside.
	"mtlsauth/bench":      {"mtlsauth/bench/load", "kong", "testing/pki", "testing/realkong"},
	"mtlsauth/bench/load": {},

	// The socket and Kong's plugin protocol.
	"pluginserver": {"github.com/Kong/go-pdk", "google.golang.org/protobuf"},

	// The server's side of Lua mode.
	"luaserver": {"authn", "certheader", "config", "consumer", "engine", "kongdata", "konglog", "lru", "metrics"},

	// What is counted, for Prometheus. Only the rim tells it anything; what else it has it
	// reads from the engine.
	"metrics": {"authn", "config", "engine", "github.com/prometheus/client_golang", "github.com/prometheus/client_model"},

	// go-pluginserver mode: a module of its own, with another go-pdk.
	"mtlsauth/goplugin":       {"authn", "config", "consumer", "engine", "flags", "handshake", "konglog", "github.com/Kong/go-pdk"},
	"mtlsauth/goplugin/query": {"config"},

	// Checks a live node.
	"doctor": {"certheader", "certificate", "certpath", "config", "consumer", "filewatch", "kongdata", "kongenv", "signature", "uuid", "verify"},

	// Explains a decision of the engine.
	"verify": {"authn", "certificate", "certpath", "config", "consumer", "engine", "flags", "kongdata", "konglog", "revocation"},

	// The plugin in every mode: a policy for each configuration, and what runs in
	// the background; the configuration in Kong's words; lines for Kong's log.
	"engine":  {"authn", "certheader", "config", "consumer", "flags", "kongdata", "kongenv", "konglog", "revocation", "revocation/..."},
	"config":  {"authn", "certheader", "certificate", "consumer", "revocation", "spiffe", "uuid"},
	"konglog": {"authn"},
	"flags":   {},

	// The decision: knows no protocol.
	"authn": {"certificate", "certpath", "consumer", "kongdata", "lru", "revocation", "spiffe"},

	// The domain rooms import each other downwards alone.
	"certificate": {"signature", "golang.org/x/crypto/cryptobyte"},
	"certheader":  {"golang.org/x/crypto/cryptobyte"},
	"certpath":    {"certificate", "signature", "golang.org/x/crypto/cryptobyte"},
	"signature":   {"golang.org/x/crypto/cryptobyte"},
	"spiffe":      {"certificate"},
	"kongdata":    {"certificate", "consumer", "filewatch", "kongenv", "signature", "uuid", "go.yaml.in/yaml/v3"},
	"kongenv":     {"filewatch"},
	"consumer":    {"certificate", "lru", "uuid", "golang.org/x/sync"},
	"uuid":        {},

	// Leaves that any room may share.
	"filewatch": {},
	"lru":       {},

	// Certificate status: what judges it (ocsp, crl) knows no network and no
	// clock.
	"revocation":          {"certificate", "revocation/...", "signature"},
	"revocation/address":  {},
	"revocation/cache":    {},
	"revocation/der":      {"golang.org/x/crypto/cryptobyte"},
	"revocation/fetch":    {"revocation/address"},
	"revocation/statedir": {},
	"revocation/crldir":   {"certificate", "filewatch", "revocation/crl"},
	"revocation/crl":      {"certificate", "revocation/address", "revocation/der", "signature", "golang.org/x/crypto/cryptobyte"},
	"revocation/ocsp":     {"certificate", "revocation/der", "signature", "golang.org/x/crypto/cryptobyte"},

	// Kong's side, for the demo and the tests.
	"testing/fakekong":     {"testing/anykong", "testing/errlog", "testing/fakekong/...", "github.com/yuin/gopher-lua", "github.com/Kong/go-pdk", "google.golang.org/protobuf", "go.yaml.in/yaml/v3"},
	"testing/fakekong/...": {"testing/errlog", "testing/fakekong/...", "lru", "github.com/yuin/gopher-lua", "github.com/Kong/go-pdk", "google.golang.org/protobuf", "go.yaml.in/yaml/v3"},
	"testing/realkong":     {"testing/anykong", "testing/errlog", "go.yaml.in/yaml/v3"},
	"handshake":            {},
	"testing/anykong":      {},
	"testing/errlog":       {},
	"testing/pki":          {"certificate", "golang.org/x/crypto/ocsp", "golang.org/x/crypto/cryptobyte"},
	"testing/cputime":      {},
	"testing/suites":       {},
}

// noStd are packages of the standard library that a room must do without:
// what judges does no I/O.
var noStd = map[string][]string{
	"authn":       {"net/http", "net", "os", "log"},
	"certificate": {"net/http", "os", "log", "context"},
	"certheader":  {"net/http", "net", "os", "log", "context"},
	"certpath":    {"net/http", "os", "log", "context"},
	"consumer":    {"net/http", "os", "log"},
	"signature":   {"net/http", "net", "os", "log", "context"},
	"spiffe":      {"net/http", "net", "os", "log", "context"},

	"revocation/ocsp": {"net/http", "os", "log", "context"},
	"revocation/crl":  {"net/http", "os", "log", "context"},
}

// noClock are the rooms to which the time is an argument.
var noClock = []string{"authn", "certificate", "certheader", "certpath", "consumer", "signature", "spiffe", "revocation/ocsp", "revocation/crl"}

const module = "mtls-auth/"

// room names a folder of the module as the tables do.
func room(dir string) string {
	return strings.TrimPrefix(filepath.ToSlash(dir), "mtlsauth/internal/")
}

// rule finds a room's entry, or that of the rooms around it.
func rule(room string) ([]string, bool) {
	if allowed, ok := policy[room]; ok {
		return allowed, true
	}
	for up := path.Dir(room); up != "."; up = path.Dir(up) {
		if allowed, ok := policy[up+"/..."]; ok {
			return allowed, true
		}
	}
	return nil, false
}

func permits(allowed []string, imported string) bool {
	return slices.ContainsFunc(allowed, func(a string) bool {
		if prefix, ok := strings.CutSuffix(a, "..."); ok {
			return strings.HasPrefix(imported, prefix)
		}
		// Of other modules, all of the module.
		return imported == a || strings.Contains(a, ".") && strings.HasPrefix(imported, a+"/")
	})
}

// violations returns what the files of a module do against the policy.
func violations(t *testing.T, root fs.FS) []string {
	t.Helper()
	var found []string
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := d.Name(); name != "." && (strings.HasPrefix(base, ".") || base == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		source, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, 0)
		if err != nil {
			return err
		}
		room := room(path.Dir(name))
		allowed, ok := rule(room)
		if !ok {
			found = append(found, name+": the policy has no room "+room)
			return nil
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			own, ours := strings.CutPrefix(imported, module)
			other := strings.Contains(strings.Split(imported, "/")[0], ".")
			switch {
			case ours:
				imported = strings.TrimPrefix(own, "mtlsauth/internal/")
				if !permits(allowed, imported) {
					found = append(found, name+" imports "+imported)
				}
			case other && !permits(allowed, imported), slices.Contains(noStd[room], imported):
				found = append(found, name+" imports "+imported)
			}
		}
		if slices.Contains(noClock, room) {
			ast.Inspect(file, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until"}, s.Sel.Name) {
						found = append(found, name+" calls time."+s.Sel.Name)
					}
				}
				return true
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestImportPolicy(t *testing.T) {
	for _, v := range violations(t, os.DirFS("..")) {
		t.Error(v)
	}
}

// The architecture page names each package, so that a reader finds the room of any line.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	page, err := parser.ParseFile(token.NewFileSet(), "mtlsauth.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	words := strings.FieldsFunc(page.Doc.Text(), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	for room := range policy {
		command := strings.HasPrefix(room, "mtlsauth/") && strings.Count(room, "/") > 1 // part of one
		if room == "." || command || strings.HasPrefix(room, "testing/") {
			continue
		}
		if !slices.Contains(words, path.Base(room)) {
			t.Errorf("mtlsauth.go does not say what %s is for", room)
		}
	}
}

// The check itself must be able to fail.
func TestImportPolicyFindsViolations(t *testing.T) {
	dir := t.TempDir()
	for name, source := range map[string]string{
		"mtlsauth/internal/certpath/a.go":  `package a; import (_ "mtls-auth/mtlsauth/internal/kongdata"; _ "net/http")`,
		"mtlsauth/internal/authn/a.go":     `package a; import "time"; var now = time.Now()`,
		"mtlsauth/internal/signature/a.go": `package a; import _ "github.com/Kong/go-pdk/nginx"`,
		"mtlsauth/internal/strange/a.go":   `package a`,
		"main.go":                          `package main; import _ "mtls-auth/mtlsauth/internal/authn"`,
	} {
		if err := os.MkdirAll(filepath.Join(dir, path.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := violations(t, os.DirFS(dir))
	slices.Sort(got)
	want := []string{
		"main.go imports authn",
		"mtlsauth/internal/authn/a.go calls time.Now",
		"mtlsauth/internal/certpath/a.go imports kongdata",
		"mtlsauth/internal/certpath/a.go imports net/http",
		"mtlsauth/internal/signature/a.go imports github.com/Kong/go-pdk/nginx",
		"mtlsauth/internal/strange/a.go: the policy has no room strange",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
