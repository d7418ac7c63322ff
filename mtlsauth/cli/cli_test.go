package cli_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/cli"
)

// run runs the program under a name and returns its exit code and output.
func run(t *testing.T, name string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = cli.Run(append([]string{name}, args...), nil, &out, &errs)
	return code, out.String(), errs.String()
}

func TestWrongUseSaysWhatMustBeGiven(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"-admin-ulr", "x"}, "unknown flag -admin-ulr; did you mean -admin-url?"},
		{[]string{"-zzzzzzzzzzzzzz"}, "unknown flag -zzzzzzzzzzzzzz\n"},
		{[]string{"-prefix", "/x"}, "unknown flag -prefix; did you mean -kong-prefix?"},
		{[]string{"-max-crl-size", "1"}, "must be 1KiB to 1GiB"},
		{[]string{"-max-crl-size", "2GiB"}, "must be 1KiB to 1GiB"},
		{[]string{"-max-crl-size", "128MB"}, "must be 1KiB to 1GiB"},
		{[]string{"-deny-private=maybe"}, "must be true or false"},
		{[]string{"demoo"}, `unknown command "demoo"; did you mean demo?`},
		{[]string{"frobnicate"}, "unknown command \"frobnicate\"\n"},
		{[]string{"demoo"}, "\"mtls-auth -help\" says how it is used"},
		{[]string{"demo", "-x"}, "\"mtls-auth demo -help\" says how it is used"},
		{[]string{"-admin-allow-http=yes"}, "must be true or false"},
		{[]string{"-kong-prefix", ""}, "-kong-prefix: invalid value"},
		{[]string{"-dump", "extra"}, `unexpected argument "extra"`},
		{[]string{"-refresh", "1ms"}, `must be a duration from 1s to 24h`},
		{[]string{"-refresh", "10"}, `must be a duration from 1s to 24h`},
		{[]string{"-min-rsa-bits", "512"}, "must be 1024 to 8192"},
		{[]string{"-socket-mode", "0999"}, "must be an octal mode such as 0600 or 0660"},
		{[]string{"-socket-mode", "0400"}, "must be an octal mode such as 0600 or 0660"},
		{[]string{"-log-level", "notice"}, "must be debug, info, warn or error"},
		{[]string{"-log-format", "xml"}, "must be text or json"},
		{[]string{"-admin-url", "ftp://x"}, "admin-url"},
		{[]string{"-admin-url", "http://admin.example:8001"}, "admin-allow-http"},
		{[]string{"-admin-cert-file", "x"}, "admin-key-file"},
		{[]string{"lua"}, "-out DIR, the folder to write to, must be given"},
		{[]string{"lua", "-out", ""}, `invalid value "" for flag -out: must not be empty`},
		{[]string{"lua", "-out", "x", "y"}, `unexpected argument "y"`},
		{[]string{"lua", "-put", "x"}, "unknown flag -put; did you mean -out?"},
		{[]string{"lua", "-out", "/a;b"}, "must be a path without ; and ?"},
		{[]string{"luaa"}, `unknown command "luaa"; did you mean lua?`},
		{[]string{"version", "x"}, `unexpected argument "x"`},
		{[]string{"demo", "-serv"}, "unknown flag -serv; did you mean -serve?"},
		{[]string{"demo", "-port", "70000"}, "must be 1 to 65535"},
		{[]string{"verify"}, "-cert FILE must be given"},
		{[]string{"verify", "-cert", "x"}, "either -ca FILE or -config FILE must be given"},
		{[]string{"verify", "-cert", "/absent", "-ca", "/absent"}, "-cert: "},
		{[]string{"verify", "-cert", "x", "-ca", "x", "-route", "y"}, "-route and -plugin need -config"},
		{[]string{"verify", "-cert", "x", "-config", "x", "-route", "y", "-plugin", "1"}, "must be one of them"},
		{[]string{"verify", "-revocation", "strict"}, "must be STRICT, IGNORE_CA_ERROR or SKIP"},
		{[]string{"verify", "-at", "tomorrow"}, "must be a time such as"},
		{[]string{"doctor", "-key", "x"}, "-key and -chain need -cert"},
		{[]string{"doctor", "-cnnect", "x"}, "unknown flag -cnnect; did you mean -connect?"},
		{[]string{"ping", "-prefix", "x"}, "unknown flag -prefix; did you mean -kong-prefix?"},
		{[]string{"ping", "-timeout", "1"}, "must be a duration over 0"},
		{[]string{"demo", "-mode", "native"}, `-mode "native": must be lua or plugin-server`},
	} {
		code, stdout, stderr := run(t, "mtls-auth", append(test.args, prefixOf(t, test.args)...)...)
		if code != 2 || !strings.Contains(stderr, test.want) || stdout != "" {
			t.Errorf("%q: exit %d, stdout %q, stderr %q, want exit 2 and %q", test.args, code, stdout, stderr, test.want)
		}
	}
}

// prefixOf keeps a server that would start by mistake off the machine's Kong.
func prefixOf(t *testing.T, args []string) []string {
	if last := args[len(args)-1]; strings.HasPrefix(args[0], "-") && last != "extra" && last != "" {
		return []string{"-kong-prefix", filepath.Join(t.TempDir(), "absent")}
	}
	return nil
}

func TestFlagsFromTheEnvironment(t *testing.T) {
	t.Setenv("MTLS_AUTH_REFRESH", "never")
	code, _, stderr := run(t, "mtls-auth", "-kong-prefix", filepath.Join(t.TempDir(), "absent"))
	if code != 2 || !strings.Contains(stderr, `environment variable MTLS_AUTH_REFRESH: invalid value "never"`) {
		t.Errorf("exit %d, %q, want the variable named", code, stderr)
	}
	// The query command is not the server.
	if code, _, stderr := run(t, "mtls-auth", "-dump"); code != 0 {
		t.Errorf("-dump: exit %d, %q", code, stderr)
	}
	prefix := filepath.Join(t.TempDir(), "absent")
	t.Setenv("MTLS_AUTH_REFRESH", "")
	t.Setenv("MTLS_AUTH_KONG_PREFIX", prefix)
	if code, _, stderr := run(t, "mtls-auth"); code != 1 || !strings.Contains(stderr, prefix) {
		t.Errorf("exit %d, %q, want the prefix of the environment", code, stderr)
	}
	t.Setenv("MTLS_AUTH_MAX_CRL_SIZE", "much")
	if code, _, stderr := run(t, "mtls-auth"); code != 2 || !strings.Contains(stderr, `MTLS_AUTH_MAX_CRL_SIZE: invalid value "much": must be 1KiB to 1GiB`) {
		t.Errorf("exit %d, %q, want the variable refused", code, stderr)
	}
}

func TestAServerThatCanNotListen(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "absent")
	code, _, stderr := run(t, "mtls-auth", "-kong-prefix", prefix)
	if want := fmt.Sprintf("-kong-prefix %q: must be Kong's prefix", prefix); code != 1 || !strings.Contains(stderr, want) {
		t.Errorf("exit %d, %q, want exit 1 and %q", code, stderr, want)
	}
}

func TestDump(t *testing.T) {
	prefix := t.TempDir()
	for name, want := range map[string]string{
		"/usr/local/bin/mtls-auth":    "mtls-auth",
		"/usr/local/bin/mtls-auth-go": "mtls-auth-go",
	} {
		code, stdout, stderr := run(t, name, "-dump", "-kong-prefix", prefix)
		var info struct {
			Protocol, SocketPath string
			Plugins              []struct{ Name string }
		}
		if err := json.Unmarshal([]byte(stdout), &info); err != nil || code != 0 || stderr != "" {
			t.Fatalf("exit %d, stdout %q, stderr %q: %v", code, stdout, stderr, err)
		}
		if info.Protocol != "ProtoBuf:1" || info.SocketPath != filepath.Join(prefix, want+".socket") ||
			len(info.Plugins) != 1 || info.Plugins[0].Name != want {
			t.Errorf("got %+v, want plugin %s", info, want)
		}
	}
	if left, _ := os.ReadDir(prefix); len(left) > 0 {
		t.Errorf("the query command made %v", left)
	}
	t.Setenv("KONG_PREFIX", "/opt/kong")
	if _, stdout, _ := run(t, "mtls-auth", "-dump"); !strings.Contains(stdout, `"SocketPath":"/opt/kong/mtls-auth.socket"`) {
		t.Errorf("with KONG_PREFIX: %s", stdout)
	}
}

func TestTheOtherPluginDescribesItself(t *testing.T) {
	code, stdout, stderr := run(t, "/bin/header-cert-auth", "-dump", "-kong-prefix", "/kong")
	for _, want := range []string{`"SocketPath":"/kong/header-cert-auth.socket"`, `"Name":"header-cert-auth"`, `"Priority":1009`, `"secure_source"`} {
		if code != 0 || !strings.Contains(stdout, want) {
			t.Errorf("exit %d, %s has no %s (%s)", code, stdout, want, stderr)
		}
	}
}

func TestTheOtherPluginIsRefused(t *testing.T) {
	for _, args := range [][]string{{"lua", "-out", t.TempDir()}} {
		if code, stdout, stderr := run(t, "/bin/header-cert-auth", args...); code != 2 || stdout != "" || !strings.Contains(stderr, "header-cert-auth") {
			t.Errorf("%q: exit %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
}

func TestVersionAndHelp(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"-version"}, {"--version"}} {
		code, stdout, _ := run(t, "mtls-auth", args...)
		for _, want := range []string{"mtls-auth ", "\ncommit ", "\ngo-pdk ", "\ngo1.", "\nrun on Kong 3."} {
			if code != 0 || !strings.Contains("\n"+stdout, want) {
				t.Errorf("%q: exit %d, %q, want %q", args, code, stdout, want)
			}
		}
	}
	for _, args := range [][]string{{"-h"}, {"help"}, {"demo", "-help"}, {"lua", "-help"}, {"ping", "-help"}, {"verify", "-help"}, {"doctor", "-help"}, {"version", "--help"}} {
		if code, stdout, _ := run(t, "mtls-auth", args...); code != 0 || !strings.Contains(stdout, "usage:") {
			t.Errorf("%q: exit %d, %q", args, code, stdout)
		}
	}
	// A command's help has its own flags, and not the server's.
	for command, flag := range map[string]string{"demo": "-port", "lua": "-out", "ping": "-timeout"} {
		if _, stdout, _ := run(t, "mtls-auth", command, "-help"); !strings.Contains(stdout, "\n  "+flag+" ") || strings.Contains(stdout, "-admin-url") {
			t.Errorf("%s -help: %q", command, stdout)
		}
	}
	code, stdout, _ := run(t, "mtls-auth", "-help")
	if code != 0 {
		t.Errorf("help: exit %d", code)
	}
	for _, flag := range []string{"-admin-url URL", "-ca-dir DIR", "-socket-mode MODE", "-log-level LEVEL", "-log-format FORMAT", "-kong-prefix DIR", "-min-rsa-bits BITS", "-refresh DURATION"} {
		if !strings.Contains(stdout, flag) {
			t.Errorf("help does not tell of %s:\n%s", flag, stdout)
		}
	}
}

// The versions that the program names are those of the page about runs.
func TestVersionNamesTheKongsOfThePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/verified.md")
	if err != nil {
		t.Fatal(err)
	}
	_, stdout, _ := run(t, "mtls-auth", "version")
	_, versions, _ := strings.Cut(strings.TrimSpace(stdout), "run on Kong ")
	for version := range strings.SplitSeq(versions, ", ") {
		if !strings.Contains(string(page), version) {
			t.Errorf("docs/verified.md has no run on Kong %s", version)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestOutputThatCannotBeWritten(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"-help"}, {"-dump"}, {"lua", "-out", t.TempDir()}} {
		var stderr strings.Builder
		if code := cli.Run(append([]string{"/bin/mtls-auth"}, args...), nil, full{}, &stderr); code != 1 || !strings.Contains(stderr.String(), "no space left") {
			t.Errorf("%q: exit %d, %q, want exit 1", args, code, stderr.String())
		}
	}
}

func TestPingWithoutAServer(t *testing.T) {
	prefix := t.TempDir()
	code, stdout, stderr := run(t, "mtls-auth", "ping", "-kong-prefix", prefix)
	if want := "there is no socket at " + filepath.Join(prefix, "mtls-auth.socket"); code != 1 || stdout != "" || !strings.Contains(stderr, want) {
		t.Errorf("exit %d, %q, %q, want %q", code, stdout, stderr, want)
	}
	if left, _ := os.ReadDir(prefix); len(left) > 0 {
		t.Errorf("ping made %v", left)
	}
	t.Setenv("MTLS_AUTH_KONG_PREFIX", prefix+"/2")
	if _, _, stderr := run(t, "mtls-auth-go", "ping"); !strings.Contains(stderr, filepath.Join(prefix, "2", "mtls-auth-go.socket")) {
		t.Errorf("%q, want the prefix of the environment and the name of the program", stderr)
	}
}

// A server that runs, in either mode, and one that only listens.
func TestPing(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string][]string{"plugin-server mode": nil, "Lua mode": {"-lua-mode"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			prefix := t.TempDir()
			stdin, end, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan int)
			go func() {
				ended <- cli.Run(append([]string{"mtls-auth", "-kong-prefix", prefix}, mode...), stdin, io.Discard, io.Discard)
			}()
			var code int
			var stdout, stderr string
			for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
				if code, stdout, stderr = run(t, "mtls-auth", "ping", "-kong-prefix", prefix, "-timeout", "10s"); code == 0 {
					break
				}
			}
			if want := fmt.Sprintf("answers, ready to decide (pid %d)\n", os.Getpid()); code != 0 || !strings.HasSuffix(stdout, want) {
				t.Errorf("exit %d, %q, %q, want %q", code, stdout, stderr, want)
			}
			end.Close()
			<-ended
			if code, _, stderr := run(t, "mtls-auth", "ping", "-kong-prefix", prefix); code != 1 || !strings.Contains(stderr, "it has ended") {
				t.Errorf("after its end: exit %d, %q", code, stderr)
			}
		})
	}
	silent := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(silent, "mtls-auth.socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if code, _, stderr := run(t, "mtls-auth", "ping", "-kong-prefix", silent, "-timeout", "50ms"); code != 1 || !strings.Contains(stderr, "gives no answer within 50ms") {
		t.Errorf("one that is silent: exit %d, %q", code, stderr)
	}
}
