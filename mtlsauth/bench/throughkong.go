package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"mtls-auth/mtlsauth/bench/load"
	"mtls-auth/mtlsauth/bench/role"
	"mtls-auth/mtlsauth/internal/realkong"
)

// What is asked of each route, and by how many clients. Visits are short, so that
// those that are compared have the machine in the same state.
const (
	kongVisits  = 4 // of each route in a round
	kongLasts   = 500 * time.Millisecond
	kongClients = 32
	kongMost    = 1_000_000 // requests of a visit, far from what a Kong answers
)

// throughKong measures requests a second through a real Kong, where the
// environment names one: routes with plugins that do less and more, all in one
// Kong, visited in turn.
func (b *bench) throughKong() error {
	command := os.Getenv(realkong.Variable)
	if command == "" {
		b.printf("left out: %s names no kong command\n", realkong.Variable)
		return nil
	}
	// An interrupt ends it between two visits, or when a process that has had it
	// as well does not answer, and then Kong is stopped.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	version, err := realkong.Version(ctx, command)
	if err != nil {
		return err
	}
	workers, visits := []int{1, 2}, kongVisits*b.rounds
	if b.quick {
		workers, visits = workers[:1], 1
	}
	for _, n := range workers {
		routes, err := b.measureKong(ctx, command, n, visits)
		if err != nil {
			return err
		}
		b.printf("Kong %s, nginx_worker_processes = %d\n\n", version, n)
		b.printKong(routes)
		if n == workers[0] {
			b.kongGoals(routes)
		}
	}
	b.printf("medians of %d visits of %v by %d clients, whose connections are kept and have shown a certificate\n"+
		"(TLS 1.3); ratios are medians of those of one turn. No access log; Kong asks for certificates by\n"+
		"ssl_verify_client optional_no_ca, with no Lua, also where no plugin is. Processor time is a request's, of\n"+
		"the plugin server's process and of Kong's workers; clients and upstream take their share of the same %d\n"+
		"processors.\n", visits, kongLasts, kongClients, runtime.GOMAXPROCS(0))
	return nil
}

// measureKong starts a Kong with so many workers and visits every route so many
// times.
func (b *bench) measureKong(ctx context.Context, command string, workers, visits int) (_ []*route, err error) {
	before := len(b.running)
	defer func() {
		if e := b.stop(before); err == nil {
			err = e
		}
	}()
	k, err := b.startKong(command, workers)
	if err != nil {
		return nil, err
	}
	defer k.Close()
	// The first visits start instances in every worker, and are not counted.
	for turn := -1; turn < visits; turn++ {
		for i := range k.routes {
			r := k.routes[(i+turn+1)%len(k.routes)] // none is always first
			if err := k.visit(r, turn >= 0); err != nil {
				return nil, fmt.Errorf("%s: %w", r.name, err)
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
	}
	return k.routes, nil
}

// visit makes a turn's requests to a route.
func (k *routedKong) visit(r *route, counts bool) error {
	var f figures
	work := func() error {
		before, err := k.WorkerTime()
		if err != nil {
			return err
		}
		result, err := k.clients.Run(load.Job{Request: r.request(""), Connections: kongClients, Lasts: kongLasts, Most: kongMost})
		if err != nil {
			return err
		}
		after, err := k.WorkerTime()
		f.requests = float64(result.Requests)
		f.rate = result.Rate()
		f.p50, f.p99 = float64(result.P50.Nanoseconds()), float64(result.P99.Nanoseconds())
		f.kong = float64((after - before).Nanoseconds()) / f.requests
		return err
	}
	if r.server == nil {
		if err := work(); err != nil {
			return err
		}
		f.server = math.NaN()
	} else {
		used, err := usedBy(r.server, work)
		if err != nil {
			return err
		}
		f.server = float64(used.CPU.Nanoseconds()) / f.requests
	}
	if counts {
		r.figures = append(r.figures, f)
	}
	return nil
}

// figures are those of one visit. Times are nanoseconds; server and kong are
// processor time for a request, server NaN where there is none.
type figures struct{ requests, rate, p50, p99, server, kong float64 }

// route is a way through Kong.
type route struct {
	name    string
	path    string
	plugin  string         // "" for none
	config  map[string]any // of the plugin
	apikey  string         // "" for none
	sees    []string       // header lines that upstream sees
	server  *role.Process  // the plugin server; nil for none
	figures []figures
}

// median returns the middle of a figure over all visits.
func (r *route) median(of func(figures) float64) float64 {
	var all []float64
	for _, f := range r.figures {
		all = append(all, of(f))
	}
	return median(all)
}

// ratioTo returns the middle of the ratios of a figure to another route's in the
// same turn.
func (r *route) ratioTo(other *route, of func(figures) float64) float64 {
	var all []float64
	for i, f := range r.figures {
		all = append(all, of(f)/of(other.figures[i]))
	}
	return median(all)
}

func rate(f figures) float64 { return f.rate }

func (b *bench) printKong(routes []*route) {
	none := routeNamed(routes, noPlugin)
	t := newTable(b.out, "route", "requests/s", "of no plugin", "p50 µs", "p99 µs", "plugin server, CPU µs", "Kong, CPU µs")
	for _, r := range routes {
		server := "-"
		if r.server != nil {
			server = microseconds(r.median(func(f figures) float64 { return f.server }))
		}
		t.row(r.name, fmt.Sprintf("%.0f", r.median(rate)), fmt.Sprintf("%.2f", r.ratioTo(none, rate)),
			microseconds(r.median(func(f figures) float64 { return f.p50 })), microseconds(r.median(func(f figures) float64 { return f.p99 })),
			server, microseconds(r.median(func(f figures) float64 { return f.kong })))
	}
	t.flush()
	b.printf("\n")
}

func (b *bench) kongGoals(routes []*route) {
	ours := routeNamed(routes, oursWarm)
	b.atLeast(0.95, ours.ratioTo(routeNamed(routes, byHand), rate), "requests/s through Kong, of hand-written bytes")
	b.atLeast(1, ours.ratioTo(routeNamed(routes, twoCalls), rate), "requests/s through Kong, of StartServer with two calls")
}

func routeNamed(routes []*route, name string) *route {
	for _, r := range routes {
		if r.name == name {
			return r
		}
	}
	panic("no route " + name) // they are all in one list
}
