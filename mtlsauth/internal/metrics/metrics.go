package metrics

import (
	"fmt"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/config"
	"mtls-auth/mtlsauth/internal/engine"
)

// Metrics counts. It is safe for concurrent use. A nil *Metrics counts nothing.
type Metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	decisions *prometheus.CounterVec
	deciding  *prometheus.HistogramVec
	exchanges *prometheus.CounterVec
	exchange  *prometheus.HistogramVec
	clients   clients
	limits    limits
	report    reports
}

// New returns the metrics of an engine, which is to tell Exchange of its exchanges.
func New(state func() engine.State) *Metrics {
	m := &Metrics{
		registry:  prometheus.NewRegistry(),
		requests:  counters(requestsTotal),
		decisions: counters(decisionsTotal),
		deciding:  histograms(decisionDuration),
		exchanges: counters(exchangesTotal),
		exchange:  histograms(exchangeDuration),
		report:    newReports(),
	}
	m.registry.MustRegister(m.requests, m.decisions, m.deciding, m.exchanges, m.exchange, collector{m, state},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func counters(name string) *prometheus.CounterVec {
	d := metric(name)
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.Name, Help: d.Help}, d.Labels)
}

func histograms(name string) *prometheus.HistogramVec {
	d := metric(name)
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: d.Name, Help: d.Help, Buckets: d.buckets}, d.Labels)
}

// Where decisions come from.
const (
	FromConnection = "connection"
	FromWorker     = "worker"
	FromServer     = "server"
)

// What comes of a request.
const (
	pass      = "pass"
	anonymous = "anonymous"
	refuse    = "refuse"
	fault     = "fault"
)

// resultOf is the label of what comes of a request.
func resultOf(d *authn.Decision) string {
	switch {
	case d.Passed():
		return pass
	case d.GoesOn():
		return anonymous
	case d.Status() == 401:
		return refuse
	}
	return fault
}

// Request counts a request that the server has answered itself, in plugin-server mode.
func (m *Metrics) Request(plugin config.Plugin, d *authn.Decision) {
	if m == nil {
		return
	}
	m.requests.WithLabelValues(string(plugin), resultOf(d), d.Reason.String()).Inc()
	m.decisions.WithLabelValues(string(plugin), FromServer).Inc()
}

// Decided notes a decision that the server was asked for, and how long it took.
func (m *Metrics) Decided(plugin config.Plugin, d *authn.Decision, now time.Time, took time.Duration) {
	if m == nil {
		return
	}
	m.deciding.WithLabelValues(string(plugin)).Observe(took.Seconds())
	if d.Passed() {
		m.clients.passed(d.Subject.Fingerprint, d.Subject.NotAfter, now)
	}
}

// Exchange notes an exchange about certificate status.
func (m *Metrics) Exchange(kind, result string, took time.Duration) {
	m.exchanges.WithLabelValues(kind, result).Inc()
	m.exchange.WithLabelValues(kind).Observe(took.Seconds())
}

// Limit counts a request that a limit of the rim has ended.
func (m *Metrics) Limit(kind string) {
	if m != nil {
		m.limits.reached(kind)
	}
}

// Count is how many requests a worker has answered.
type Count struct {
	Plugin string `json:"plugin"` // the name under which it is installed
	Result string `json:"result"`
	Reason string `json:"reason"`
	From   string `json:"from"` // "" for those without a decision
	N      uint64 `json:"n"`
}

// Counted adds what a worker has counted. A count whose labels are not this program's is an
// error, and none is added.
func (m *Metrics) Counted(counts []Count) error {
	if m == nil {
		return nil
	}
	for _, c := range counts {
		if err := c.check(); err != nil {
			return fmt.Errorf("reading counts: %w", err)
		}
	}
	for _, c := range counts {
		plugin := string(config.PluginOf(c.Plugin))
		m.requests.WithLabelValues(plugin, c.Result, c.Reason).Add(float64(c.N))
		if c.From != "" {
			m.decisions.WithLabelValues(plugin, c.From).Add(float64(c.N))
		}
	}
	return nil
}

var reasons = func() map[string]bool {
	all := make(map[string]bool)
	for r := authn.Internal; !all[r.String()]; r++ { // what is past the last reads as the first
		all[r.String()] = true
	}
	return all
}()

func (c Count) check() error {
	switch {
	case c.Result != pass && c.Result != anonymous && c.Result != refuse && c.Result != fault:
		return fmt.Errorf("result %q", c.Result)
	case !reasons[c.Reason]:
		return fmt.Errorf("reason %q", c.Reason)
	case c.From != "" && c.From != FromConnection && c.From != FromWorker && c.From != FromServer:
		return fmt.Errorf("from %q", c.From)
	}
	return nil
}

// goVersion is what built this program.
var goVersion = runtime.Version()
