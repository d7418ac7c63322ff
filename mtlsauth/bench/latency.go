package main

import (
	"fmt"
	"time"

	"mtls-auth/mtlsauth/bench/kong"
	"mtls-auth/mtlsauth/bench/server"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// latency measures warm requests over one and more connections, each of which
// makes its next request when it has its answer.
func (b *bench) latency() error {
	before := len(b.running)
	client := presented(b.inter.Client("client", pki.DNS("client.example")), passes("client"))
	_, ours, err := b.ours(server.Ours{})
	if err != nil {
		return err
	}
	_, theirs, err := b.goPDK("six")
	if err != nil {
		return err
	}
	servers := []struct{ name, socket string }{{oursWarm, ours}, {sixCalls, theirs}}
	drivers := make([]*kong.Driver, len(servers))
	for i, s := range servers {
		if drivers[i], err = b.kong(s.socket, config()); err != nil {
			return err
		}
		if err := b.give(drivers[i], "", client); err != nil {
			return err
		}
	}
	t := newTable(b.out, "connections", "server", "requests/s", "p50 µs", "p99 µs", "p99.9 µs")
	for _, connections := range []int{1, 2, 4, 8, 64} {
		results := make([]latencies, len(servers))
		for range b.rounds {
			for i, d := range drivers {
				r, err := d.Run(kong.Job{Configs: []string{""}, Requests: b.requests, Connections: connections})
				if err != nil {
					return fmt.Errorf("%s: %w", servers[i].name, err)
				}
				results[i].add(r)
			}
		}
		for i, s := range servers {
			l := &results[i]
			t.row(fmt.Sprint(connections), s.name, fmt.Sprintf("%.0f", median(l.rate)),
				microseconds(median(l.p50)), microseconds(median(l.p99)), microseconds(median(l.p999)))
		}
	}
	t.flush()
	b.printf("\nas Kong's side sees it, which runs on the same processors and takes more of them than the servers do.\n")
	return b.stop(before)
}

// latencies are figures of results, one for each round.
type latencies struct{ rate, p50, p99, p999 []float64 }

func (l *latencies) add(r kong.Result) {
	ns := func(d time.Duration) float64 { return float64(d.Nanoseconds()) }
	l.rate = append(l.rate, r.Rate())
	l.p50 = append(l.p50, ns(r.P50))
	l.p99 = append(l.p99, ns(r.P99))
	l.p999 = append(l.p999, ns(r.P999))
}
