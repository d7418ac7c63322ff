// Mutants changes one thing of a package at a time and expects a test to notice:
//
//	go run ./mtlsauth/conformance/mutants                                  # all packages that decide
//	go run ./mtlsauth/conformance/mutants certificate revocation/crl       # two of them
//
// What can be changed: a condition, or a part of one, is always or never true; a boundary
// is one off; a bool that is returned is the other one; a statement is left out. All mutants
// of a package are compiled into it at once, behind a switch, so that each costs no more than
// the tests that reach it. A mutant lives when they all pass.
//
// One that no test can tell from the original is listed in equivalent.txt with the reason; a
// line there that fits no living mutant is an error. The exit code is 0 when no other mutant
// lives, 1 when one does or something failed, and 2 after wrong use.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// room is a package whose mutants are made, and the packages whose tests may kill them: its
// own first.
type room struct {
	name  string
	tests []string
}

const internal = "mtlsauth/internal/"

var rooms = []room{
	{"certificate", []string{"certificate", "certpath"}},
	{"certpath", []string{"certpath"}},
	{"consumer", []string{"consumer", "authn", "luaserver"}},
	{"authn", []string{"authn", "luaserver", "verify", "config"}},
	{"revocation/ocsp", []string{"revocation/ocsp"}},
	{"revocation/crl", []string{"revocation/crl"}},
	{"revocation", []string{"revocation"}},
	{"config", []string{"config"}},
	{"luaserver", []string{"luaserver"}},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

type options struct {
	equivalent, figures string
	verbose, short      bool
	file                string
}

func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	var o options
	set := flag.NewFlagSet("mutants", flag.ContinueOnError)
	set.SetOutput(errOut)
	set.StringVar(&o.equivalent, "equivalent", "mtlsauth/conformance/mutants/equivalent.txt", "`FILE` with the mutants that are the same program")
	set.StringVar(&o.figures, "figures", "", "`FOLDER` to which the figures of each package are written")
	set.StringVar(&o.file, "file", "", "only the mutants of this `FILE` of the package")
	set.BoolVar(&o.short, "short", false, "run the tests with -short alone")
	set.BoolVar(&o.verbose, "v", false, "print each mutant")
	if err := set.Parse(args); err != nil {
		return 2
	}
	chosen := rooms
	if set.NArg() > 0 {
		chosen = nil
		for _, name := range set.Args() {
			i := slices.IndexFunc(rooms, func(r room) bool { return r.name == name })
			if i < 0 {
				fmt.Fprintf(errOut, "mutants: %q: must be one of %s\n", name, names())
				return 2
			}
			chosen = append(chosen, rooms[i])
		}
	}
	code := 0
	for _, r := range chosen {
		f, err := examine(ctx, r, o, out)
		if err != nil {
			fmt.Fprintf(errOut, "mutants: %s: %v\n", r.name, err)
			return 1
		}
		if f.Living > 0 || f.Unused > 0 {
			code = 1
		}
		if o.figures != "" && o.file == "" {
			if err := f.write(o.figures); err != nil {
				fmt.Fprintf(errOut, "mutants: %v\n", err)
				return 1
			}
		}
	}
	return code
}

func names() string {
	var all []string
	for _, r := range rooms {
		all = append(all, r.name)
	}
	return strings.Join(all, ", ")
}

// examine runs the mutants of a package and prints those that live.
func examine(ctx context.Context, r room, o options, out io.Writer) (*figures, error) {
	began := time.Now()
	same, err := readEquivalent(o.equivalent, r.name)
	if err != nil {
		return nil, err
	}
	p, err := load(internal+r.name, o.file)
	if err != nil {
		return nil, err
	}
	b, err := compile(ctx, p, r.tests)
	if err != nil {
		return nil, err
	}
	defer b.remove()
	f := &figures{Room: r.name, Mutants: len(p.mutants), Date: began.UTC().Format(time.DateOnly)}
	living := p.mutants
	for _, long := range []bool{false, true} { // the quick tests first
		if len(living) == 0 || long && o.short {
			break
		}
		if err := b.measure(ctx, long); err != nil {
			return nil, err
		}
		var left []*mutant
		for _, m := range living {
			killer, err := b.kill(ctx, m)
			switch {
			case err != nil:
				return nil, err
			case killer == "":
				left = append(left, m)
			case o.verbose:
				fmt.Fprintf(out, "killed by %s: %s\n", killer, m)
			}
		}
		living = left
	}
	f.Killed = f.Mutants - len(living)
	for _, m := range living {
		if same.has(m) {
			f.Equivalent++
			continue
		}
		f.Living++
		f.Lives = append(f.Lives, fmt.Sprintf("%s:%d: %s: %s: %s", m.file, m.line, m.function, m.what, m.text))
		fmt.Fprintf(out, "lives: %s:%d: %s\n", m.file, m.line, m.key())
	}
	if o.file == "" {
		for _, left := range same.unused() {
			f.Unused++
			fmt.Fprintf(out, "%s: no mutant that lives fits %q\n", o.equivalent, left)
		}
	}
	fmt.Fprintf(out, "%s: %d mutants, %d killed, %d equivalent, %d living, in %v\n", r.name, f.Mutants, f.Killed, f.Equivalent, f.Living, time.Since(began).Round(time.Second))
	return f, nil
}
