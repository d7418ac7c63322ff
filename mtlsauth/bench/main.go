// Bench measures what the plugin costs on a real Kong, beside no plugin, an empty
// Lua plugin (the limit of any plugin), Kong's own key-auth, and nginx's own
// ssl_verify_client, which is what one would pick instead:
//
//	MTLS_AUTH_KONG=/usr/local/bin/kong go run ./mtlsauth/bench
//
// All routes of a table are measured in turn in one run, and compared within a
// turn: ratios stay when the machine is busy, requests a second do not. The exit
// code is 0 whether the goals are met or not, 1 after an error, such as an answer
// other than 200, and 2 after wrong use.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"mtls-auth/mtlsauth/internal/testing/realkong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

type options struct {
	turns   int
	lasts   time.Duration // of one measurement
	workers int
	command string // kong
}

func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	o := options{command: os.Getenv(realkong.Variable)}
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	set.SetOutput(errOut)
	set.IntVar(&o.turns, "turns", 30, "measure each route so many `TIMES`, in turn")
	set.DurationVar(&o.lasts, "lasts", 200*time.Millisecond, "how long one measurement lasts")
	set.IntVar(&o.workers, "workers", 1, "nginx_worker_processes of Kong")
	switch err := set.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case set.NArg() > 0, o.turns < 1, o.lasts <= 0, o.workers < 1:
		fmt.Fprintln(errOut, "bench: -turns, -lasts and -workers must be above 0; there are no arguments")
		return 2
	case o.command == "":
		fmt.Fprintf(errOut, "bench: %s must name a kong command\n", realkong.Variable)
		return 2
	}
	if err := measure(ctx, o, out); err != nil {
		fmt.Fprintf(errOut, "bench: %v\n", err)
		return 1
	}
	return 0
}

func measure(ctx context.Context, o options, out io.Writer) error {
	version, err := realkong.Version(ctx, o.command)
	if err != nil {
		return err
	}
	l, err := start(ctx, o)
	if err != nil {
		return err
	}
	defer l.close()
	fmt.Fprintf(out, "Kong %s, nginx_worker_processes = %d, %d processors shared with clients and upstream\n\n",
		version, o.workers, runtime.GOMAXPROCS(0))
	var goals []goal
	for _, t := range l.tables() {
		if err := t.measure(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", t.what, err)
		}
		t.print(out)
		goals = append(goals, t.goals()...)
	}
	printGoals(out, goals)
	return nil
}
