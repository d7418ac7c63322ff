package realkong

import (
	"strings"
	"testing"
)

// No database of other use is ever emptied.
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
