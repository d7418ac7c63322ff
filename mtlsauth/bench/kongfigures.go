package main

import (
	"fmt"

	"mtls-auth/mtlsauth/bench/role"
)

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

// figures are those of one visit. Times are nanoseconds; server and kong are
// processor time for a request, writes the plugin server's for one. Of a route
// without a plugin server, server and writes are NaN.
type figures struct{ requests, rate, p50, p99, server, writes, kong float64 }

func rate(f figures) float64     { return f.rate }
func kongTime(f figures) float64 { return f.kong }

// median returns the middle of a figure over all visits.
func (r *route) median(of func(figures) float64) float64 {
	var all []float64
	for _, f := range r.figures {
		all = append(all, of(f))
	}
	return median(all)
}

// to returns the middle of what a figure is to another route's in the same turn,
// such as their ratio.
func (r *route) to(other *route, of func(figures) float64, is func(mine, others float64) float64) float64 {
	var all []float64
	for i, f := range r.figures {
		all = append(all, is(of(f), of(other.figures[i])))
	}
	return median(all)
}

func (r *route) ratioTo(other *route, of func(figures) float64) float64 {
	return r.to(other, of, func(mine, others float64) float64 { return mine / others })
}

// beyond returns Kong's processor time for a request beyond that of another
// route, in microseconds.
func (r *route) beyond(other *route) float64 {
	return r.to(other, kongTime, func(mine, others float64) float64 { return (mine - others) / 1000 })
}

func (b *bench) printKong(routes []*route) {
	none := routeNamed(routes, noPlugin)
	t := newTable(b.out, "route", "requests/s", "of no plugin", "p50 µs", "p99 µs", "plugin server, CPU µs", "writes", "Kong, CPU µs", "beyond no plugin")
	for _, r := range routes {
		server, writes := "-", "-"
		if r.server != nil {
			server = microseconds(r.median(func(f figures) float64 { return f.server }))
			writes = decimal(r.median(func(f figures) float64 { return f.writes }))
		}
		t.row(r.name, fmt.Sprintf("%.0f", r.median(rate)), fmt.Sprintf("%.2f", r.ratioTo(none, rate)),
			microseconds(r.median(func(f figures) float64 { return f.p50 })), microseconds(r.median(func(f figures) float64 { return f.p99 })),
			server, writes, microseconds(r.median(kongTime)), decimal(r.beyond(none)))
	}
	t.flush()
	b.printf("\n")
}

// pluginServerGoals are those of go-pdk's door.
func (b *bench) pluginServerGoals(routes []*route) {
	ours := routeNamed(routes, oursWarm)
	b.atLeast(0.95, ours.ratioTo(routeNamed(routes, byHand), rate), "requests/s through Kong, of hand-written bytes")
	b.atLeast(1, ours.ratioTo(routeNamed(routes, twoCalls), rate), "requests/s through Kong, of StartServer with two calls")
}

// nativeGoals are those of the native door for what was decided before, with so
// many workers. key-auth ends in a consumer as well.
func (b *bench) nativeGoals(routes []*route, workers int) {
	native, none := routeNamed(routes, nativeConsumer), routeNamed(routes, noPlugin)
	with := fmt.Sprintf("native door, %d worker%s", workers, plural(workers))
	b.atLeast(0.85, native.ratioTo(none, rate), "requests/s through Kong, %s, of no plugin", with)
	b.atLeast(1, native.ratioTo(routeNamed(routes, keyAuth), rate), "requests/s through Kong, %s, of key-auth", with)
	b.atMost(8, native.beyond(none), "Kong's CPU µs beyond no plugin, %s", with)
}

// anewGoals are those of the native door where nothing is kept.
func (b *bench) anewGoals(routes []*route) {
	anew := routeNamed(routes, nativeAnew)
	b.atMost(100, anew.beyond(routeNamed(routes, noPlugin)), "Kong's CPU µs beyond no plugin, native door, decided anew")
	b.atMost(1, anew.median(func(f figures) float64 { return f.p50 / 1e6 }), "p50 ms, native door, decided anew")
	b.count(2, anew.median(func(f figures) float64 { return f.writes }), "turnarounds to the engine, native door, decided anew")
}

func routeNamed(routes []*route, name string) *route {
	for _, r := range routes {
		if r.name == name {
			return r
		}
	}
	panic("no route " + name) // they are all in one list
}
