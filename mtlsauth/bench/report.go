package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// goal is a ratio, or a count, that a figure should not exceed, or fall below.
type goal struct {
	what  string
	got   float64
	bound float64
	least bool // bound is the least that it should be
}

func (b *bench) atMost(most, got float64, what string, args ...any) {
	b.goals = append(b.goals, goal{fmt.Sprintf(what, args...), got, most, false})
}

func (b *bench) atLeast(least, got float64, what string, args ...any) {
	b.goals = append(b.goals, goal{fmt.Sprintf(what, args...), got, least, true})
}

// count is atMost for what is counted while a server is also asked for its
// figures, which are a few calls and allocations of their own.
func (b *bench) count(most, got float64, what string, args ...any) {
	b.atMost(most, math.Round(10*got)/10, what, args...)
}

func (g goal) met() string {
	if g.least && g.got >= g.bound || !g.least && g.got <= g.bound {
		return "goal met"
	}
	return "missed"
}

func (b *bench) printGoals() {
	if len(b.goals) == 0 {
		return
	}
	b.printf("\ngoals\n\n")
	t := newTable(b.out, "figure", "measured", "goal", "")
	for _, g := range b.goals {
		bound := "at most"
		if g.least {
			bound = "at least"
		}
		t.row(g.what, fmt.Sprintf("%.2f", g.got), fmt.Sprintf("%s %.2f", bound, g.bound), g.met())
	}
	t.flush()
}

// table is columns of text, the first to the left.
type table struct{ w *tabwriter.Writer }

func newTable(out io.Writer, header ...string) table {
	t := table{tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)}
	t.row(header...)
	return t
}

func (t table) row(cells ...string) {
	fmt.Fprintln(t.w, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
}
func (t table) flush() { t.w.Flush() }

// median is the middle value; of an even number the mean of the two.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	m := len(v) / 2
	if len(v)%2 == 1 {
		return v[m]
	}
	return (v[m-1] + v[m]) / 2
}

// microseconds writes nanoseconds as such.
func microseconds(nanoseconds float64) string { return fmt.Sprintf("%.1f", nanoseconds/1000) }

func decimal(v float64) string { return fmt.Sprintf("%.1f", v) }

func ratio(a, b float64) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", a/b)
}
