package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// lint has promtool, where it is installed, judge what an endpoint says of ours.
func (r *rig) lint(client *http.Client, url string) {
	r.t.Helper()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		r.t.Log("NO PROMTOOL HERE: the metrics were not judged by it")
		return
	}
	response, err := client.Get(url)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	var ours strings.Builder
	for line := range strings.Lines(string(all)) {
		if strings.Contains(line, "mtls_auth_") {
			ours.WriteString(strings.ReplaceAll(line, "kong_mtls_auth_", "mtls_auth_"))
		}
	}
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(ours.String())
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		r.t.Errorf("%s: promtool check metrics: %v\n%s", url, err, out)
	}
}

// A real Prometheus, where it is installed, with the configuration that users get: both
// endpoints give the same names, the rules are evaluated, and every panel of the dashboard
// has data.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	prometheus, err := exec.LookPath("prometheus")
	if err != nil || testing.Short() {
		t.Skip("NO PROMETHEUS HERE, or -short: it did not scrape (Debian's package prometheus has it)")
	}
	root := pki.NewCA("root")
	issued := newAuthority(t, root)
	lists, endpoint, own := t.TempDir(), freeAddress(t), freeAddress(t)
	replaceList(t, lists, "a", pki.CRL{Issuer: pki.NewCA("of lists")})
	r := newRig(t, cas{idA: root}, routes{"/echo": trusted([]string{idA}), "/strict": checked("STRICT")},
		flags("-metrics-listen "+endpoint+" -crl-dir "+lists), with(t, prometheusPlugin), func(o *anykong.Options) { o.Workers = 2 })
	if r.AdminURL() == "" {
		t.Skip("needs an Admin API")
	}
	answered := root.Client("ocsp", issued.byOCSP())
	issued.responder.Good(answered)

	dir := t.TempDir()
	text, err := os.ReadFile("../../deploy/monitoring/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{"127.0.0.1:8001": strings.TrimPrefix(r.AdminURL(), "http://"), "127.0.0.1:9542": endpoint} {
		if !strings.Contains(string(text), from) {
			t.Fatalf("prometheus.yml has no %s", from)
		}
		text = []byte(strings.ReplaceAll(string(text), from, to))
	}
	rules, err := filepath.Abs("../../deploy/monitoring/mtls-auth.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	text = []byte("global: {scrape_interval: 1s, evaluation_interval: 1s}\n" + strings.Replace(string(text), "mtls-auth.rules.yml", rules, 1))
	writeFile(t, filepath.Join(dir, "prometheus.yml"), string(text))
	command := exec.Command(prometheus, "--config.file", filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", own)
	var printed strings.Builder
	command.Stderr = &printed
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = command.Wait()
		if t.Failed() {
			t.Log(printed.String())
		}
	})
	// query returns the series of an answer.
	query := func(expr string) ([]string, error) {
		response, err := http.Get("http://" + own + "/api/v1/query?query=" + url.QueryEscape(expr))
		if err != nil {
			return nil, err
		}
		defer response.Body.Close()
		var answer struct {
			Error string
			Data  struct {
				Result []struct{ Metric map[string]string }
			}
		}
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
			return nil, err
		}
		if answer.Error != "" {
			t.Errorf("%s: %s", expr, answer.Error)
		}
		var names []string
		for _, one := range answer.Data.Result {
			names = append(names, one.Metric["__name__"])
		}
		return names, nil
	}
	ask := func() {
		for _, cert := range []*pki.Certificate{root.Client("good"), root.Client("old", pki.Expired()), nil} {
			r.get("/echo", cert)
		}
		r.get("/strict", answered)
	}
	jobs := []string{"mtls-auth"}
	if r.mode == luaMode {
		jobs = append(jobs, "kong")
	}
	eventually(t, "the same names by both endpoints", func() bool {
		ask()
		var all []string
		for _, job := range jobs {
			names, err := query(`count by (__name__) ({__name__=~"(kong_)?mtls_auth_.+", job="` + job + `"})`)
			if err != nil || len(names) == 0 || all != nil && !slices.Equal(names, all) {
				return false
			}
			all = names
		}
		return slices.Contains(all, "mtls_auth_requests_total") && slices.Contains(all, "mtls_auth_revocation_exchange_duration_seconds_bucket")
	})
	dashboard, err := os.ReadFile("../../deploy/monitoring/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`"expr": ("(?:[^"\\]|\\.)*")`).FindAllStringSubmatch(string(dashboard), -1)
	if len(found) < 15 {
		t.Errorf("%d queries in the dashboard", len(found))
	}
	for _, m := range found {
		var expr string
		if err := json.Unmarshal([]byte(m[1]), &expr); err != nil {
			t.Fatal(err)
		}
		expr = strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*", "$plugin", ".*").Replace(expr)
		eventually(t, "data for "+expr, func() bool {
			ask()
			series, err := query(expr)
			return err == nil && len(series) > 0
		})
	}
	eventually(t, "healthy rules", func() bool {
		response, err := http.Get("http://" + own + "/api/v1/rules")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return err == nil && strings.Count(string(body), `"health":"ok"`) == strings.Count(string(body), `"alerts":`) && strings.Contains(string(body), "MtlsAuthCRLExpired")
	})
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr())
}
