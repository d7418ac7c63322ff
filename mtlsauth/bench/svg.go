package main

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
)

// The drawing: panels beside and below one another, each with both axes
// logarithmic, so that what does not grow is a level line and what grows with
// the number is a slope of one decade to one.
const (
	panelWidth, panelHeight = 380, 250
	marginLeft, marginRight = 52, 28
	marginTop, marginBottom = 34, 38
	columns                 = 2
	legendHeight            = 30
)

var lines = []struct {
	name, colour string
	value        func(point) float64
}{
	{"decided before", "#1f6feb", func(p point) float64 { return p.warm }},
	{"never seen", "#d1622b", func(p point) float64 { return p.cold }},
}

// draw draws series as an SVG.
func draw(all []series) []byte {
	out := new(bytes.Buffer)
	rows := (len(all) + columns - 1) / columns
	width, height := columns*panelWidth, rows*panelHeight+legendHeight
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11" fill="#333">`+"\n",
		width, height, width, height)
	fmt.Fprintf(out, "<title>Processor time of a request, in microseconds</title>\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", width, height)
	low, high := decades(all)
	for i, s := range all {
		fmt.Fprintf(out, "<g transform=\"translate(%d %d)\">\n", i%columns*panelWidth, i/columns*panelHeight)
		panel{s, low, high}.draw(out)
		fmt.Fprintln(out, "</g>")
	}
	x := marginLeft
	for _, l := range lines {
		y := height - legendHeight/2
		fmt.Fprintf(out, `<path d="M%d %dh24" stroke="%s" stroke-width="2"/><text x="%d" y="%d">%s</text>`+"\n", x, y, l.colour, x+30, y+4, l.name)
		x += 140
	}
	fmt.Fprintln(out, "</svg>")
	return out.Bytes()
}

// decades are the powers of ten, in microseconds, between which all values lie.
func decades(all []series) (low, high int) {
	least, most := math.Inf(1), 0.0
	for _, s := range all {
		for _, p := range s.points {
			for _, l := range lines {
				least, most = min(least, l.value(p)/1000), max(most, l.value(p)/1000)
			}
		}
	}
	if least <= 0 || math.IsInf(least, 1) || most <= 0 {
		return 0, 1
	}
	low = int(math.Floor(math.Log10(least)))
	return low, max(low+1, int(math.Ceil(math.Log10(most))))
}

// panel is one series. Its vertical axis goes from one power of ten to another.
type panel struct {
	series
	low, high int
}

func (p panel) draw(out *bytes.Buffer) {
	fmt.Fprintf(out, `<text x="%d" y="18" font-weight="bold">µs, with %s</text>`+"\n", marginLeft, p.name)
	for d := p.low; d <= p.high; d++ {
		y := p.y(math.Pow10(d))
		fmt.Fprintf(out, `<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			marginLeft, y, panelWidth-marginRight, marginLeft-6, y+4, strconv.FormatFloat(math.Pow10(d), 'f', -1, 64))
	}
	for _, at := range p.points {
		fmt.Fprintf(out, `<text x="%.1f" y="%d" text-anchor="middle">%d</text>`+"\n", p.x(at.n), panelHeight-marginBottom+16, at.n)
	}
	for _, l := range lines {
		fmt.Fprintf(out, `<polyline fill="none" stroke="%s" stroke-width="2" points="`, l.colour)
		for _, at := range p.points {
			fmt.Fprintf(out, "%.1f,%.1f ", p.x(at.n), p.y(l.value(at)/1000))
		}
		fmt.Fprintln(out, `"/>`)
		for _, at := range p.points {
			fmt.Fprintf(out, `<circle cx="%.1f" cy="%.1f" r="2.5" fill="%s"/>`+"\n", p.x(at.n), p.y(l.value(at)/1000), l.colour)
		}
	}
}

func (p panel) x(n int) float64 {
	most := p.points[len(p.points)-1].n
	if most <= 1 {
		return marginLeft
	}
	return marginLeft + math.Log10(float64(n))/math.Log10(float64(most))*(panelWidth-marginLeft-marginRight)
}

func (p panel) y(micro float64) float64 {
	part := (math.Log10(micro) - float64(p.low)) / float64(p.high-p.low)
	return marginTop + (1-part)*(panelHeight-marginTop-marginBottom)
}
