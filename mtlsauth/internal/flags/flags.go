package flags

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// defaultPrefix is Kong's.
const defaultPrefix = "/usr/local/kong"

// DefaultPrefix is the prefix where no flag gives it, as the environment has it.
func DefaultPrefix() string {
	return cmp.Or(os.Getenv(environmentName("kong-prefix")), os.Getenv("KONG_PREFIX"), defaultPrefix)
}

// Flags defines a flag for each option but Name, and sets the defaults.
func (o *Options) Flags(set *flag.FlagSet) {
	o.Prefix = cmp.Or(os.Getenv("KONG_PREFIX"), defaultPrefix)
	set.Func("kong-prefix", "Kong's prefix `DIR`, where the socket lies (default $KONG_PREFIX, else /usr/local/kong)", func(value string) error {
		o.Prefix = value
		return nil
	})
	set.StringVar(&o.CADir, "ca-dir", "", "`DIR` with CA certificates: UUID.pem files, or folders with the keys id and cert, as a mounted Secret has them")
	set.StringVar(&o.DeclarativeConfig, "declarative-config", "", "Kong declarative `FILE` with ca_certificates, consumers and mtls_auth_credentials")
	set.StringVar(&o.Credentials, "credentials", "", "`FILE` with credentials in decK's format: consumers with mtls_auth_credentials")
	o.AdminFlags(set)
	set.StringVar(&o.CRLDir, "crl-dir", "", "`DIR` with CRLs, DER or PEM, complete and delta: no URL is fetched for what they decide")
	set.StringVar(&o.StateDir, "state-dir", "", "`DIR` in which OCSP responses and CRLs are stored, so that they survive a restart")
	o.CheckFlags(set)
	o.Refresh, o.SocketMode = 10*time.Second, 0o600
	set.Func("refresh", "`DURATION` after which CA certificates are read again, 1s to 24h (default 10s)", o.refresh)
	set.Func("socket-mode", "`MODE` of the socket's file, octal (default 0600)", o.socketMode)
	set.Func("metrics-listen", "`ADDRESS` at which metrics are served for Prometheus: a loopback host:port, or unix:PATH", o.metricsListen)
	set.Func("log-level", "what is logged, to Kong and to the output: the `LEVEL` debug, info, warn or error (default info)", o.logLevel)
	set.Func("log-format", "`FORMAT` of the output: text or json (default text)", o.logFormat)
}

// AdminFlags defines those of the flags by which the Admin API is asked.
func (o *Options) AdminFlags(set *flag.FlagSet) {
	set.StringVar(&o.AdminURL, "admin-url", "", "`URL` of Kong's Admin API: https://, unix:PATH, or http:// to loopback")
	Boolean(set, &o.AdminAllowHTTP, "admin-allow-http", "allow plain http to an Admin API that is not at loopback")
	set.StringVar(&o.AdminTokenFile, "admin-token-file", "", "`FILE` with the Kong-Admin-Token")
	set.StringVar(&o.AdminCAFile, "admin-ca-file", "", "PEM `FILE` of the CAs that the Admin API's certificate is verified with")
	set.StringVar(&o.AdminCertFile, "admin-cert-file", "", "PEM `FILE` of the client certificate for the Admin API")
	set.StringVar(&o.AdminKeyFile, "admin-key-file", "", "PEM `FILE` of its private key")
}

// CheckFlags defines those of the flags by which certificates are judged, and sets the
// defaults.
func (o *Options) CheckFlags(set *flag.FlagSet) {
	o.MinRSABits, o.MaxCRLSize = 2048, 128<<20
	set.Func("max-crl-size", "the largest CRL, as `SIZE` in bytes or with KiB, MiB or GiB, 1KiB to 1GiB (default 128MiB)", o.maxCRLSize)
	Boolean(set, &o.DenyPrivate, "deny-private", "fetch no OCSP response and no CRL from a private or loopback address")
	set.Func("min-rsa-bits", "RSA keys below so many `BITS` are refused, 1024 to 8192 (default 2048)", o.minRSABits)
}

func (o *Options) socketMode(value string) error {
	mode, err := strconv.ParseUint(value, 8, 32)
	if err != nil || mode > 0o777 || mode&0o600 != 0o600 {
		return errors.New("must be an octal mode such as 0600 or 0660")
	}
	o.SocketMode = fs.FileMode(mode)
	return nil
}

// metricsListen takes loopback addresses alone: the endpoint asks for no password.
func (o *Options) metricsListen(value string) error {
	if path, ok := strings.CutPrefix(value, "unix:"); ok {
		if path == "" {
			return errors.New("must have a path after the prefix unix:, as in unix:PATH")
		}
	} else if host, port, err := net.SplitHostPort(value); err != nil {
		return errors.New("must be a loopback host:port such as 127.0.0.1:9542, or unix:PATH")
	} else if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return fmt.Errorf("must have the host 127.0.0.1, [::1] or localhost, not %q", host)
	} else if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("must have a port from 1 to 65535, not %q", port)
	}
	o.MetricsListen = value
	return nil
}

func (o *Options) logLevel(value string) error {
	levels := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	level, ok := levels[value]
	if !ok {
		return errors.New("must be debug, info, warn or error")
	}
	o.LogLevel = level
	return nil
}

func (o *Options) logFormat(value string) error {
	if value != "text" && value != "json" {
		return errors.New("must be text or json")
	}
	o.LogJSON = value == "json"
	return nil
}

func (o *Options) refresh(value string) error {
	d, err := time.ParseDuration(value)
	if err != nil || d < time.Second || d > 24*time.Hour {
		return errors.New("must be a duration from 1s to 24h, such as 30s")
	}
	o.Refresh = d
	return nil
}

func (o *Options) maxCRLSize(value string) error {
	number, unit := value, int64(1)
	for suffix, bytes := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if before, ok := strings.CutSuffix(value, suffix); ok {
			number, unit = before, bytes
		}
	}
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || n < 1 || n*unit < 1<<10 || n*unit > 1<<30 {
		return errors.New("must be 1KiB to 1GiB, as a number of bytes or with KiB, MiB or GiB")
	}
	o.MaxCRLSize = n * unit
	return nil
}

// minRSABits does not go below 1024: shorter keys were factored.
func (o *Options) minRSABits(value string) error {
	bits, err := strconv.Atoi(value)
	if err != nil || bits < 1024 || bits > 8192 {
		return errors.New("must be 1024 to 8192")
	}
	o.MinRSABits = bits
	return nil
}

// Boolean defines a flag whose error says what it must be.
func Boolean(set *flag.FlagSet, p *bool, name, usage string) {
	set.BoolFunc(name, usage, func(value string) error {
		b, err := strconv.ParseBool(value)
		if err != nil {
			return errors.New("must be true or false")
		}
		*p = b
		return nil
	})
}

// FromEnvironment sets the defaults, and what the environment variables say. An
// empty variable is like an absent one.
func (o *Options) FromEnvironment() error {
	set := flag.NewFlagSet("environment", flag.ContinueOnError)
	o.Flags(set)
	var wrong []error
	set.VisitAll(func(f *flag.Flag) {
		value := os.Getenv(environmentName(f.Name))
		if value == "" {
			return
		}
		if err := set.Set(f.Name, value); err != nil {
			wrong = append(wrong, fmt.Errorf("environment variable %s: invalid value %q: %w", environmentName(f.Name), value, err))
		}
	})
	return errors.Join(wrong...)
}

func environmentName(name string) string {
	return "MTLS_AUTH_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// others are environment variables of this name that are not flags: of the Lua plugin, and
// of the project's tests.
var others = []string{"MTLS_AUTH_BIN", "MTLS_AUTH_KONG", "MTLS_AUTH_KONG_ADMIN", "MTLS_AUTH_MODE", "MTLS_AUTH_POSTGRES"}

// UnknownVariables says of each environment variable MTLS_AUTH_… that none is read by this
// name, and names the nearest that is.
func UnknownVariables(environment []string) (notices []string) {
	set := flag.NewFlagSet("environment", flag.ContinueOnError)
	new(Options).Flags(set)
	known := slices.Clone(others)
	set.VisitAll(func(f *flag.Flag) { known = append(known, environmentName(f.Name)) })
	for _, variable := range environment {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "MTLS_AUTH_") && !slices.Contains(known, name) {
			notices = append(notices, "the environment variable "+name+" is not known and has no effect"+DidYouMean(name, known, ""))
		}
	}
	return notices
}
