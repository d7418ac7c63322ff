// Fuzz runs every fuzz target of the module, one after the other:
//
//	go run ./mtlsauth/conformance/fuzz -for 10m
//	go run ./mtlsauth/conformance/fuzz -for 1m FuzzParse certpath    # targets or packages by a part of the name
//
// An input that fails is written into testdata/fuzz of its package by go test, and is a test
// from then on. The exit code is 1 when one failed, and 2 after wrong use.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// target is a fuzz target of a package.
type target struct{ dir, name string }

// figures are what came of one.
type figures struct {
	Package, Target, Date, Lasted string
	Executions, Failures          int
}

var (
	fuzzFunction = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(f \*testing\.F\)`)
	executions   = regexp.MustCompile(`execs: (\d+)`)
)

func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	set := flag.NewFlagSet("fuzz", flag.ContinueOnError)
	set.SetOutput(errOut)
	lasts := set.Duration("for", 10*time.Minute, "how long each target is fuzzed")
	folder := set.String("figures", "", "`FOLDER` to which the figures of each target are written")
	if err := set.Parse(args); err != nil {
		return 2
	}
	targets, err := find(".")
	if err != nil {
		fmt.Fprintf(errOut, "fuzz: %v\n", err)
		return 1
	}
	code := 0
	for _, t := range targets {
		chosen := func(part string) bool { return strings.Contains(t.dir+" "+t.name, part) }
		if set.NArg() > 0 && !slices.ContainsFunc(set.Args(), chosen) {
			continue
		}
		f, text := fuzz(ctx, t, *lasts)
		if ctx.Err() != nil {
			return 1
		}
		fmt.Fprintf(out, "%s %s: %d executions in %s, %d failures\n", f.Package, f.Target, f.Executions, f.Lasted, f.Failures)
		if f.Failures > 0 {
			code = 1
			fmt.Fprintln(out, text)
		}
		if *folder == "" {
			continue
		}
		if err := f.write(*folder); err != nil {
			fmt.Fprintf(errOut, "fuzz: %v\n", err)
			return 1
		}
	}
	return code
}

// find returns the fuzz targets below a folder.
func find(root string) ([]target, error) {
	var all []target
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range fuzzFunction.FindAllSubmatch(text, -1) {
			all = append(all, target{filepath.Dir(path), string(m[1])})
		}
		return err
	})
	return all, err
}

func fuzz(ctx context.Context, t target, lasts time.Duration) (figures, string) {
	f := figures{Package: strings.TrimPrefix(filepath.ToSlash(t.dir), "mtlsauth/internal/"), Target: t.name, Date: time.Now().UTC().Format(time.DateOnly), Lasted: lasts.String()}
	out, err := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-fuzz", "^"+t.name+"$", "-fuzztime", lasts.String(), "./"+filepath.ToSlash(t.dir)).CombinedOutput()
	for _, m := range executions.FindAllSubmatch(out, -1) {
		f.Executions, _ = strconv.Atoi(string(m[1]))
	}
	if err != nil {
		f.Failures = 1
	}
	return f, string(out)
}

func (f figures) write(folder string) error {
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	name := "fuzz-" + strings.ReplaceAll(f.Package, "/", "-") + "-" + f.Target + ".json"
	return os.WriteFile(filepath.Join(folder, name), append(text, '\n'), 0o600)
}
