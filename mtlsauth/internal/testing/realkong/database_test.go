package realkong

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/anykong"
)

func TestParsePostgres(t *testing.T) {
	got, err := ParsePostgres("127.0.0.1:5432/kong_tests")
	if want := (Postgres{Host: "127.0.0.1", Port: "5432", Database: "kong_tests"}); err != nil || got != want {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
	for _, text := range []string{"", "127.0.0.1:5432", "127.0.0.1/kong_tests", "127.0.0.1:5432/kong", ":5432/tests", "a:/tests"} {
		if got, err := ParsePostgres(text); err == nil || !strings.Contains(err.Error(), PostgresVariable) || got != (Postgres{}) {
			t.Errorf("%q: got %+v (%v)", text, got, err)
		}
	}
}

func TestSettingsWithADatabase(t *testing.T) {
	k := &Kong{config: "/p.d/kong.json", opts: Options{
		Postgres: &Postgres{Host: "127.0.0.1", Port: "5432", Database: "tests"}, Options: anykong.Options{LuaPath: "/lua"}, Settings: []string{"db_update_frequency = 1"},
	}}
	text := k.settings("/p.d")
	for _, want := range []string{
		"database = postgres\npg_host = 127.0.0.1\npg_port = 5432\npg_user = kong\npg_database = tests\n",
		"\nlua_package_path = /lua/?.lua;;\n", "\ndb_update_frequency = 1\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "declarative_config") {
		t.Errorf("a file besides the database:\n%s", text)
	}
	if err := k.Configure(nil); err == nil {
		t.Error("a database was replaced by a file")
	}
}

// The first node makes the database, and a further one leaves it as it is.
func TestTheDatabaseOfAFirstNode(t *testing.T) {
	dir := t.TempDir()
	command, calls := filepath.Join(dir, "kong"), filepath.Join(dir, "calls")
	// As kong does where there is nothing to reset.
	script := `#!/bin/sh
echo "$1 $2" >>` + calls + `
if [ "$2" = reset ]; then echo "Database not bootstrapped, nothing to reset"; exit 1; fi
if [ "$2" = "$FAILS" ]; then echo "it fails"; exit 1; fi
`
	if err := os.WriteFile(command, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		first bool
		fails string
		want  string
	}{
		{true, "", "migrations reset\nmigrations bootstrap\nconfig db_import\nstart -c\n"},
		{true, "bootstrap", "migrations reset\nmigrations bootstrap\n"},
		{false, "", "start -c\n"},
	} {
		t.Setenv("FAILS", test.fails)
		k, err := Start(context.Background(), Options{
			Command: command, Postgres: &Postgres{Host: "127.0.0.1", Port: "1", Database: "tests", First: test.first},
			Options: anykong.Options{Prefix: filepath.Join(t.TempDir(), "kong")},
		})
		if test.fails == "" && err != nil || test.fails != "" && (err == nil || !strings.Contains(err.Error(), "it fails")) {
			t.Errorf("first %v: %v", test.first, err)
		}
		if k != nil {
			k.Close()
		}
		got, err := os.ReadFile(calls)
		if err != nil || string(got) != test.want {
			t.Errorf("first %v: kong was run with\n%s\nwant\n%s", test.first, got, test.want)
		}
		os.Remove(calls)
	}
}

// Another process may take a port in between: then others are tried, a few times.
func TestAPortThatIsTaken(t *testing.T) {
	dir := t.TempDir()
	command, seen := filepath.Join(dir, "kong"), filepath.Join(dir, "seen")
	script := `#!/bin/sh
grep ^proxy_listen "$3" >>` + seen + `
[ $(wc -l <` + seen + `) -gt "$TAKEN" ] || { echo "bind() failed (98: Address already in use)"; exit 1; }
`
	if err := os.WriteFile(command, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		taken string
		want  int
		fails bool
	}{{"0", 1, false}, {"2", 3, false}, {"9", 4, true}} {
		t.Run(test.taken, func(t *testing.T) {
			t.Setenv("TAKEN", test.taken)
			k, err := Start(context.Background(), Options{Command: command, Options: anykong.Options{Prefix: filepath.Join(t.TempDir(), "kong")}})
			if k != nil {
				k.Close()
			}
			text, _ := os.ReadFile(seen)
			os.Remove(seen)
			lines := strings.Split(strings.TrimSpace(string(text)), "\n")
			different := slices.Compact(slices.Clone(lines))
			if (err != nil) != test.fails || len(lines) != test.want || len(different) != test.want {
				t.Errorf("ended with %v after %q", err, lines)
			}
		})
	}
}
