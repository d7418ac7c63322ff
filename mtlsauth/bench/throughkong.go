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
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// What is asked of each route, and by how many clients. Visits are short, so that
// those that are compared have the machine in the same state.
const (
	kongVisits  = 10 // of each route in a round
	kongLasts   = 200 * time.Millisecond
	kongClients = 32
	kongMost    = 1_000_000 // requests of a visit, far from what a Kong answers
	kongNew     = 150       // of a visit, where each comes with a new certificate
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
		of := fmt.Sprintf("Kong %s, nginx_worker_processes = %d", version, n)
		if err := b.throughOneKong(ctx, command, of, n, visits); err != nil {
			return err
		}
	}
	b.printf("medians of %d visits of %v by %d clients, whose connections are kept and have shown a certificate\n"+
		"(TLS 1.3), with seven header lines; half as many visits by one client, and, of %d requests each, with new\n"+
		"certificates. Ratios and differences are medians of those of one turn. No access log; Kong asks for\n"+
		"certificates by ssl_verify_client optional_no_ca, with no Lua, also where no plugin is. Processor time is a\n"+
		"request's, of the plugin server's process, the native door's engine, and of Kong's workers; writes are the\n"+
		"former's. Clients and upstream take their share of the same %d processors.\n",
		visits, kongLasts, kongClients, kongNew, runtime.GOMAXPROCS(0))
	return nil
}

// throughOneKong starts a Kong with so many workers and visits its routes. What
// becomes of decisions that nobody has kept is a matter of one worker.
func (b *bench) throughOneKong(ctx context.Context, command, of string, workers, visits int) (err error) {
	before := len(b.running)
	defer func() {
		if e := b.stop(before); err == nil {
			err = e
		}
	}()
	few := max(1, visits/2)
	k, err := b.startKong(command, workers, (few+1)*kongNew)
	if err != nil {
		return err
	}
	defer k.Close()
	often := load.Job{Connections: kongClients, Lasts: kongLasts, Most: kongMost}
	kept := k.named(noPlugin, doesNil, oneCall, twoCalls, sixCalls, byHand, oursWarm, oursConsumer, nativeWarm, nativeConsumer, keyAuth)
	if err := k.turns(ctx, kept, often, visits); err != nil {
		return err
	}
	b.printf("%s\n\n", of)
	b.printKong(kept)
	if workers > 1 {
		b.nativeGoals(kept, workers)
		return nil
	}
	b.pluginServerGoals(kept)
	b.nativeGoals(kept, workers)

	alone := load.Job{Connections: 1, Lasts: kongLasts, Most: kongMost}
	anew := k.named(noPlugin, nativeConsumer, nativeAnew, oursConsumer, oursAnew)
	if err := k.turns(ctx, anew, alone, few); err != nil {
		return err
	}
	b.printf("one client, so that no two requests share a decision; anew is with cache_ttl 0\n\n")
	b.printKong(anew)
	b.anewGoals(anew)

	first := load.Job{Connections: 2, Lasts: time.Minute, Most: kongNew, New: true}
	unseen := k.named(noPlugin, nativeConsumer, oursConsumer)
	if err := k.turns(ctx, unseen, first, few); err != nil {
		return err
	}
	b.printf("two clients, a new connection and a new certificate for each request\n\n")
	b.printKong(unseen)
	return nil
}

// turns visits every route so many times.
func (k *routedKong) turns(ctx context.Context, routes []*route, job load.Job, visits int) error {
	// The first visits start instances in every worker, and are not counted.
	for turn := -1; turn < visits; turn++ {
		job.First = (turn + 1) * job.Most
		for i := range routes {
			r := routes[(i+turn+1)%len(routes)] // none is always first
			if err := k.visit(r, job, turn >= 0); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// visit makes a turn's requests to a route.
func (k *routedKong) visit(r *route, job load.Job, counts bool) error {
	job.Request = r.request("")
	var f figures
	work := func() error {
		before, err := k.workerTime()
		if err != nil {
			return err
		}
		result, err := k.clients.Run(job)
		if err != nil {
			return err
		}
		after, err := k.workerTime()
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
		f.server, f.writes = math.NaN(), math.NaN()
	} else {
		used, err := usedBy(r.server, work)
		if err != nil {
			return err
		}
		f.server = float64(used.CPU.Nanoseconds()) / f.requests
		f.writes = float64(used.Writes) / f.requests
	}
	if counts {
		r.figures = append(r.figures, f)
	}
	return nil
}
