package main

import (
	"fmt"
	"runtime"
	"time"

	"mtls-auth/mtlsauth/bench/kong"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

const (
	// busyRate is how many warm requests begin in a second: far from what the
	// server can do, so that what they wait for is not one another.
	busyRate = 500
	// newRate is how many certificates that were never seen arrive in a second
	// besides.
	newRate = 1000
	// reloadEvery is how often the CRL is replaced: as often as -crl-dir is
	// looked at.
	reloadEvery = 2 * time.Second
)

// busy measures warm requests while a large CRL is read again and again, and
// while new certificates arrive; and beside each, while another server does that
// very work. What the other's work costs is the machine's doing: there is no
// processor free for it.
func (b *bench) busy() error {
	before := len(b.running)
	entries, lasts, rounds := 1_000_000, 6*time.Second, 3
	if b.quick {
		entries, lasts, rounds = 10_000, 500*time.Millisecond, 1
	}
	perRound := int(newRate * lasts.Seconds())
	raw := pki.Serials(entries, 16)
	ours, err := b.newStrict(raw, perRound, rounds)
	if err != nil {
		return err
	}
	other, err := b.newStrict(raw, perRound, rounds)
	if err != nil {
		return err
	}
	warm, err := b.kong(ours.socket, strictConfig)
	if err != nil {
		return err
	}
	if err := b.give(warm, "", presented(b.root.Client("client"), passes("client"))); err != nil {
		return err
	}
	measured := func() (kong.Result, error) {
		return warm.Run(kong.Job{Configs: []string{""}, Requests: int(busyRate * lasts.Seconds()), Connections: 4, Rate: busyRate})
	}
	if _, err := measured(); err != nil { // the first reading of the CRL, and the first decision
		return err
	}
	rows := []*struct {
		name string
		work func(round int, stop <-chan struct{}) error
		latencies
	}{
		{name: "nothing", work: func(int, <-chan struct{}) error { return nil }},
		{name: fmt.Sprintf("a CRL of %d entries is read every %v", entries, reloadEvery), work: ours.replaceLists},
		{name: "another server reads it", work: other.replaceLists},
		{name: fmt.Sprintf("%d new certificates a second", newRate), work: ours.arrive},
		{name: "another server judges them", work: other.arrive},
	}
	for round := range rounds {
		for _, row := range rows {
			r, err := meanwhile(measured, func(stop <-chan struct{}) error { return row.work(round, stop) })
			if err != nil {
				return fmt.Errorf("while %s: %w", row.name, err)
			}
			row.add(r)
		}
	}
	quiet := median(rows[0].p99)
	t := newTable(b.out, "meanwhile", "p50 µs", "p99 µs", "p99.9 µs", "p99 of quiet")
	for _, row := range rows {
		p99 := median(row.p99)
		t.row(row.name, microseconds(median(row.p50)), microseconds(p99), microseconds(median(row.p999)), ratio(p99, quiet))
	}
	t.flush()
	b.printf("\n%d warm requests a second: medians of %d rounds of %v. The goal is for a processor that is free;\n"+
		"here %d are shared by Kong's side and the servers: what another server's work costs, the machine takes.\n",
		busyRate, rounds, lasts, runtime.GOMAXPROCS(0))
	b.atMost(2, median(rows[1].p99)/quiet, "p99 while a large CRL is read, of the quiet one")
	b.atMost(2, median(rows[3].p99)/quiet, "p99 while new certificates arrive, of the quiet one")
	return b.stop(before)
}

var strictConfig = config("revocation_check_mode", "STRICT")

// meanwhile does work beside what is measured, until that is over.
func meanwhile(measured func() (kong.Result, error), work func(stop <-chan struct{}) error) (kong.Result, error) {
	stop := make(chan struct{})
	failed := make(chan error, 1)
	go func() { failed <- work(stop) }()
	r, err := measured()
	close(stop)
	if workErr := <-failed; err == nil {
		err = workErr
	}
	return r, err
}
