package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 9, 2}, 3}} {
		if got := median(test.values); got != test.want {
			t.Errorf("median of %v: got %v, want %v", test.values, got, test.want)
		}
	}
}

func TestGoals(t *testing.T) {
	out := new(bytes.Buffer)
	b := &bench{out: out}
	b.atMost(0.45, 0.45, "as much")
	b.atMost(0.45, 0.46, "more")
	b.count(2, 2.02, "counted with a little besides")
	b.count(2, 2.2, "counted too often")
	b.atLeast(0.95, 0.95, "just enough")
	b.atLeast(0.95, 0.94, "less")
	b.printGoals()
	for line, want := range map[string]string{
		"as much": "goal met", "more": "missed",
		"counted with a little besides": "goal met", "counted too often": "missed",
		"just enough": "goal met", "less": "missed",
	} {
		found := false
		for text := range strings.Lines(out.String()) {
			if strings.HasPrefix(text, line+" ") {
				found = true
				if !strings.HasSuffix(strings.TrimSpace(text), want) {
					t.Errorf("%s: got %q, want %s", line, text, want)
				}
			}
		}
		if !found {
			t.Errorf("no line for %q:\n%s", line, out)
		}
	}
}

// What ten times as much costs is a decade further up, and what costs the same
// is level.
func TestDrawing(t *testing.T) {
	s := series{name: "things", points: []point{{n: 1, warm: 2000, cold: 20_000}, {n: 10, warm: 2000, cold: 200_000}}}
	wellFormed(t, draw([]series{s, s, s}))
	low, high := decades([]series{s})
	if low != 0 || high != 3 {
		t.Errorf("the axis goes from 10^%d to 10^%d µs, want 10^0 to 10^3", low, high)
	}
	p := panel{s, low, high}
	decade := (panelHeight - marginTop - marginBottom) / 3.0
	if got := p.y(20) - p.y(200); got < decade-0.01 || got > decade+0.01 {
		t.Errorf("ten times as much is %v further up, want %v", got, decade)
	}
	if p.x(1) != marginLeft || p.x(10) != panelWidth-marginRight {
		t.Errorf("the axis goes from %v to %v", p.x(1), p.x(10))
	}
}
