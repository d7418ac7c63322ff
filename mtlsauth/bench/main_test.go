package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/bench/kong"
	"mtls-auth/mtlsauth/bench/load"
	"mtls-auth/mtlsauth/bench/role"
	"mtls-auth/mtlsauth/bench/server"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

func TestMain(m *testing.M) {
	role.Main(ownRoles, server.Roles, kong.Roles, load.Roles) // the processes of these tests are this program
	os.Exit(m.Run())
}

// bare runs the program and returns what it prints.
func bare(t *testing.T, want int, args ...string) (out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if got := run(args, &stdout, &stderr); got != want {
		t.Fatalf("%q: exit code %d, want %d: %s%s", args, got, want, &stdout, &stderr)
	}
	return stdout.String(), stderr.String()
}

// Everything is measured and told of; what the figures are is nobody's business
// in a test.
func TestAllIsMeasured(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes several seconds")
	}
	t.Setenv(realkong.Variable, "") // TestThroughKong has it
	drawing := filepath.Join(t.TempDir(), "growth.svg")
	out, _ := bare(t, 0, "-quick", "-rounds", "1", "-requests", "20", "-svg", drawing)
	for _, row := range []string{
		oursWarm, oursConsumer, oursNone, oursBad, sixCalls, twoCalls, naive, byHand, byHandExit,
		"RSA 2048, 1 level ", "RSA 2048, 2 levels", "P-256, 1 level ", "P-256, 2 levels", "Ed25519, 1 level ", "Ed25519, 2 levels",
		"1 ", "2 ", "4 ", "8 ", "64 ",
		"nothing", "a CRL of 10000 entries is read every 2s", "another server reads it",
		"1000 new certificates a second", "another server judges them",
		"certificates ", "configurations", "CA certificates", "names in a certificate",
		"left out: MTLS_AUTH_KONG ",
	} {
		if !strings.Contains(out, "\n"+row) {
			t.Errorf("no row begins with %q:\n%s", row, out)
		}
	}
	_, goals, found := strings.Cut(out, "\ngoals\n")
	met, missed := strings.Count(goals, "goal met"), strings.Count(goals, "missed")
	if !found || met+missed != 18 {
		t.Errorf("%d goals are met and %d missed, want 18 in all:\n%s", met, missed, goals)
	}
	text, err := os.ReadFile(drawing)
	if err != nil {
		t.Fatal(err)
	}
	wellFormed(t, text)
}

func wellFormed(t *testing.T, text []byte) {
	t.Helper()
	for in := xml.NewDecoder(bytes.NewReader(text)); ; {
		if _, err := in.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("the drawing: %v\n%s", err, text)
		}
	}
}

func TestOnlyOneSectionIsMeasured(t *testing.T) {
	out, _ := bare(t, 0, "-quick", "-rounds", "1", "-requests", "20", "-only", "cold")
	if !strings.Contains(out, "\ncold: ") || strings.Contains(out, "\nwarm: ") {
		t.Errorf("asked for cold alone:\n%s", out)
	}
}

func TestWrongUse(t *testing.T) {
	for _, args := range [][]string{
		{"-only", "lukewarm"}, {"-rounds", "0"}, {"-requests", "-1"}, {"-hurry"}, {"more"},
	} {
		if _, errOut := bare(t, 2, args...); errOut == "" {
			t.Errorf("%q: nothing says what is wrong", args)
		}
	}
	bare(t, 0, "-help")
}
