package verify

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/config"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/engine"
	"mtls-auth/mtlsauth/internal/flags"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/konglog"
)

// Options are what is to be decided about, and by what.
type Options struct {
	Name string // of the program, for the log
	// Plugin is the configured plugin's name: mtls-auth under any but header-cert-auth.
	Plugin string
	// Prefix is Kong's: no URL of a certificate may lead to where that Kong listens.
	Prefix string

	Leaf, Chain []byte // PEM, as Kong has them; an empty Leaf is a request without a certificate
	Inputs      []Input

	Configuration  Configuration
	CACertificates []kongdata.Entity
	Directory      consumer.Prefetcher // of consumers and credentials; nil for none

	CRLDir string
	// Mode replaces revocation_check_mode; "" leaves it.
	Mode string
	// Network lets OCSP responses and CRLs be fetched.
	Network bool

	At          time.Time
	MinRSABits  int
	MaxCRLSize  int64
	DenyPrivate bool
}

const (
	modeField = "revocation_check_mode"
	skip      = "SKIP"
)

// Run has one request decided, and reports how. An error is a wrong option; a
// configuration that cannot be used is reported, as the decision about it.
func Run(ctx context.Context, o Options) (*Report, error) {
	r := &Report{
		Version: config.Version, At: o.At, Inputs: o.Inputs, Configuration: o.Configuration,
		CACertificates: []CA{}, Missing: []string{}, Chain: []Certificate{}, Steps: []Step{}, Paths: [][]string{},
		Revocation: Revocation{Network: o.Network, CRLDir: o.CRLDir != "", Certificates: []Status{}},
		Groups:     []string{}, Headers: []Header{}, Assumes: []string{}, Notes: []string{}, Warnings: []string{}, Log: []LogLine{},
	}
	judged, err := r.setMode(o)
	if err != nil {
		return nil, err
	}
	var printed output
	e, err := engine.Open(flags.Options{
		Name: o.Name, Prefix: o.Prefix, LuaMode: true, MinRSABits: o.MinRSABits, CRLDir: o.CRLDir,
		MaxCRLSize: o.MaxCRLSize, DenyPrivate: o.DenyPrivate, Offline: !o.Network, LogLevel: slog.LevelDebug, LogJSON: true,
	}, &printed)
	if err != nil {
		return nil, err
	}
	r.decided(r.decide(ctx, e, o, judged))
	r.assume(o)
	r.Warnings = append(r.Warnings, warnings(printed.String())...)
	r.Advice = advice(r)
	return r, nil
}

// decide has the engine decide by a configuration, and ends it.
func (r *Report) decide(ctx context.Context, e *engine.Engine, o Options, judged json.RawMessage) *authn.Decision {
	running, stop := context.WithCancel(ctx)
	ended := e.Run(running)
	defer func() {
		stop()
		<-ended
	}()
	directory := o.Directory
	if directory == nil {
		directory = noConsumers{}
	}
	policy := e.StartWith(cmp.Or(o.Plugin, o.Name), judged, o.CACertificates)
	defer policy.Close()
	q := &request{report: r, at: o.At}
	decision := policy.Refused(q)
	if decision == nil {
		t := tracer{report: r}
		decision = policy.DecideBy(authn.WithTrace(ctx, t.trace()), q, directory, authn.Presented{Leaf: o.Leaf, Chain: o.Chain})
	}
	return decision
}

// setMode fills in the configuration's defaults, and returns it with the mode that is
// judged by.
func (r *Report) setMode(o Options) (judged json.RawMessage, err error) {
	configured, err := config.FillDefaults(config.PluginOf(o.Plugin), r.Configuration.Config)
	if err != nil {
		return nil, err
	}
	r.Configuration.Config = configured
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(configured, &fields); err != nil {
		return nil, fmt.Errorf("the plugin's config: %w", err)
	}
	var mode string
	if json.Unmarshal(fields[modeField], &mode) != nil || mode == "" {
		mode = "IGNORE_CA_ERROR" // what null means
	}
	r.Revocation.Configured = mode
	if mode = cmp.Or(o.Mode, mode); !o.Network && o.CRLDir == "" {
		mode = skip
	}
	r.Revocation.Mode = mode
	if raw := fields[modeField]; mode == r.Revocation.Configured || raw != nil && !slices.Contains([]string{skip, "IGNORE_CA_ERROR", "STRICT"}, r.Revocation.Configured) {
		return configured, nil // a wrong one is for the configuration to be refused by
	}
	fields[modeField], _ = json.Marshal(mode)
	return json.Marshal(fields)
}

// assume writes down what was not checked, and what an option was not used for.
func (r *Report) assume(o Options) {
	if r.Answer.Status != 0 || r.Verdict == "anonymous" {
		return
	}
	if configured := r.Revocation.Configured; r.Revocation.Mode == skip && configured != skip {
		why := "-revocation SKIP was given"
		if o.Mode != skip {
			why = "give -revocation " + configured + ", or -crl-dir"
		}
		r.Assumes = append(r.Assumes, "that no certificate is revoked: the plugin has "+configured+", and revocation was not checked here ("+why+")")
	}
	if config.PluginOf(o.Plugin) == config.HeaderCertAuth {
		r.Assumes = append(r.Assumes, "that Kong takes the header: it must come from an address in trusted_ips, which mtls-auth doctor checks, unless secure_source is off")
	}
}

// decided puts the decision into the report.
func (r *Report) decided(d *authn.Decision) {
	a := d.Answer()
	r.Reason, r.Detail, r.About = d.Reason.String(), d.Detail, d.About
	r.Answer = Answer{a.Status, a.Message}
	r.Missing = append(r.Missing, d.Missing...)
	r.Notes = append(r.Notes, d.Notes...)
	r.Groups = append(r.Groups, a.Groups...)
	for _, h := range a.Headers {
		r.Headers = append(r.Headers, Header{h.Name, h.Value})
	}
	r.Verdict = "refuse"
	switch {
	case d.Anonymous:
		r.Verdict = "anonymous"
		r.Consumer = &Consumer{Rule: "anonymous"}
	case d.GoesOn():
		r.Verdict = "pass"
	default:
		r.Consumer = nil
	}
	if c := a.Consumer; c != nil && r.Consumer != nil {
		r.Consumer.ID, r.Consumer.Username, r.Consumer.CustomID, r.Consumer.Credential = c.ID, c.Username, c.CustomID, a.CredentialID
	}
}

// request is the one that is decided about.
type request struct {
	report *Report
	at     time.Time
}

var _ engine.Request = (*request)(nil)

// Time implements engine.Request.
func (q *request) Time() time.Time { return q.at }

// Log implements engine.Request.
func (q *request) Log(line konglog.Line) {
	q.report.Log = append(q.report.Log, LogLine{line.Severity(), line.Text})
}

// SessionReused implements engine.Request.
func (q *request) SessionReused() string { return "." }

// noConsumers has none.
type noConsumers struct{}

func (noConsumers) Find(_ context.Context, queries []consumer.Query) []consumer.Result {
	return make([]consumer.Result, len(queries))
}

func (noConsumers) Prefetch(context.Context, consumer.Questions) (*consumer.Credentials, error) {
	return consumer.NewCredentials(nil)
}

// output is what the engine prints: what runs in its background may still do so.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// warnings are what the engine has printed at warn and above.
func warnings(printed string) (texts []string) {
	for line := range strings.Lines(printed) {
		var record map[string]any
		if json.Unmarshal([]byte(line), &record) != nil || record["level"] != "WARN" && record["level"] != "ERROR" {
			continue
		}
		text := fmt.Sprint(record["msg"])
		for _, key := range slices.Sorted(maps.Keys(record)) {
			if !slices.Contains([]string{"time", "level", "msg"}, key) {
				text += fmt.Sprintf("; %s: %v", key, record[key])
			}
		}
		texts = append(texts, text)
	}
	return texts
}
