// Bench measures what the plugin costs, beside servers that do less: go-pdk's own
// with a plugin that only looks at the certificate, one that verifies anew each
// time, and hand-written bytes. It prints tables in which every figure was
// measured in the same run, with the ratios between them and the goals.
//
//	go run ./mtlsauth/bench
//
// Each server runs in a process of its own, whose clock is read for what it
// cost; Kong's side (gateway/rpc) runs in another. All sockets and files are in
// a temporary folder; nothing outside the machine is talked to. Where the
// environment names a kong command, a real Kong is measured as well:
//
//	MTLS_AUTH_KONG=/usr/local/bin/kong go run ./mtlsauth/bench -only kong
//
// It ends with 0 whether the goals are met or not, with 1 when something is
// wrong, such as an answer that is not the right one.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"mtls-auth/mtlsauth/bench/kong"
	"mtls-auth/mtlsauth/bench/load"
	"mtls-auth/mtlsauth/bench/role"
	"mtls-auth/mtlsauth/bench/server"
)

func main() {
	role.Main(ownRoles, server.Roles, kong.Roles, load.Roles)
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// ownRoles are those of this package's own processes.
var ownRoles = map[string]role.Start{"cold": role.Of(startCold)}

// section is a part of the report.
type section struct {
	name, what string
	run        func(*bench) error
}

var sections = []section{
	{"warm", "requests that were decided before, and refused ones", (*bench).warm},
	{"cold", "certificates that were never seen", (*bench).cold},
	{"latency", "throughput and latency by connections", (*bench).latency},
	{"busy", "latency while a CRL is read and new certificates arrive", (*bench).busy},
	{"growth", "how cost grows", (*bench).growth},
	{"kong", "requests a second through a real Kong", (*bench).throughKong},
}

// options are the flags.
type options struct {
	rounds, requests int
	quick            bool
	only             string
	svg              string
	profile          string
	soak             time.Duration
}

func run(args []string, out, errOut io.Writer) int {
	var o options
	names := make([]string, len(sections))
	for i, s := range sections {
		names[i] = s.name
	}
	// A set of our own: go-pdk defines flags in the program's.
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	set.SetOutput(errOut)
	set.IntVar(&o.rounds, "rounds", 7, "measure each server so many `TIMES`, in turn")
	set.IntVar(&o.requests, "requests", 4000, "requests of a measurement")
	set.BoolVar(&o.quick, "quick", false, "see in less than a minute that all of it works; the figures mean little")
	set.StringVar(&o.only, "only", "", "measure nothing but `NAME`: "+strings.Join(names, ", "))
	set.StringVar(&o.svg, "svg", "", "draw how cost grows to `FILE`")
	set.StringVar(&o.profile, "profile", "", "write a profile of each process to `DIR`")
	set.DurationVar(&o.soak, "soak", 0, "instead, mix all kinds of requests for this `DURATION` and check every answer")
	err := set.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case set.NArg() > 0, o.rounds < 1, o.requests < 1, o.only != "" && !slices.Contains(names, o.only):
		fmt.Fprintf(errOut, "bench: -rounds and -requests are at least 1, -only is one of %s, and nothing follows\n", strings.Join(names, ", "))
		return 2
	}
	if o.quick {
		o.rounds, o.requests = min(o.rounds, 2), min(o.requests, 300)
	}
	if err := measure(o, out); err != nil {
		fmt.Fprintf(errOut, "bench: %v\n", err)
		return 1
	}
	return 0
}

func measure(o options, out io.Writer) error {
	if o.profile != "" {
		if err := role.Profile(o.profile); err != nil {
			return err
		}
	}
	b, err := newBench(o, out)
	if err != nil {
		return err
	}
	defer b.close()
	if o.soak > 0 {
		return b.soak(o.soak)
	}
	fmt.Fprintf(out, "%d processors, %s, %d rounds of %d requests\n", runtime.GOMAXPROCS(0), runtime.Version(), o.rounds, o.requests)
	for _, s := range sections {
		if o.only != "" && o.only != s.name {
			continue
		}
		fmt.Fprintf(out, "\n%s: %s\n\n", s.name, s.what)
		if err := s.run(b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	b.printGoals()
	return nil
}
