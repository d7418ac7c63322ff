package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
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
	fromEnvironment := readEnvironment(set)
	if err := parse(set, args); err != nil {
		return wrongUse(stderr, "%v", err)
	}
	if flags.help {
		return help(stdout)
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
	// Kong runs the query command in another environment than the server, which
	// is the one that has to be right.
	if fromEnvironment != nil {
		return wrongUse(stderr, "%v", fromEnvironment)
	}
	if flags.Prefix == "" {
		return wrongUse(stderr, "-kong-prefix: invalid value \"\": Kong's prefix, a folder, is needed")
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

func help(stdout io.Writer) int {
	fmt.Fprint(stdout, usage, "\nflags of the plugin server, each but the first two also as an environment variable\n"+
		"(-admin-url is MTLS_AUTH_ADMIN_URL):\n")
	set := new(serverFlags).define()
	set.SetOutput(stdout)
	set.PrintDefaults()
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
	f.Prefix = prefix
	boolean(set, &f.dump, "dump", "print what Kong's query command asks for and end")
	boolean(set, &f.help, "help", "say how the program is used")
	set.Func("kong-prefix", "Kong's prefix `DIR`, where the socket lies (default $KONG_PREFIX, else /usr/local/kong)", func(value string) error {
		f.Prefix = value
		return nil
	})
	set.StringVar(&f.CADir, "ca-dir", "", "`DIR` with CA certificates: UUID.pem files, or folders with the keys id and cert, as a mounted Secret has them")
	set.StringVar(&f.DeclarativeConfig, "declarative-config", "", "Kong declarative `FILE` with ca_certificates")
	set.StringVar(&f.Credentials, "credentials", "", "`FILE` of manual mappings in decK's format: consumers with mtls_auth_credentials")
	set.StringVar(&f.AdminURL, "admin-url", "", "`URL` of Kong's Admin API: https://, unix:PATH, or http:// to loopback")
	boolean(set, &f.AdminAllowHTTP, "admin-allow-http", "allow plain http to an Admin API that is not at loopback")
	set.StringVar(&f.AdminTokenFile, "admin-token-file", "", "`FILE` with the Kong-Admin-Token")
	set.StringVar(&f.AdminCAFile, "admin-ca-file", "", "PEM `FILE` of the CAs that the Admin API's certificate is verified with")
	set.StringVar(&f.AdminCertFile, "admin-cert-file", "", "PEM `FILE` of the client certificate for the Admin API")
	set.StringVar(&f.AdminKeyFile, "admin-key-file", "", "PEM `FILE` of its private key")
	set.StringVar(&f.CRLDir, "crl-dir", "", "`DIR` with CRLs, DER or PEM, complete and delta, which answer before any address is visited")
	set.StringVar(&f.StateDir, "state-dir", "", "`DIR` in which OCSP answers and CRLs outlive a restart")
	set.Func("max-crl-size", "the largest CRL, as `SIZE` in bytes or with KiB, MiB or GiB, 1KiB to 1GiB (default 128MiB)", f.maxCRLSize)
	boolean(set, &f.DenyPrivate, "deny-private", "visit no OCSP responder and no CRL at a private or loopback address")
	f.Refresh, f.MinRSABits, f.SocketMode, f.MaxCRLSize = 10*time.Second, 2048, 0o600, 128<<20
	set.Func("refresh", "`DURATION` after which CA certificates are asked for anew, 1s to 24h (default 10s)", f.refresh)
	set.Func("min-rsa-bits", "RSA keys below so many `BITS` are refused, 1024 to 8192 (default 2048)", f.minRSABits)
	set.Func("socket-mode", "`MODE` of the socket's file, octal (default 0600)", f.socketMode)
	set.Func("log-level", "what is logged, to Kong and to the output: the `LEVEL` debug, info, warn or error (default info)", f.logLevel)
	set.Func("log-format", "`FORMAT` of the output: text or json (default text)", f.logFormat)
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

func (f *serverFlags) maxCRLSize(value string) error {
	number, unit := value, int64(1)
	for suffix, bytes := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if before, ok := strings.CutSuffix(value, suffix); ok {
			number, unit = before, bytes
		}
	}
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || n < 1 || n*unit < 1<<10 || n*unit > 1<<30 {
		return errors.New("1KiB to 1GiB are allowed, as a number of bytes or with KiB, MiB or GiB")
	}
	f.MaxCRLSize = n * unit
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

// boolean defines a flag whose error says what is allowed.
func boolean(set *flag.FlagSet, p *bool, name, usage string) {
	set.BoolFunc(name, usage, func(value string) error {
		b, err := strconv.ParseBool(value)
		if err != nil {
			return errors.New("true and false are allowed")
		}
		*p = b
		return nil
	})
}

// readEnvironment reads flags from the environment. A variable that is empty
// is as one that is not there.
func readEnvironment(set *flag.FlagSet) error {
	var wrong []error
	set.VisitAll(func(f *flag.Flag) {
		value := os.Getenv(environmentName(f.Name))
		if value == "" || f.Name == "dump" || f.Name == "help" {
			return
		}
		if err := set.Set(f.Name, value); err != nil {
			wrong = append(wrong, fmt.Errorf("environment variable %s: invalid value %q: %w", environmentName(f.Name), value, err))
		}
	})
	return errors.Join(wrong...)
}

// parse reads flags from the arguments, which win over the environment.
func parse(set *flag.FlagSet, args []string) error {
	err := set.Parse(args)
	if errors.Is(err, flag.ErrHelp) { // -h
		return set.Set("help", "true")
	}
	if err != nil {
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

func unknownFlag(set *flag.FlagSet, name string) error {
	var known []string
	set.VisitAll(func(f *flag.Flag) { known = append(known, f.Name) })
	return fmt.Errorf("unknown flag -%s%s", name, didYouMean(name, known, "-"))
}
