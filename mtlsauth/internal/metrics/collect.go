package metrics

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mtls-auth/mtlsauth/internal/config"
	"mtls-auth/mtlsauth/internal/engine"
)

// collector reads what is not counted but there, at each scrape.
type collector struct {
	*Metrics
	state func() engine.State
}

var read = []string{crlNextUpdate, caNotAfter, casMissing, clientsExpiring, cacheEntries, cacheBytes, limitsReached, serverUp, buildInfo}

var descriptions = func() map[string]*prometheus.Desc {
	all := make(map[string]*prometheus.Desc)
	for _, name := range read {
		d := metric(name)
		all[name] = prometheus.NewDesc(d.Name, d.Help, d.Labels, nil)
	}
	return all
}()

// Describe implements prometheus.Collector.
func (c collector) Describe(to chan<- *prometheus.Desc) {
	for _, name := range read {
		to <- descriptions[name]
	}
}

// maxSeries bounds the CA certificates and the issuers of CRLs that have a series: those
// whose time is over first.
const maxSeries = 500

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	tell := func(name string, value float64, labels ...string) {
		kind := prometheus.GaugeValue
		if metric(name).Type == Counter {
			kind = prometheus.CounterValue
		}
		for i, label := range labels {
			labels[i] = strings.ToValidUTF8(label, "\uFFFD")
		}
		to <- prometheus.MustNewConstMetric(descriptions[name], kind, value, labels...)
	}
	s := c.state()
	for label, at := range first(s.CRLs) {
		tell(crlNextUpdate, float64(at.Unix()), label)
	}
	for label, at := range first(s.CAs) {
		tell(caNotAfter, float64(at.Unix()), label)
	}
	tell(casMissing, float64(s.CAsMissing))
	week, month := c.clients.expiring(time.Now())
	tell(clientsExpiring, float64(week), "7d")
	tell(clientsExpiring, float64(month), "30d")
	for kind, n := range s.Entries {
		tell(cacheEntries, float64(n), kind)
	}
	for kind, n := range s.Bytes {
		tell(cacheBytes, float64(n), kind)
	}
	for kind, n := range c.limits.all(s.Limits) {
		tell(limitsReached, float64(n), kind)
	}
	tell(serverUp, 1)
	tell(buildInfo, 1, config.Version, goVersion)
}

// first returns the entries with the earliest times, maxSeries at most.
func first(all map[string]time.Time) map[string]time.Time {
	if len(all) <= maxSeries {
		return all
	}
	keys := slices.SortedFunc(maps.Keys(all), func(a, b string) int { return cmp.Or(all[a].Compare(all[b]), cmp.Compare(a, b)) })
	kept := make(map[string]time.Time, maxSeries)
	for _, key := range keys[:maxSeries] {
		kept[key] = all[key]
	}
	return kept
}

// LimitQuestions is that of the questions that Kong's workers may ask at once.
const LimitQuestions = "questions"

// limits counts how often limits of the rim were reached, which has few.
type limits struct {
	mu sync.Mutex
	n  map[string]uint64
}

func (l *limits) reached(kind string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n == nil {
		l.n = make(map[string]uint64)
	}
	l.n[kind]++
}

// all returns them with others.
func (l *limits) all(others map[string]uint64) map[string]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[string]uint64{LimitQuestions: 0}
	maps.Copy(all, others)
	maps.Copy(all, l.n)
	return all
}
