package mtlsauth_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/metrics"
)

const monitoring = "../deploy/monitoring/"

// dashboard is what matters of a Grafana dashboard.
type dashboard struct {
	UID           string
	SchemaVersion int
	Templating    struct {
		List []struct {
			Name, Type, Definition string
		}
	}
	Panels []struct {
		ID          int
		Type, Title string
		GridPos     struct{ X, Y, W, H int }
		Datasource  struct{ UID string }
		Targets     []struct {
			RefID, Expr string
			Datasource  struct{ UID string }
		}
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile(monitoring + "dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// expressions are those of the dashboard, as Prometheus is asked them.
func (d dashboard) expressions() (all []string) {
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			all = append(all, strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*", "$plugin", ".*").Replace(target.Expr))
		}
	}
	return all
}

var (
	selector = regexp.MustCompile(`\b(mtls_auth_\w+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(?:^|,)\s*(\w+)\s*(?:=~|!~|!=|=)`)
	grouping = regexp.MustCompile(`\bby \(([^)]*)\)`)
)

// unknown returns what of a query the program has not: metrics and labels.
func unknown(query string) (found []string) {
	of := make(map[string]metrics.Metric)
	for _, m := range metrics.All {
		of[m.Name] = m
		if m.Type == metrics.Histogram {
			delete(of, m.Name)
			for _, suffix := range []string{"_sum", "_count", "_bucket"} {
				of[m.Name+suffix] = m
			}
		}
	}
	labels := []string{"instance", "job", "le"}
	for _, m := range selector.FindAllStringSubmatch(query, -1) {
		known, ok := of[m[1]]
		if !ok {
			found = append(found, m[1])
		}
		labels = append(labels, known.Labels...)
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(append([]string{"instance", "job", "le"}, known.Labels...), l[1]) {
				found = append(found, m[1]+": label "+l[1])
			}
		}
	}
	for _, m := range grouping.FindAllStringSubmatch(query, -1) {
		for label := range strings.SplitSeq(m[1], ", ") {
			if !slices.Contains(labels, label) {
				found = append(found, "by "+label)
			}
		}
	}
	return found
}

func TestTheDashboardHasTheProgramsMetrics(t *testing.T) {
	d := readDashboard(t)
	for _, query := range d.expressions() {
		if found := unknown(query); found != nil {
			t.Errorf("%s: the program does not have %q", query, found)
		}
	}
	all := strings.Join(d.expressions(), "\n")
	for _, m := range metrics.All {
		if !strings.Contains(all, m.Name) {
			t.Errorf("no panel has %s", m.Name)
		}
	}
	for _, v := range d.Templating.List {
		if found := unknown(v.Definition); found != nil {
			t.Errorf("variable %s: the program does not have %q", v.Name, found)
		}
	}
}

// The check itself must be able to fail.
func TestQueriesThatAreWrong(t *testing.T) {
	for _, query := range []string{
		`mtls_auth_no_total`, `mtls_auth_server_up{kind="x"}`, `sum by (kind) (mtls_auth_server_up)`, `mtls_auth_decision_duration_seconds`,
		`rate(mtls_auth_requests_total{reason="x", who="y"}[5m])`,
	} {
		if unknown(query) == nil {
			t.Errorf("%s: nothing was found", query)
		}
	}
}

// What Grafana wants: panels that lie beside each other, each with queries to the data
// source that is chosen.
func TestTheShapeOfTheDashboard(t *testing.T) {
	d := readDashboard(t)
	if d.UID == "" || d.SchemaVersion < 36 || len(d.Panels) < 10 || d.Templating.List[0].Type != "datasource" {
		t.Errorf("uid %q, schemaVersion %d, %d panels, variables %+v", d.UID, d.SchemaVersion, len(d.Panels), d.Templating.List)
	}
	taken := make(map[[2]int]string)
	ids := make(map[int]bool)
	for _, p := range d.Panels {
		g := p.GridPos
		if ids[p.ID] || p.ID == 0 || p.Title == "" || len(p.Targets) == 0 || g.W < 1 || g.H < 1 || g.X+g.W > 24 || p.Datasource.UID != "${datasource}" {
			t.Errorf("%+v", p)
		}
		ids[p.ID] = true
		for x := range g.W {
			for y := range g.H {
				at := [2]int{g.X + x, g.Y + y}
				if other := taken[at]; other != "" {
					t.Fatalf("%q lies on %q", p.Title, other)
				}
				taken[at] = p.Title
			}
		}
		for i, target := range p.Targets {
			if target.Expr == "" || target.RefID != string(rune('A'+i)) || target.Datasource.UID != "${datasource}" {
				t.Errorf("%s: %+v", p.Title, target)
			}
		}
	}
}

func TestTheRulesHaveTheProgramsMetrics(t *testing.T) {
	for _, file := range []string{"mtls-auth.rules.yml", "mtls-auth.rules.test.yml"} {
		text, err := os.ReadFile(monitoring + file)
		if err != nil {
			t.Fatal(err)
		}
		if found := unknown(string(text)); found != nil {
			t.Errorf("%s: the program does not have %q", file, found)
		}
	}
}

// promtool judges the rules, tests them, and reads every query of the dashboard.
func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("NO PROMTOOL HERE: the alert rules were not tested, nor the dashboard's queries read (Debian's package prometheus has it)")
	}
	queries := filepath.Join(t.TempDir(), "queries.yml")
	text := "groups:\n- name: dashboard\n  rules:\n"
	for i, query := range readDashboard(t).expressions() {
		text += fmt.Sprintf("  - {record: \"panel:%d\", expr: %q}\n", i, query)
	}
	if err := os.WriteFile(queries, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"check", "config", "prometheus.yml"}, {"check", "rules", "mtls-auth.rules.yml", queries}, {"test", "rules", "mtls-auth.rules.test.yml"},
	} {
		command := exec.Command(promtool, args...)
		command.Dir = monitoring
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("promtool %q: %v\n%s", args, err, out)
		}
	}
}
