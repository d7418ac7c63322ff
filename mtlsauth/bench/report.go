package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// table is routes that are compared; the first is what the others are compared with.
type table struct {
	what   string
	routes []*route
	goals  func() []goal
}

// figures are one measurement of a route.
type figures struct {
	rate float64 // requests a second
	p50  float64 // µs
	cpu  float64 // processor time of Kong's workers for one request, in µs
}

func (t *table) print(out io.Writer) {
	fmt.Fprintf(out, "%s\n\n", t.what)
	first := t.routes[0]
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	row := func(cells ...string) { fmt.Fprintln(w, strings.Join(cells, "\t")) }
	row("", "requests/s", "of the first", "p50 µs", "Kong's CPU µs", "beyond the first")
	for _, r := range t.routes {
		row(r.name, fmt.Sprintf("%.0f", r.median(rate)), fmt.Sprintf("%.2f", r.ratio(first)),
			fmt.Sprintf("%.0f", r.median(func(f figures) float64 { return f.p50 })),
			fmt.Sprintf("%.1f", r.median(cpu)), fmt.Sprintf("%.1f", r.beyond(first)))
	}
	w.Flush()
	fmt.Fprintln(out)
}

func rate(f figures) float64 { return f.rate }
func cpu(f figures) float64  { return f.cpu }

func (r *route) median(of func(figures) float64) float64 {
	values := make([]float64, len(r.figures))
	for i, f := range r.figures {
		values[i] = of(f)
	}
	return median(values)
}

// ratio is the median of the ratios to another route's rate in the same turn.
func (r *route) ratio(other *route) float64 {
	values := make([]float64, len(r.figures))
	for i, f := range r.figures {
		values[i] = f.rate / other.figures[i].rate
	}
	return median(values)
}

// beyond is the median of the processor time beyond another route's in the same
// turn, in µs.
func (r *route) beyond(other *route) float64 {
	values := make([]float64, len(r.figures))
	for i, f := range r.figures {
		values[i] = f.cpu - other.figures[i].cpu
	}
	return median(values)
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	if m := len(v) / 2; len(v)%2 == 1 {
		return v[m]
	} else {
		return (v[m-1] + v[m]) / 2
	}
}

// goal is a figure with the bound that it should keep.
type goal struct {
	what       string
	got, bound float64
	atLeast    bool // the bound is the least that is wanted, not the most
}

func (g goal) String() string {
	bound, met := "at most", g.got <= g.bound
	if g.atLeast {
		bound, met = "at least", g.got >= g.bound
	}
	verdict := "missed"
	if met {
		verdict = "met"
	}
	return fmt.Sprintf("%s: %.2f, %s %.2f\t%s", g.what, g.got, bound, g.bound, verdict)
}

func printGoals(out io.Writer, goals []goal) {
	fmt.Fprint(out, "goals\n\n")
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	for _, g := range goals {
		fmt.Fprintln(w, g)
	}
	w.Flush()
}
