package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// Ratios and differences are medians of those within a turn, whatever the machine
// did between turns.
func TestTable(t *testing.T) {
	first, second := &route{name: "first"}, &route{name: "second"}
	for turn, slow := range []float64{1, 10, 100} {
		first.figures = append(first.figures, figures{rate: 9000 / slow, p50: 1000, cpu: 40 * slow})
		second.figures = append(second.figures, figures{rate: 4500 / slow, p50: 2000, cpu: 40*slow + 5})
		if turn == 2 {
			second.figures[turn].rate *= 10 // one turn that is not like the others
		}
	}
	var out bytes.Buffer
	(&table{what: "what", routes: []*route{first, second}}).print(&out)
	for _, want := range []string{"first 900 1.00 1000 400.0 0.0", "second 450 0.50 2000 405.0 5.0"} {
		found := false
		for line := range strings.Lines(out.String()) {
			found = found || strings.Join(strings.Fields(line), " ") == want
		}
		if !found {
			t.Errorf("no row %q:\n%s", want, &out)
		}
	}
}

func TestGoal(t *testing.T) {
	for _, test := range []struct {
		name string
		goal goal
		want string
	}{
		{"at most, met", goal{"x", 1, 2, false}, "x: 1.00, at most 2.00\tmet"},
		{"at most, missed", goal{"x", 3, 2, false}, "x: 3.00, at most 2.00\tmissed"},
		{"at least, met", goal{"x", 2, 2, true}, "x: 2.00, at least 2.00\tmet"},
		{"at least, missed", goal{"x", 1, 2, true}, "x: 1.00, at least 2.00\tmissed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.goal.String(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestUse(t *testing.T) {
	for _, test := range []struct {
		name, command string
		args          []string
		code          int
		says          string
	}{
		{"no Kong", "", nil, 2, realkong.Variable},
		{"a command that does not exist", "/nonexistent/kong", nil, 1, "/nonexistent/kong"},
		{"no turns", "kong", []string{"-turns", "0"}, 2, "-turns"},
		{"an argument", "kong", []string{"more"}, 2, "no arguments"},
		{"an unknown flag", "kong", []string{"-hurry"}, 2, "hurry"},
		{"help", "", []string{"-help"}, 0, "-turns"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv(realkong.Variable, test.command)
			var out, errOut bytes.Buffer
			if code := run(t.Context(), test.args, &out, &errOut); code != test.code || !strings.Contains(errOut.String(), test.says) {
				t.Errorf("exit code %d, want %d; it says %q, want %q in it", code, test.code, &errOut, test.says)
			}
		})
	}
}

// With a Kong every route is measured, and each answers as it should.
func TestOnARealKong(t *testing.T) {
	if os.Getenv(realkong.Variable) == "" {
		t.Skip(realkong.Variable + " names no kong command")
	}
	var out, errOut bytes.Buffer
	if code := run(t.Context(), []string{"-turns", "1", "-lasts", "20ms"}, &out, &errOut); code != 0 {
		t.Fatalf("exit code %d: %s", code, &errOut)
	}
	for _, s := range append(pluginRoutes, nginxRoutes...) {
		if !strings.Contains(out.String(), "\n"+s.name+" ") {
			t.Errorf("no row for %s:\n%s", s.name, &out)
		}
	}
}
