package metrics

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/config"
	"mtls-auth/mtlsauth/internal/engine"
)

var now = time.Unix(1_800_000_000, 0)

// full returns metrics of which each has a series.
func full() (*Metrics, *engine.State) {
	state := &engine.State{
		CAs: map[string]time.Time{"id": now}, CRLs: map[string]time.Time{"CN=ca": now},
		Entries: map[string]int{"decisions": 7}, Bytes: map[string]int64{"decisions": 700}, Limits: map[string]uint64{"memory": 2},
	}
	m := New(func() engine.State { return *state })
	m.Request(config.MTLSAuth, &authn.Decision{Reason: authn.Passed})
	m.Decided(config.MTLSAuth, &authn.Decision{Reason: authn.Passed}, now, time.Millisecond)
	m.Exchange("ocsp", "ok", 20*time.Millisecond)
	return m, state
}

// What is told is what is documented, with the names and units that Prometheus wants.
func TestTheTable(t *testing.T) {
	m, _ := full()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var told, known []string
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), prefix) {
			told = append(told, fmt.Sprintf("%s %s %s", f.GetName(), strings.ToLower(f.GetType().String()), f.GetHelp()))
		}
	}
	for _, d := range All {
		known = append(known, fmt.Sprintf("%s %s %s", d.Name, d.Type, d.Help))
	}
	slices.Sort(known)
	if !slices.Equal(told, known) {
		t.Errorf("told\n%s\nthe table has\n%s", strings.Join(told, "\n"), strings.Join(known, "\n"))
	}
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

// What the Lua plugin counts itself is described as here.
func TestTheMetricsOfTheLuaPlugin(t *testing.T) {
	lua, err := os.ReadFile("../../../kong/plugins/mtls-auth/metrics.lua")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range counted {
		d := metric(name)
		labels := "{}"
		if len(d.Labels) > 0 {
			labels = `{ "` + strings.Join(d.Labels, `", "`) + `" }`
		}
		pattern := fmt.Sprintf(`name = %q, type = %q,\s+help = %s,\s+labels = %s`, d.Name, d.Type, regexp.QuoteMeta(strconv.Quote(d.Help)), regexp.QuoteMeta(labels))
		if !regexp.MustCompile(pattern).Match(lua) {
			t.Errorf("metrics.lua does not have %s", pattern)
		}
	}
}

func TestResults(t *testing.T) {
	for _, test := range []struct {
		want string
		d    *authn.Decision
	}{
		{pass, &authn.Decision{Reason: authn.Passed}},
		{anonymous, &authn.Decision{Reason: authn.NoneSent, Anonymous: true}},
		{refuse, authn.Deny(authn.Expired, nil)},
		{fault, authn.Deny(authn.LookupFailed, nil)},
		{fault, new(authn.Decision)},
	} {
		if got := resultOf(test.d); got != test.want {
			t.Errorf("%v: %s, want %s", test.d.Reason, got, test.want)
		}
	}
}

// Workers have no say in the number of series.
func TestCountsOfWorkers(t *testing.T) {
	m, _ := full()
	good := Count{"header-cert-auth", refuse, "expired", FromWorker, 3}
	for _, bad := range []Count{
		{"mtls-auth", "else", "expired", FromWorker, 1},
		{"mtls-auth", refuse, "else", FromWorker, 1}, {"mtls-auth", refuse, "expired", "else", 1},
	} {
		if err := m.Counted([]Count{good, bad}); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	if err := m.Counted([]Count{good, {"header-cert-auth", fault, "internal", "", 1}, {"mtls-auth-go", pass, "passed", "", 1}}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		requestsTotal: `mtls_auth_requests_total{plugin="header-cert-auth",reason="expired",result="refuse"} 3
			mtls_auth_requests_total{plugin="header-cert-auth",reason="internal",result="fault"} 1
			mtls_auth_requests_total{plugin="mtls-auth",reason="passed",result="pass"} 2`,
		decisionsTotal: `mtls_auth_decisions_total{from="server",plugin="mtls-auth"} 1
			mtls_auth_decisions_total{from="worker",plugin="header-cert-auth"} 3`,
	} {
		want = "# HELP " + name + " " + metric(name).Help + "\n# TYPE " + name + " counter\n" + want + "\n"
		if err := testutil.GatherAndCompare(m.registry, strings.NewReader(want), name); err != nil {
			t.Error(err)
		}
	}
}

// A description has what a report has of each metric, but no figures: those stay for reports.
func TestDescribe(t *testing.T) {
	m, _ := full()
	described := m.Describe()
	report := m.Report(now.Add(reportEvery))
	if described.Generation != "" || report.Generation == "" {
		t.Errorf("generations %q and %q: only a report must have one", described.Generation, report.Generation)
	}
	series := 0
	for i := range report.Metrics {
		series += len(report.Metrics[i].Series)
		report.Metrics[i].Series = []Series{}
	}
	if series == 0 || !reflect.DeepEqual(described.Metrics, report.Metrics) {
		t.Errorf("after a report of %d series:\ngot  %v\nwant %v", series, described.Metrics, report.Metrics)
	}
}

// All reports together have what was counted: counters, buckets and sums.
func TestReportsAddUp(t *testing.T) {
	m, state := full()
	at := now
	values := map[string]float64{}
	histograms := map[string]map[float64]uint64{} // by value
	sums := map[string]float64{}
	take := func() *Report {
		at = at.Add(reportEvery)
		r := m.Report(at)
		if r == nil {
			t.Fatal("no report")
		}
		for _, one := range r.Metrics {
			for _, s := range one.Series {
				key := one.Name + " " + strings.Join(s.Labels, " ")
				if one.Type == Counter {
					values[key] += s.Value
				} else if one.Type == Gauge {
					values[key] = s.Value
				}
				for _, o := range s.Observed {
					if histograms[key] == nil {
						histograms[key] = map[float64]uint64{}
					}
					histograms[key][o[0]] += uint64(o[1])
					sums[key] += o[0] * o[1]
				}
			}
		}
		return r
	}
	take()
	if m.Report(at.Add(time.Second)) != nil {
		t.Error("a report a second after another")
	}
	for i := range 20_000 { // more than fit into a report
		m.Decided(config.MTLSAuth, authn.Deny(authn.Expired, nil), at, time.Duration(i)*time.Microsecond)
	}
	m.Decided(config.MTLSAuth, authn.Deny(authn.Expired, nil), at, time.Minute)
	m.Exchange("crl", "timeout", 30*time.Second)
	state.Limits["memory"] = 5
	generation := take().Generation
	state.Entries["decisions"] = 8
	for range 5 {
		if g := take().Generation; g != generation {
			t.Errorf("generation %s, want %s", g, generation)
		}
	}
	delete(state.CRLs, "CN=ca")
	if take().Generation == generation {
		t.Error("a gauge lost a series: the generation must be another")
	}
	for key, want := range map[string]float64{
		exchangesTotal + " ocsp ok": 1, exchangesTotal + " crl timeout": 1, limitsReached + " memory": 5, limitsReached + " questions": 0,
		cacheEntries + " decisions": 8, caNotAfter + " id": 1_800_000_000,
	} {
		if got, ok := values[key]; got != want || !ok {
			t.Errorf("%s: %v, want %v", key, got, want)
		}
	}
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != decisionDuration && f.GetName() != exchangeDuration {
			continue
		}
		for _, of := range f.GetMetric() {
			key := f.GetName() + " " + of.GetLabel()[0].GetValue()
			h := of.GetHistogram()
			for _, b := range append(h.GetBucket(), &dto.Bucket{UpperBound: new(math.Inf(1)), CumulativeCount: new(h.GetSampleCount())}) {
				n := uint64(0)
				for value, times := range histograms[key] {
					if value <= b.GetUpperBound() {
						n += times
					}
				}
				if n != b.GetCumulativeCount() {
					t.Errorf("%s: %d up to %v, want %d", key, n, b.GetUpperBound(), b.GetCumulativeCount())
				}
			}
			if got, want := sums[key], h.GetSampleSum(); math.Abs(got-want) > want/100 {
				t.Errorf("%s: the sum is %v, want %v", key, got, want)
			}
		}
	}
}

func TestCertificatesThatExpireSoon(t *testing.T) {
	var c clients
	day := 24 * time.Hour
	for i, left := range []time.Duration{day, 6 * day, 8 * day, 29 * day, 31 * day} {
		c.passed([32]byte{byte(i)}, now.Add(left), now)
		c.passed([32]byte{byte(i)}, now.Add(left), now) // twice, and counted once
	}
	expect := func(what string, at time.Time, week, month int) {
		t.Helper()
		if gotWeek, gotMonth := c.expiring(at); gotWeek != week || gotMonth != month {
			t.Errorf("%s: %d and %d, want %d and %d", what, gotWeek, gotMonth, week, month)
		}
	}
	expect("at once", now, 2, 4)
	c.passed([32]byte{2}, now.Add(8*day), now.Add(23*time.Hour))
	expect("a day later, one has expired and one has passed again", now.Add(day+time.Second), 1, 1)
	for i := range maxClients + 100 {
		c.passed([32]byte{1: byte(i), 2: byte(i >> 8), 3: byte(i >> 16), 4: 1}, now.Add(2*day), now.Add(day))
	}
	expect("over the bound", now.Add(day+time.Second), maxClients, maxClients)
}

// A former server has the address until it ends.
func TestServe(t *testing.T) {
	m, _ := full()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{taken.Addr().String(), "unix:" + filepath.Join(t.TempDir(), "metrics.socket")} {
		network, at := "tcp", address
		if path, ok := strings.CutPrefix(address, "unix:"); ok {
			network, at = "unix", path
		}
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan struct{})
		var log strings.Builder
		go func() {
			defer close(ended)
			m.Serve(ctx, address, 0o600, slog.New(slog.NewTextHandler(&log, nil)))
		}()
		taken.Close()
		client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, at)
		}}}
		var body []byte
		for range 3000 {
			response, err := client.Get("http://localhost/metrics")
			if err == nil {
				body, _ = io.ReadAll(response.Body)
				response.Body.Close()
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if !strings.Contains(string(body), "\nmtls_auth_server_up 1\n") || !strings.Contains(string(body), "\ngo_goroutines ") {
			t.Errorf("%s: %d bytes: %s", address, len(body), body)
		}
		client.CloseIdleConnections()
		end()
		<-ended
	}
}
