package main

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"mtls-auth/mtlsauth/bench/load"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// route is a route of a Kong and how its clients come.
type route struct {
	name    string
	kong    *realkong.Kong
	clients *load.Clients
	path    string
	header  string   // lines besides the usual ones
	sees    []string // header lines that the upstream must see
	how     load.Connections
	figures []figures
}

// usual are header lines that clients send: what a plugin does to headers costs
// more, the more there are.
const usual = "User-Agent: bench/1.0\r\nAccept: application/json\r\nAccept-Encoding: gzip, deflate\r\n" +
	"Authorization: Bearer 0af7651916cd43dd8448eb211c80319c\r\nX-Request-Id: b7ad6b7169203331\r\n" +
	"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"

func (r *route) request(lines string) string {
	return "GET " + r.path + " HTTP/1.1\r\nHost: localhost\r\n" + usual + r.header + lines + "\r\n"
}

// await asks until the route answers as it should: a worker may not have read its
// configuration yet.
func (r *route) await(ctx context.Context) error {
	for {
		err := r.check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", r.name, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// check sees that the upstream gets what the route's plugin adds.
func (r *route) check() error {
	request, err := r.clients.Get(r.request(load.Shows + ": 1\r\n"))
	if err != nil {
		return err
	}
	for _, want := range r.sees {
		if !strings.Contains(strings.ToLower(request), "\n"+strings.ToLower(want)+"\n") {
			return fmt.Errorf("the upstream does not see %q: %q", want, request)
		}
	}
	return nil
}

// measure measures every route of the table in turn. The first turn warms up and
// does not count.
func (t *table) measure(ctx context.Context, o options) error {
	for turn := -1; turn < o.turns; turn++ {
		for i := range t.routes {
			r := t.routes[(i+turn+1)%len(t.routes)] // no route always comes after the same one
			f, err := r.measure(o.lasts)
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			if turn >= 0 {
				r.figures = append(r.figures, f)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *route) measure(lasts time.Duration) (figures, error) {
	before, err := r.kong.WorkerTime()
	if err != nil {
		return figures{}, err
	}
	result, err := r.clients.Run(load.Job{Request: r.request(""), Lasts: lasts, How: r.how})
	if err != nil {
		return figures{}, err
	}
	after, err := r.kong.WorkerTime()
	return figures{
		rate: result.Rate(), p50: float64(result.Median().Nanoseconds()) / 1000,
		cpu: float64((after - before).Nanoseconds()) / 1000 / math.Max(1, float64(result.Requests)),
	}, err
}
