package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mtls-auth/mtlsauth"
)

// serverFlags are the plugin server's flags as they were given.
type serverFlags struct {
	mtlsauth.ServerOptions
	dump bool
	help bool
}

// serve is the plugin server, or Kong's query command.
func serve(name string, args []string, stdin *os.File, stdout, stderr io.Writer) int {
	if name == headerCertAuth {
		fmt.Fprintf(stderr, "mtls-auth: called as %s, a plugin that version %s does not have: install it under another name\n", name, mtlsauth.Version)
		return exitUsage
	}
	flags := serverFlags{ServerOptions: mtlsauth.ServerOptions{Name: name}}
	set := flags.define()
	if err := parse(set, args); err != nil {
		return wrongUse(stderr, "%v", err)
	}
	if flags.help {
		fmt.Fprint(stdout, usage, "\nflags of the plugin server, each also as an environment variable (-admin-url is MTLS_AUTH_ADMIN_URL):\n")
		set.SetOutput(stdout)
		set.PrintDefaults()
		return exitFine
	}
	if flags.dump {
		out, err := mtlsauth.Dump(name, flags.Prefix)
		if err != nil {
			fmt.Fprintf(stderr, "mtls-auth: %v\n", err)
			return exitNo
		}
		stdout.Write(out)
		return exitFine
	}
	// What the server makes is nobody else's business; the socket gets its mode
	// by name.
	syscall.Umask(0o077)
	err := mtlsauth.Serve(flags.ServerOptions, stdin, stderr)
	var wrong *mtlsauth.UsageError
	if errors.As(err, &wrong) {
		return wrongUse(stderr, "%v", err)
	}
	if err != nil {
		fmt.Fprintf(stderr, "mtls-auth: %v\n", err)
		return exitNo
	}
	return exitFine
}

func (f *serverFlags) define() *flag.FlagSet {
	set := flag.NewFlagSet("mtls-auth", flag.ContinueOnError)
	set.SetOutput(io.Discard) // Run says what is wrong
	set.Usage = func() {}
	prefix := os.Getenv("KONG_PREFIX")
	if prefix == "" {
		prefix = "/usr/local/kong"
	}
	set.BoolVar(&f.help, "help", false, "say how the program is used")
	set.BoolVar(&f.help, "h", false, "say how the program is used")
	set.BoolVar(&f.dump, "dump", false, "print what Kong's query command asks for and end")
	set.StringVar(&f.Prefix, "kong-prefix", prefix, "Kong's prefix `DIR`, where the socket lies; the default is $KONG_PREFIX, else /usr/local/kong")
	set.StringVar(&f.CADir, "ca-dir", "", "`DIR` with CA certificates: UUID.pem files, or folders with the keys id and cert, as a mounted Secret has them")
	set.StringVar(&f.DeclarativeConfig, "declarative-config", "", "Kong declarative `FILE` with ca_certificates")
	set.StringVar(&f.AdminURL, "admin-url", "", "`URL` of Kong's Admin API: https://, unix:PATH, or http:// to loopback")
	set.BoolVar(&f.AdminAllowHTTP, "admin-allow-http", false, "allow plain http to an Admin API that is not at loopback")
	set.StringVar(&f.AdminTokenFile, "admin-token-file", "", "`FILE` with the Kong-Admin-Token")
	set.StringVar(&f.AdminCAFile, "admin-ca-file", "", "PEM `FILE` of the CAs that the Admin API's certificate is verified with")
	set.StringVar(&f.AdminCertFile, "admin-cert-file", "", "PEM `FILE` of the client certificate for the Admin API")
	set.StringVar(&f.AdminKeyFile, "admin-key-file", "", "PEM `FILE` of its private key")
	f.Refresh, f.MinRSABits, f.SocketMode = 10*time.Second, 2048, 0o600
	set.Func("refresh", "`DURATION` after which CA certificates are asked for anew, 1s to 24h (default 10s)", f.refresh)
	set.Func("min-rsa-bits", "RSA keys below so many `BITS` are refused, 1024 to 8192 (default 2048)", f.minRSABits)
	set.Func("socket-mode", "`MODE` of the socket's file, octal (default 0600)", f.socketMode)
	set.Func("log-level", "debug, info, warn or error: what is logged, to Kong and to the output (default info)", f.logLevel)
	set.Func("log-format", "text or json: of the output (default text)", f.logFormat)
	return set
}

func (f *serverFlags) socketMode(value string) error {
	mode, err := strconv.ParseUint(value, 8, 32)
	if err != nil || mode > 0o777 || mode&0o600 != 0o600 {
		return errors.New("an octal mode such as 0600 or 0660 is allowed")
	}
	f.SocketMode = fs.FileMode(mode)
	return nil
}

func (f *serverFlags) logLevel(value string) error {
	levels := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	level, ok := levels[value]
	if !ok {
		return errors.New("debug, info, warn and error are allowed")
	}
	f.LogLevel = level
	return nil
}

func (f *serverFlags) logFormat(value string) error {
	if value != "text" && value != "json" {
		return errors.New("text and json are allowed")
	}
	f.LogJSON = value == "json"
	return nil
}

func (f *serverFlags) refresh(value string) error {
	d, err := time.ParseDuration(value)
	if err != nil || d < time.Second || d > 24*time.Hour {
		return errors.New("a duration from 1s to 24h is allowed, such as 30s")
	}
	f.Refresh = d
	return nil
}

// minRSABits does not go below 1024: shorter keys were factored.
func (f *serverFlags) minRSABits(value string) error {
	bits, err := strconv.Atoi(value)
	if err != nil || bits < 1024 || bits > 8192 {
		return errors.New("1024 to 8192 are allowed")
	}
	f.MinRSABits = bits
	return nil
}

// parse reads flags from the environment and then, which wins, from args.
func parse(set *flag.FlagSet, args []string) error {
	var err error
	set.VisitAll(func(f *flag.Flag) {
		variable := environmentName(f.Name)
		value, ok := os.LookupEnv(variable)
		if !ok || err != nil || f.Name == "kong-prefix" || f.Name == "dump" || f.Name == "help" || f.Name == "h" {
			return
		}
		if e := set.Set(f.Name, value); e != nil {
			err = fmt.Errorf("environment variable %s: invalid value %q: %w", variable, value, e)
		}
	})
	if err != nil {
		return err
	}
	if err := set.Parse(args); err != nil {
		if name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
			return unknownFlag(set, name)
		}
		return err
	}
	if set.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", set.Arg(0))
	}
	return nil
}

func environmentName(name string) string {
	return "MTLS_AUTH_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// laterFlags belong to what this version does not do. They are refused by
// name: passed over, one would believe that they work.
var laterFlags = []string{"credentials", "crl-dir", "state-dir", "max-crl-size", "deny-private"}

func unknownFlag(set *flag.FlagSet, name string) error {
	if slices.Contains(laterFlags, name) {
		return fmt.Errorf("flag -%s is not served by version %s", name, mtlsauth.Version)
	}
	var known []string
	set.VisitAll(func(f *flag.Flag) { known = append(known, f.Name) })
	return fmt.Errorf("unknown flag -%s%s", name, didYouMean(name, known, "-"))
}
