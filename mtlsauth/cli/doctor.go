package cli

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/signal"
	"syscall"
	"time"

	"mtls-auth/kong"
	"mtls-auth/mtlsauth"
	"mtls-auth/mtlsauth/internal/doctor"
	"mtls-auth/mtlsauth/internal/flags"
	"mtls-auth/mtlsauth/internal/kongdata"
)

const doctorHelp = `usage: mtls-auth doctor [-kong-prefix DIR] [-admin-url URL] [-connect HOST:PORT -sni NAME] [-cert FILE -key FILE]
Finds mistakes in how the plugin is set up on this node: a line ok, warn or FAIL for each check, with the cure.
It changes nothing. Run it where Kong runs, as Kong's user or root; or beside it, with -admin-url.
The program's file name is the plugin's name: run it as mtls-auth.
Exit code 0 without FAIL, 1 otherwise, 2 for wrong use (and no JSON).

`

var errNeedsCert = errors.New("-key and -chain need -cert")

// doctorFlags are those of doctor, as they were given.
type doctorFlags struct {
	server           flags.Options // those of the server's that count here too
	connect, sni     string
	cert, chain, key string
	json             bool
}

func (f *doctorFlags) define(set *flag.FlagSet) {
	text(set, &f.connect, "connect", "`HOST:PORT` of Kong's TLS listener (default: the first of proxy_listen)")
	text(set, &f.sni, "sni", "server `NAME` to connect with (default: a host of a route with the plugin)")
	text(set, &f.cert, "cert", "a client's certificate, a `FILE`: what would be answered, and whether its OCSP and CRL URLs can be reached")
	text(set, &f.chain, "chain", "what the client sends besides, a `FILE`")
	text(set, &f.key, "key", "its private key, a PEM `FILE`, for the handshake")
	flags.Boolean(set, &f.json, "json", "write one JSON object: version, ok, warn, fail (how many), and checks with name, grade, text and cure")
	f.server.AdminFlags(set)
	f.server.CheckFlags(set)
	set.StringVar(&f.server.CRLDir, "crl-dir", "", "`DIR` with CRLs, as the server's")
}

func doctorCommand(c call) int {
	var f doctorFlags
	set := commandFlags("doctor")
	prefix := prefixFlag(set)
	f.define(set)
	if code, done := parseCommand(c, set, doctorHelp); done {
		return code
	}
	o := doctor.Options{
		Name: c.name, Names: kong.Names(c.name), Now: time.Now(), Connect: f.connect, SNI: f.sni, CRLDir: f.server.CRLDir, Files: kong.Files,
		Limits: doctor.Limits{MinRSABits: f.server.MinRSABits, MaxCRLSize: f.server.MaxCRLSize, DenyPrivate: f.server.DenyPrivate},
		Admin: kongdata.Config{
			Prefix: *prefix, AdminURL: f.server.AdminURL, AdminAllowHTTP: f.server.AdminAllowHTTP, AdminTokenFile: f.server.AdminTokenFile,
			AdminCAFile: f.server.AdminCAFile, AdminCertFile: f.server.AdminCertFile, AdminKeyFile: f.server.AdminKeyFile,
		},
		Ping: func(path string, within time.Duration) (doctor.Server, error) {
			pong, err := mtlsauth.PingSocket(path, within)
			return doctor.Server{Version: pong.Version, PID: pong.PID, LuaMode: pong.LuaMode}, err
		},
	}
	if err := f.read(&o); err != nil {
		return wrongUse(c.stderr, "doctor", "doctor: %v", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	w := doctor.Writer{Out: c.stdout, Colour: coloured(c.stdout), JSON: f.json}
	doctor.Run(ctx, o, w.Write)
	if fine, err := w.Summary(); !fine || err != nil || ctx.Err() != nil {
		return exitNo
	}
	return exitFine
}

// read reads the client's files.
func (f *doctorFlags) read(o *doctor.Options) error {
	if f.cert == "" {
		if f.key+f.chain != "" {
			return errNeedsCert
		}
		return nil
	}
	sent, err := readCertificates(f.cert)
	if err != nil {
		return err
	}
	o.Leaf, o.Chain = sent.first(), sent.rest()
	if f.chain != "" {
		more, err := readCertificates(f.chain)
		if err != nil {
			return err
		}
		o.Chain = append(o.Chain, more.all()...)
	}
	if f.key != "" {
		o.Key, err = readFile(f.key)
	}
	return err
}
