package metrics

// Type is what Prometheus calls the type of a metric.
type Type string

// The types.
const (
	Counter   Type = "counter"
	Gauge     Type = "gauge"
	Histogram Type = "histogram"
)

// Metric describes one.
type Metric struct {
	Name   string
	Type   Type
	Help   string
	Labels []string

	buckets []float64
}

// The names of metrics.
const (
	prefix = "mtls_auth_"

	requestsTotal    = prefix + "requests_total"
	decisionsTotal   = prefix + "decisions_total"
	decisionDuration = prefix + "decision_duration_seconds"
	exchangesTotal   = prefix + "revocation_exchanges_total"
	exchangeDuration = prefix + "revocation_exchange_duration_seconds"
	crlNextUpdate    = prefix + "crl_next_update_timestamp_seconds"
	caNotAfter       = prefix + "ca_not_after_timestamp_seconds"
	casMissing       = prefix + "ca_certificates_missing"
	clientsExpiring  = prefix + "client_certificates_expiring"
	cacheEntries     = prefix + "cache_entries"
	cacheBytes       = prefix + "cache_bytes"
	limitsReached    = prefix + "limits_reached_total"
	serverUp         = prefix + "server_up"
	buildInfo        = prefix + "build_info"
)

// All are the metrics, in the order in which the documentation has them.
var All = []Metric{
	{requestsTotal, Counter, "Requests, by what came of them and why.", []string{"plugin", "result", "reason"}, nil},
	{decisionsTotal, Counter, "Requests, by where their decision came from: the connection's or the worker's cache in Kong, or the server.", []string{"plugin", "from"}, nil},
	{decisionDuration, Histogram, "Time in which the server decided, lookups and revocation checks included.", []string{"plugin"}, decisionBuckets},
	{exchangesTotal, Counter, "Exchanges with OCSP responders and hosts of CRLs, by what came of them.", []string{"kind", "result"}, nil},
	{exchangeDuration, Histogram, "Time that an exchange with an OCSP responder or a host of CRLs took.", []string{"kind"}, exchangeBuckets},
	{crlNextUpdate, Gauge, "The first nextUpdate among an issuer's latest CRLs, as a Unix time.", []string{"issuer"}, nil},
	{caNotAfter, Gauge, "The notAfter of a configured CA certificate, as a Unix time.", []string{"id"}, nil},
	{casMissing, Gauge, "Configured CA certificates that are not loaded.", nil, nil},
	{clientsExpiring, Gauge, "Client certificates that passed in the last 24 hours and expire soon.", []string{"within"}, nil},
	{cacheEntries, Gauge, "Entries in the server's caches.", []string{"kind"}, nil},
	{cacheBytes, Gauge, "Bytes in the server's caches, as they are estimated.", []string{"kind"}, nil},
	{limitsReached, Counter, "Requests that a limit of the server ended with 500.", []string{"kind"}, nil},
	{serverUp, Gauge, "Whether the server responds: 1 or 0.", nil, nil},
	{buildInfo, Gauge, "Always 1; the labels tell the version.", []string{"version", "go_version"}, nil},
}

func metric(name string) Metric {
	for _, m := range All {
		if m.Name == name {
			return m
		}
	}
	panic("no metric " + name)
}

// Bounds of the buckets, in seconds. A decision takes a fraction of a millisecond, and as
// long as an exchange where it waits for one.
var (
	decisionBuckets = []float64{0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10}
	exchangeBuckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
)
