package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mtls-auth/mtlsauth/internal/flags"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/verify"
)

const verifyHelp = `usage: mtls-auth verify -cert FILE [-chain FILE] (-ca FILE… | -config kong.yaml [-route NAME | -plugin N])
                        [-crl-dir DIR] [-revocation MODE] [-at TIME] [-json]
Tells how the server would answer a request with this client certificate, and why, by the server's own code.
Files are PEM, also bundles, or DER. Revocation is checked with -revocation, which uses the network, or by
-crl-dir; without both a PASS says that it is assumed.
Exit code 0 if the request goes on, 1 if it is refused, 2 for wrong use (and no JSON).

  mtls-auth verify -cert client.pem -ca ca.pem
  mtls-auth verify -cert client.pem -config kong.yaml -route echo -revocation STRICT

`

// verifyFlags are those of verify, as they were given.
type verifyFlags struct {
	cert, chain   string
	cas           []string
	config        string
	route, plugin string
	crlDir, mode  string
	at            time.Time
	json          bool
	server        flags.Options // those of the server's that count here too
}

func (f *verifyFlags) define(set *flag.FlagSet) {
	text(set, &f.cert, "cert", "the client's certificate, a `FILE`; what follows it in the file was sent with it. An empty file, or /dev/null, is a request without a certificate")
	text(set, &f.chain, "chain", "what the client sends besides, a `FILE`")
	set.Func("ca", "CA certificates to trust, a `FILE`; may be given several times. Without -config no consumer is looked up", func(value string) error {
		f.cas = append(f.cas, value)
		return nil
	})
	text(set, &f.config, "config", "Kong declarative `FILE`, or decK's: the plugin's configuration, CA certificates, consumers and credentials")
	text(set, &f.route, "route", "judge by the plugin that runs for the route `NAME`")
	text(set, &f.plugin, "plugin", "judge by the plugin `N`: its number in -config from 1, instance_name or id")
	text(set, &f.crlDir, "crl-dir", "`DIR` with CRLs, as the server's")
	set.Func("revocation", "check revocation, also by fetching, in this `MODE`: STRICT, IGNORE_CA_ERROR or SKIP", func(value string) error {
		if !slices.Contains([]string{"STRICT", "IGNORE_CA_ERROR", "SKIP"}, value) {
			return errors.New("must be STRICT, IGNORE_CA_ERROR or SKIP")
		}
		f.mode = value
		return nil
	})
	set.Func("at", "judge at this `TIME`, such as 2027-01-31T12:00:00Z or 2027-01-31 (default now)", func(value string) error {
		for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
			if at, err := time.Parse(layout, value); err == nil {
				f.at = at
				return nil
			}
		}
		return errors.New("must be a time such as 2027-01-31T12:00:00Z, or a date")
	})
	flags.Boolean(set, &f.json, "json", "write one JSON object: verdict (pass, anonymous, refuse), reason, detail, about, advice, answer, assumes, and all that was checked")
	f.server.CheckFlags(set)
}

func verifyCommand(c call) int {
	var f verifyFlags
	set := commandFlags("verify")
	f.define(set)
	if code, done := parseCommand(c, set, verifyHelp); done {
		return code
	}
	wrong := func(format string, args ...any) int {
		return wrongUse(c.stderr, "verify", "verify: "+format, args...)
	}
	switch {
	case f.cert == "":
		return wrong("-cert FILE must be given")
	case (len(f.cas) == 0) == (f.config == ""):
		return wrong("either -ca FILE or -config FILE must be given")
	case f.config == "" && f.route+f.plugin != "":
		return wrong("-route and -plugin need -config")
	case f.route != "" && f.plugin != "":
		return wrong("-route and -plugin: must be one of them")
	}
	o, err := f.options(c.name)
	if err != nil {
		return wrong("%v", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := verify.Run(ctx, o)
	if err != nil {
		return wrong("%v", err)
	}
	if f.json {
		err = verify.WriteJSON(c.stdout, report)
	} else {
		err = report.Write(c.stdout, coloured(c.stdout))
	}
	if err != nil || !report.Passed() {
		return exitNo
	}
	return exitFine
}

// options reads the files.
func (f *verifyFlags) options(name string) (verify.Options, error) {
	o := verify.Options{
		Name: name, Prefix: flags.DefaultPrefix(), CRLDir: f.crlDir, Mode: f.mode, Network: f.mode != "" && f.mode != "SKIP", At: f.at,
		MinRSABits: f.server.MinRSABits, MaxCRLSize: f.server.MaxCRLSize, DenyPrivate: f.server.DenyPrivate,
	}
	if o.At.IsZero() {
		o.At = time.Now()
	}
	if f.crlDir != "" {
		if info, err := os.Stat(f.crlDir); err != nil || !info.IsDir() {
			return o, fmt.Errorf("-crl-dir: %q is not a folder that can be read", f.crlDir)
		}
	}
	sent, err := readCertificates(f.cert)
	if err != nil {
		return o, fmt.Errorf("-cert: %w", err)
	}
	o.Inputs = append(o.Inputs, verify.Input{File: f.cert, What: sent.what("the client's certificate", "sent above it")})
	o.Leaf, o.Chain = sent.first(), sent.rest()
	if f.chain != "" {
		more, err := readCertificates(f.chain)
		if err != nil {
			return o, fmt.Errorf("-chain: %w", err)
		}
		o.Chain = append(o.Chain, more.all()...)
		o.Inputs = append(o.Inputs, verify.Input{File: f.chain, What: count(len(more), "certificate") + " that the client sends besides"})
	}
	if f.config != "" {
		return o, f.document(name, &o)
	}
	return o, f.trusted(&o)
}

// trusted makes a configuration that trusts the CA certificates of files.
func (f *verifyFlags) trusted(o *verify.Options) error {
	var ids []string
	for _, file := range f.cas {
		found, err := readCertificates(file)
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("%s has no certificate", file)
		}
		if err != nil {
			return fmt.Errorf("-ca: %w", err)
		}
		for _, one := range found {
			id := fmt.Sprintf("00000000-0000-4000-8000-%012d", len(ids)+1)
			ids = append(ids, id)
			o.CACertificates = append(o.CACertificates, kongdata.Entity{ID: id, Cert: string(one)})
		}
		o.Inputs = append(o.Inputs, verify.Input{File: file, What: count(len(found), "CA certificate") + ", under a made-up id each"})
	}
	config, err := json.Marshal(map[string]any{"ca_certificates": ids, "skip_consumer_lookup": true})
	o.Configuration = verify.Configuration{From: "-ca: skip_consumer_lookup, else the defaults", Config: config}
	return err
}

// document takes configuration, CA certificates and consumers from a declarative file.
func (f *verifyFlags) document(name string, o *verify.Options) error {
	document, err := kongdata.OpenDocument(f.config)
	if err != nil {
		return fmt.Errorf("-config: %w", err)
	}
	plugins := document.Of(name, "mtls-auth", headerCertAuth)
	plugin, err := f.choose(document, plugins)
	if err != nil {
		return fmt.Errorf("-config %s: %w", f.config, err)
	}
	o.Plugin, o.CACertificates, o.Directory = plugin.Name, document.CACertificates, document.Directory(plugin.Name)
	o.Configuration = verify.Configuration{From: "the plugin " + plugin.Name + " in " + f.config, Plugin: plugin.Where(), Config: plugin.Config}
	o.Inputs = append(o.Inputs, verify.Input{File: f.config, What: count(len(plugins), "plugin") + ", " + count(len(document.CACertificates), "CA certificate")})
	if document.More {
		o.Inputs = append(o.Inputs, verify.Input{File: f.config, What: "has further YAML documents, which do not count, as for Kong"})
	}
	return nil
}

func (f *verifyFlags) choose(d *kongdata.Document, plugins []kongdata.Plugin) (kongdata.Plugin, error) {
	var list strings.Builder
	for i, p := range plugins {
		fmt.Fprintf(&list, "\n  %d  for %s", i+1, strings.TrimSpace(p.Where()+" "+p.InstanceName+" "+p.ID))
	}
	switch {
	case len(plugins) == 0:
		return kongdata.Plugin{}, errors.New("it has no enabled plugin mtls-auth or header-cert-auth")
	case f.route != "":
		return d.ForRoute(f.route, plugins)
	case f.plugin != "":
		if n, err := strconv.Atoi(f.plugin); err == nil && n >= 1 && n <= len(plugins) {
			return plugins[n-1], nil
		}
		for _, p := range plugins {
			if f.plugin == p.InstanceName || f.plugin == p.ID {
				return p, nil
			}
		}
		return kongdata.Plugin{}, fmt.Errorf("-plugin %q: must be one of:%s", f.plugin, &list)
	case len(plugins) > 1:
		return kongdata.Plugin{}, fmt.Errorf("it has several plugins: choose one by -plugin N or -route NAME:%s", &list)
	}
	return plugins[0], nil
}

// count is a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
