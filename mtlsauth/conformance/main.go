// Conformance measures how far the program can be trusted, beside what others say of the
// same, and writes it down:
//
//	go run ./mtlsauth/conformance -o docs/conformance.md
//
// It runs third-party suites and probes of its own against the program, crypto/x509, OpenSSL,
// nginx and HAProxy, whichever are installed, and adds the figures that the longer commands
// have written into a folder:
//
//	go test -timeout 3h ./mtlsauth/e2e/faults -seeds 1000 -figures "$PWD/mtlsauth/conformance/figures"
//	go run ./mtlsauth/conformance/mutants -figures mtlsauth/conformance/figures
//	go run ./mtlsauth/conformance/fuzz -figures mtlsauth/conformance/figures
//
// The exit code is 1 when the program gives a wrong answer that no listed reason explains.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

type options struct{ suites, figures, out string }

func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	var o options
	set := flag.NewFlagSet("conformance", flag.ContinueOnError)
	set.SetOutput(errOut)
	set.StringVar(&o.suites, "suites", "../shared/suites", "`FOLDER` with third-party suites, in the form that their README says")
	set.StringVar(&o.figures, "figures", "mtlsauth/conformance/figures", "`FOLDER` with the figures of the longer commands")
	set.StringVar(&o.out, "o", "", "`FILE` to write (standard output)")
	if err := set.Parse(args); err != nil {
		return 2
	}
	var page bytes.Buffer
	wrong, err := publish(ctx, o, &page)
	if err != nil {
		fmt.Fprintf(errOut, "conformance: %v\n", err)
		return 1
	}
	if o.out == "" {
		_, err = out.Write(page.Bytes())
	} else {
		err = os.WriteFile(filepath.Clean(o.out), page.Bytes(), 0o644)
	}
	if err != nil {
		fmt.Fprintf(errOut, "conformance: %v\n", err)
		return 1
	}
	for _, w := range wrong {
		fmt.Fprintln(errOut, "wrong:", w)
	}
	if len(wrong) > 0 {
		return 1
	}
	return 0
}
