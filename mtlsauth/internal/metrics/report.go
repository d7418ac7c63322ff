package metrics

import (
	"crypto/rand"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// Report is what a worker of Kong adds to the registry of Kong's prometheus plugin. All
// reports together have what this process has counted, each of it once.
type Report struct {
	// Generation is another one when a gauge has lost a series: those of all gauges in the
	// registry are to be dropped then. It is empty where there are no series at all.
	Generation string     `json:"generation,omitempty"`
	Metrics    []Reported `json:"metrics"`
}

// Reported is one metric.
type Reported struct {
	Name    string    `json:"name"`
	Type    Type      `json:"type"`
	Help    string    `json:"help"`
	Labels  []string  `json:"labels"`
	Buckets []float64 `json:"buckets,omitempty"` // of a histogram
	Series  []Series  `json:"series"`
}

// Series is one of a metric.
type Series struct {
	Labels []string `json:"labels"`
	// Value is that of a gauge, or by how much a counter has grown.
	Value float64 `json:"value"`
	// Observed are values for a histogram, and how often each is to be observed, which
	// makes its buckets and its sum what they are here.
	Observed [][2]float64 `json:"observed,omitempty"`
}

const (
	// reportEvery is the least time between two reports.
	reportEvery = 5 * time.Second
	// maxObserved bounds the observations of one series in one report: the worker makes
	// each. The rest is for the next.
	maxObserved = 5000
)

// reports is what reports have told.
type reports struct {
	process string

	mu         sync.Mutex
	last       time.Time
	generation uint64
	gauges     map[string]bool // series of the last report
	counters   map[string]float64
	histograms map[string]observed
}

// observed are the buckets of a histogram, the last one without a bound, and its sum.
type observed struct {
	counts []uint64
	sum    float64
}

func newReports() reports {
	var process [8]byte
	rand.Read(process[:])
	return reports{
		process: hex.EncodeToString(process[:]), gauges: make(map[string]bool),
		counters: make(map[string]float64), histograms: make(map[string]observed),
	}
}

// counted are the metrics that workers count themselves.
var counted = []string{requestsTotal, decisionsTotal, serverUp}

// Describe returns the metrics without a series: a worker that shows what others have told
// the registry has to know types and help texts.
func (m *Metrics) Describe() *Report {
	if m == nil {
		return nil
	}
	report := new(Report)
	for _, d := range All {
		if !slices.Contains(counted, d.Name) {
			report.Metrics = append(report.Metrics, d.reported())
		}
	}
	return report
}

func (d Metric) reported() Reported {
	return Reported{Name: d.Name, Type: d.Type, Help: d.Help, Labels: append([]string{}, d.Labels...), Buckets: d.buckets, Series: []Series{}}
}

// Report returns what is new since the last report, nil soon after it.
func (m *Metrics) Report(now time.Time) *Report {
	if m == nil {
		return nil
	}
	r := &m.report
	r.mu.Lock()
	defer r.mu.Unlock()
	if since := now.Sub(r.last); since >= 0 && since < reportEvery {
		return nil
	}
	families, err := m.registry.Gather()
	if err != nil {
		return nil // what is there next time is told then
	}
	r.last = now
	byName := make(map[string][]*dto.Metric)
	for _, family := range families {
		byName[family.GetName()] = family.GetMetric()
	}
	report, gauges := new(Report), make(map[string]bool)
	for _, d := range All { // also those without a series, which may have lost the last
		if slices.Contains(counted, d.Name) {
			continue
		}
		one := d.reported()
		for _, of := range byName[d.Name] {
			s := Series{Labels: valuesOf(of, d.Labels)}
			key := d.Name + "\x00" + strings.Join(s.Labels, "\x00")
			switch d.Type {
			case Gauge:
				gauges[key] = true
				s.Value = of.GetGauge().GetValue()
			case Counter:
				value := of.GetCounter().GetValue()
				s.Value = value - r.counters[key]
				r.counters[key] = value
			case Histogram:
				now, bounds := observedBy(of.GetHistogram())
				s.Observed, r.histograms[key] = between(r.histograms[key], now, bounds)
			}
			one.Series = append(one.Series, s)
		}
		report.Metrics = append(report.Metrics, one)
	}
	for key := range r.gauges {
		if !gauges[key] {
			r.generation++
			break
		}
	}
	r.gauges = gauges
	report.Generation = r.process + "-" + strconv.FormatUint(r.generation, 10)
	return report
}

// valuesOf returns the values of labels, in their order.
func valuesOf(m *dto.Metric, labels []string) []string {
	values := make([]string, len(labels))
	for _, pair := range m.GetLabel() {
		values[slices.Index(labels, pair.GetName())] = pair.GetValue()
	}
	return values
}

func observedBy(h *dto.Histogram) (o observed, bounds []float64) {
	before := uint64(0)
	for _, bucket := range h.GetBucket() {
		if math.IsInf(bucket.GetUpperBound(), 1) {
			continue
		}
		o.counts = append(o.counts, bucket.GetCumulativeCount()-before)
		before = bucket.GetCumulativeCount()
		bounds = append(bounds, bucket.GetUpperBound())
	}
	o.counts = append(o.counts, h.GetSampleCount()-before)
	o.sum = h.GetSampleSum()
	return o, bounds
}

// between returns what is to be observed to come from before to now, and what has been told
// then. The values of a bucket are all the same, at the same part of the way from its lower
// to its upper bound in every bucket, so that their sum is right. What is over the last
// bound is what is left of the sum.
func between(before, now observed, bounds []float64) (values [][2]float64, told observed) {
	told = observed{counts: make([]uint64, len(now.counts)), sum: now.sum}
	copy(told.counts, before.counts)
	sum, lowest, width := now.sum-before.sum, 0.0, 0.0
	grown := make([]uint64, len(now.counts))
	left := uint64(maxObserved)
	whole := true
	for i := range now.counts {
		n := now.counts[i] - told.counts[i]
		grown[i] = min(n, left)
		whole = whole && grown[i] == n
		left -= grown[i]
		told.counts[i] += grown[i]
		if i < len(bounds) {
			lower := lowerBound(bounds, i)
			lowest += float64(grown[i]) * lower
			width += float64(grown[i]) * (bounds[i] - lower)
		}
	}
	over := float64(grown[len(bounds)])
	part := 0.5
	if whole && over == 0 && width > 0 {
		part = min(max((sum-lowest)/width, 1e-9), 1)
	}
	observedSum := 0.0
	for i, bound := range bounds {
		if grown[i] == 0 {
			continue
		}
		lower := lowerBound(bounds, i)
		value := min(lower+part*(bound-lower), bound)
		values = append(values, [2]float64{value, float64(grown[i])})
		observedSum += value * float64(grown[i])
	}
	if over > 0 {
		value := 2 * bounds[len(bounds)-1]
		if whole {
			value = max((sum-observedSum)/over, math.Nextafter(bounds[len(bounds)-1], math.Inf(1)))
		}
		values = append(values, [2]float64{value, over})
		observedSum += value * over
	}
	told.sum = before.sum + observedSum
	return values, told
}

func lowerBound(bounds []float64, i int) float64 {
	if i == 0 {
		return 0
	}
	return bounds[i-1]
}
