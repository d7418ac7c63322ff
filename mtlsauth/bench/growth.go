package main

import (
	"fmt"
	"os"
	"strconv"

	"mtls-auth/mtlsauth/bench/kong"
	"mtls-auth/mtlsauth/bench/role"
	"mtls-auth/mtlsauth/bench/server"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// series is how the cost of a request grows with a number.
type series struct {
	name   string
	points []point
}

// point has processor time of the server for one request, in nanoseconds, and
// what the server holds.
type point struct {
	n          int
	warm, cold float64
	memory     int64
}

// growth measures warm and cold requests with more and more certificates,
// configurations, CA certificates and names.
func (b *bench) growth() error {
	var all []series
	for _, grow := range []struct {
		name string
		most int
		run  func(*grower) error
	}{
		{"certificates", 100_000, (*grower).certificates},
		{"configurations", 10_000, (*grower).configurations},
		{"CA certificates", 1000, (*grower).authorities},
		{"names in a certificate", 1000, (*grower).names},
	} {
		g := &grower{bench: b, series: series{name: grow.name}, requests: b.requests, fresh: 300}
		if b.quick {
			grow.most, g.fresh = 10, 20
		}
		for n := 1; n <= grow.most; n *= 10 {
			g.steps = append(g.steps, n)
		}
		before := len(b.running)
		if err := grow.run(g); err != nil {
			return fmt.Errorf("%s: %w", grow.name, err)
		}
		if err := b.stop(before); err != nil {
			return err
		}
		all = append(all, g.series)
	}
	t := newTable(b.out, "with", "n", "warm µs", "cold µs", "server's memory MiB")
	for _, s := range all {
		for _, p := range s.points {
			t.row(s.name, strconv.Itoa(p.n), microseconds(p.warm), microseconds(p.cold), decimal(float64(p.memory)/(1<<20)))
		}
	}
	t.flush()
	b.printf("\nprocessor time of the server's process for one request, medians of %d: of requests in no order among those\n"+
		"that were decided before, and of certificates that were never seen.\n", pointRounds)
	if b.svg == "" {
		return nil
	}
	return os.WriteFile(b.svg, draw(all), 0o644)
}

// grower measures one series.
type grower struct {
	*bench
	series
	steps    []int
	requests int // of a measurement of warm ones
	fresh    int // certificates of a measurement of cold ones, never seen before

	server *role.Process
	kong   *kong.Driver
}

func (g *grower) start(o server.Ours, config map[string]any) error {
	p, socket, err := g.bench.ours(o)
	if err != nil {
		return err
	}
	g.server = p
	g.kong, err = g.bench.kong(socket, config)
	return err
}

// pointRounds is how often each point is measured.
const pointRounds = 3

// measure adds a point: warm requests with the evidence that was read under
// "warm", all of which was presented before, and cold ones with that of "cold".
func (g *grower) measure(n int, configs ...string) error {
	var warm, cold []float64
	at := point{n: n}
	for round := range pointRounds {
		used, err := g.used(kong.Job{Configs: configs, Evidence: "warm", Shuffle: true, Requests: g.requests})
		if err != nil {
			return err
		}
		warm = append(warm, float64(used.CPU.Nanoseconds())/float64(g.requests))
		used, err = g.used(kong.Job{Configs: configs, Evidence: "cold", From: round * g.fresh, Requests: g.fresh})
		if err != nil {
			return err
		}
		cold = append(cold, float64(used.CPU.Nanoseconds())/float64(g.fresh))
		at.memory = used.Memory
	}
	at.warm, at.cold = median(warm), median(cold)
	g.points = append(g.points, at)
	return nil
}

func (g *grower) used(j kong.Job) (role.Usage, error) {
	return usedBy(g.server, func() error {
		_, err := g.kong.Run(j)
		return err
	})
}

// unseen makes the certificates of a point's cold requests.
func (g *grower) unseen(ca *pki.Certificate, change ...pki.Option) []kong.Evidence {
	return freshOf(ca, pointRounds*g.fresh, change...)
}

// prepare makes the evidence for a point: what was presented, and what was not.
func (g *grower) prepare(warm, cold []kong.Evidence, configs ...string) error {
	if err := g.give(g.kong, "warm", warm...); err != nil {
		return err
	}
	if err := g.give(g.kong, "cold", cold...); err != nil {
		return err
	}
	_, err := g.kong.Run(kong.Job{Configs: configs, Evidence: "warm", Requests: max(len(warm), len(configs))})
	return err
}

func (g *grower) certificates() error {
	if err := g.start(server.Ours{}, config()); err != nil {
		return err
	}
	var presented []kong.Evidence
	for _, n := range g.steps {
		presented = append(presented, freshOf(g.root, n-len(presented))...)
		if err := g.prepare(presented, g.unseen(g.root), ""); err != nil {
			return err
		}
		if err := g.measure(n, ""); err != nil {
			return err
		}
	}
	return nil
}

func (g *grower) configurations() error {
	if err := g.start(server.Ours{}, config()); err != nil {
		return err
	}
	one := freshOf(g.root, 1)
	var names []string
	for _, n := range g.steps {
		for i := len(names); i < n; i++ {
			name := strconv.Itoa(i)
			// With another time-out it is another configuration.
			if err := g.kong.Load(name, config("__plugin_id", name, "http_timeout", 10_000+i)); err != nil {
				return err
			}
			names = append(names, name)
		}
		if err := g.prepare(one, g.unseen(g.root), names...); err != nil {
			return err
		}
		if err := g.measure(n, names...); err != nil {
			return err
		}
	}
	return nil
}

func (g *grower) authorities() error {
	most := g.steps[len(g.steps)-1]
	cas, ids := make(map[string]*pki.Certificate, most), make([]any, most)
	var last *pki.Certificate
	for i := range most {
		id := fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", i)
		ids[i] = id
		last = pki.NewCA("root " + strconv.Itoa(i))
		cas[id] = last
	}
	dir, err := g.caDir(cas)
	if err != nil {
		return err
	}
	if err := g.start(server.Ours{CADir: dir}, config("ca_certificates", ids)); err != nil {
		return err
	}
	for _, n := range g.steps {
		name := strconv.Itoa(n)
		// The certificate's own CA is the last.
		if err := g.kong.Load(name, config("__plugin_id", name, "ca_certificates", ids[most-n:])); err != nil {
			return err
		}
		if err := g.prepare(freshOf(last, 1), g.unseen(last), name); err != nil {
			return err
		}
		if err := g.measure(n, name); err != nil {
			return err
		}
	}
	return nil
}

func (g *grower) names() error {
	if err := g.start(server.Ours{}, config()); err != nil {
		return err
	}
	for _, n := range g.steps {
		// Short enough for a thousand of them to go into a header.
		names := make([]string, n)
		for i := range names {
			names[i] = "n" + strconv.Itoa(i) + ".x"
		}
		san := pki.DNS(names...)
		if err := g.prepare(freshOf(g.root, 1, san), g.unseen(g.root, san), ""); err != nil {
			return err
		}
		if err := g.measure(n, ""); err != nil {
			return err
		}
	}
	return nil
}
