package main

import (
	"fmt"

	"mtls-auth/mtlsauth/bench/kong"
	"mtls-auth/mtlsauth/bench/role"
	"mtls-auth/mtlsauth/bench/server"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// contender is a server with the requests that are made to it.
type contender struct {
	name     string
	start    func() (*role.Process, string, error)
	config   map[string]any
	evidence kong.Evidence

	server *role.Process
	kong   *kong.Driver
	costs  costs
}

// costs are a contender's figures for one request, one for each round.
type costs struct{ cpu, allocs, bytes, writes, reads []float64 }

// The contenders.
const (
	oursWarm     = "ours"
	oursConsumer = "ours, ends in a consumer"
	oursNone     = "ours, 401: none sent"
	oursBad      = "ours, 401: known bad"
	sixCalls     = "StartServer, same six calls"
	twoCalls     = "StartServer, two calls"
	naive        = "StartServer, two calls, verifies"
	byHand       = "hand-written bytes"
	byHandExit   = "hand-written bytes, 401"
)

func (b *bench) contenders() []*contender {
	client := presented(b.inter.Client("client", pki.DNS("client.example")), passes("client"))
	known := client
	known.Want = kong.Want{Consumer: consumerID}
	bad := presented(pki.NewCA("stranger").Client("client"), kong.Want{Status: 401})
	ours := func() (*role.Process, string, error) { return b.ours(server.Ours{}) }
	plugin := func(name string) func() (*role.Process, string, error) {
		return func() (*role.Process, string, error) { return b.goPDK(name) }
	}
	bytes := func(exits bool) func() (*role.Process, string, error) {
		return func() (*role.Process, string, error) { return b.bytes(exits) }
	}
	return []*contender{
		{name: oursWarm, start: ours, evidence: client},
		{name: oursConsumer, start: ours, evidence: known, config: config("skip_consumer_lookup", false)},
		{name: oursNone, start: ours, evidence: kong.Evidence{Want: kong.Want{Status: 401}}},
		{name: oursBad, start: ours, evidence: bad},
		{name: sixCalls, start: plugin("six"), evidence: client},
		{name: twoCalls, start: plugin("two"), evidence: client},
		{name: naive, start: plugin("naive"), evidence: client},
		{name: byHand, start: bytes(false), evidence: client},
		{name: byHandExit, start: bytes(true), evidence: bad},
	}
}

// warm measures requests that were decided before. Round by round every server
// has its turn, so that what else the machine does meets all of them.
func (b *bench) warm() error {
	all := b.contenders()
	before := len(b.running)
	for _, c := range all {
		if err := b.begin(c); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	for round := range b.rounds {
		for i := range all {
			c := all[(i+round)%len(all)] // none is always first
			if err := b.round(c); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	b.printWarm(all)
	return b.stop(before)
}

// begin starts a contender and makes its requests warm ones.
func (b *bench) begin(c *contender) error {
	var socket string
	var err error
	if c.server, socket, err = c.start(); err != nil {
		return err
	}
	if c.config == nil {
		c.config = config()
	}
	if c.kong, err = b.kong(socket, c.config); err != nil {
		return err
	}
	if err := b.give(c.kong, "", c.evidence); err != nil {
		return err
	}
	_, err = c.kong.Run(kong.Job{Configs: []string{""}, Requests: 200})
	return err
}

func (b *bench) round(c *contender) error {
	used, err := usedBy(c.server, func() error {
		_, err := c.kong.Run(kong.Job{Configs: []string{""}, Requests: b.requests})
		return err
	})
	if err != nil {
		return err
	}
	c.costs.add(used, b.requests)
	return nil
}

// usedBy returns what a process used while work was done.
func usedBy(p *role.Process, work func() error) (role.Usage, error) {
	if err := p.Settle(); err != nil {
		return role.Usage{}, err
	}
	before, err := p.Usage()
	if err != nil {
		return role.Usage{}, err
	}
	if err := work(); err != nil {
		return role.Usage{}, err
	}
	after, err := p.Usage()
	return after.Since(before), err
}

func (c *costs) add(u role.Usage, requests int) {
	n := float64(requests)
	c.cpu = append(c.cpu, float64(u.CPU.Nanoseconds())/n)
	c.allocs = append(c.allocs, float64(u.Allocs)/n)
	c.bytes = append(c.bytes, float64(u.Bytes)/n)
	c.writes = append(c.writes, float64(u.Writes)/n)
	c.reads = append(c.reads, float64(u.Reads)/n)
}

func (b *bench) printWarm(all []*contender) {
	by := make(map[string]*costs, len(all))
	for _, c := range all {
		by[c.name] = &c.costs
	}
	six, hand := median(by[sixCalls].cpu), median(by[byHand].cpu)
	t := newTable(b.out, "server", "CPU µs", "of six calls", "of hand-written", "allocations", "bytes", "writes", "reads")
	for _, c := range all {
		cpu := median(c.costs.cpu)
		t.row(c.name, microseconds(cpu), ratio(cpu, six), ratio(cpu, hand), decimal(median(c.costs.allocs)),
			fmt.Sprintf("%.0f", median(c.costs.bytes)), decimal(median(c.costs.writes)), decimal(median(c.costs.reads)))
	}
	t.flush()
	b.printf("\nper request, of the server's process: medians of %d rounds. Writes and reads are system calls;\n"+
		"Kong sends length and body of a frame apart, and a read that finds nothing counts too.\n", b.rounds)

	of := func(name string) float64 { return median(by[name].cpu) }
	warm := of(oursWarm)
	b.atMost(0.45, warm/of(sixCalls), "warm request, of StartServer with the same six calls")
	b.atMost(1, warm/of(twoCalls), "warm request, of StartServer with two calls")
	b.atMost(1.25, warm/of(byHand), "warm request, of hand-written bytes")
	b.count(2, median(by[oursWarm].writes), "warm request, writes")
	b.count(10, median(by[oursWarm].allocs), "warm request, allocations")
	b.atMost(1.2, of(oursConsumer)/warm, "ends in a consumer, of the warm request")
	b.count(2, median(by[oursConsumer].writes), "ends in a consumer, writes")
	b.count(10, median(by[oursConsumer].allocs), "ends in a consumer, allocations")
	b.atMost(1.3, of(oursNone)/warm, "401 for none sent, of the warm request")
	b.atMost(1.3, of(oursBad)/warm, "401 for one known to be bad, of the warm request")
}
