// Package doctor finds mistakes in how the plugin is set up on a live node. It reads files,
// connects as a client would and asks the Admin API. It changes nothing and binds nothing.
package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/kongenv"
)

// Options are where the node is.
type Options struct {
	Name   string          // of the plugin whose server it is
	Names  []string        // of the plugins that this server serves: mtls-auth's, header-cert-auth's
	Admin  kongdata.Config // with Kong's prefix
	Ping   func(path string, within time.Duration) (Server, error)
	Files  func(name string) (map[string][]byte, error) // the Lua plugin's, of this version
	Now    time.Time
	Limits Limits

	Connect string // host:port of Kong's TLS listener; "" for the first of proxy_listen
	SNI     string // server name; "" for a host of a route with the plugin

	// Of a client: PEM, both empty or both given but for the key.
	Leaf, Chain, Key []byte
	CRLDir           string
}

// Limits are the server's flags by which certificates are judged.
type Limits struct {
	MinRSABits  int
	MaxCRLSize  int64
	DenyPrivate bool
}

// Server is what a server says of itself.
type Server struct {
	Version string
	PID     int
	LuaMode bool // the Lua plugin has started it
}

// Grade is how a check ended.
type Grade uint8

// The grades. Warn is also for what could not be checked.
const (
	OK Grade = iota
	Warn
	Fail
)

// String returns ok, warn or FAIL.
func (g Grade) String() string { return [...]string{"ok", "warn", "FAIL"}[g] }

// MarshalText implements encoding.TextMarshaler, for JSON.
func (g Grade) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// Check is one check and what came of it.
type Check struct {
	Name  string `json:"name"`
	Grade Grade  `json:"grade"`
	Text  string `json:"text"`
	Cure  string `json:"cure,omitempty"` // what to do
}

// node is what is known of the node so far.
type node struct {
	Options
	report func(Check)
	failed int // checks so far

	env      *kongenv.Settings // nil where .kong_env cannot be read
	stopped  bool              // Kong does not run with this prefix
	settings map[string]string // of .kong_env, else of the Admin API
	admin    *kongdata.Admin   // nil where it does not answer
	version  version           // of Kong; zero where unknown
	lua      bool              // the Lua plugin is what Kong runs
	server   *Server           // that answers; nil for none
	program  string            // that the Lua plugin starts; "" where unknown
	loaded   []string          // of Names: the plugins that Kong has loaded, or is to load

	setup    *setup // nil where unknown
	setupErr error  // why it could not be read
}

// Run checks a node, and calls report with each check as it ends.
func Run(ctx context.Context, o Options, report func(Check)) {
	n := &node{Options: o, report: report, settings: map[string]string{}}
	n.checkPrefix()
	n.checkRunning(ctx)
	n.checkAdmin(ctx)
	n.readSetup(ctx)
	n.checkEnabled()
	n.checkLua(ctx)
	n.checkServer()
	n.checkProgram()
	n.checkPlugins(ctx)
	n.checkHandshake(ctx)
	n.checkClient(ctx)
}

func (n *node) ok(name, format string, args ...any) {
	n.report(Check{Name: name, Grade: OK, Text: fmt.Sprintf(format, args...)})
}

func (n *node) warn(name, cure, format string, args ...any) {
	n.report(Check{name, Warn, fmt.Sprintf(format, args...), cure})
}

func (n *node) fail(name, cure, format string, args ...any) {
	n.failed++
	n.report(Check{name, Fail, fmt.Sprintf(format, args...), cure})
}

// version is Kong's; zero where unknown.
type version struct{ major, minor, patch int }

func parseVersion(text string) (v version) {
	fmt.Sscanf(text, "%d.%d.%d", &v.major, &v.minor, &v.patch)
	return v
}

func (v version) known() bool { return v.major > 0 }

func (v version) before(major, minor int) bool {
	return v.known() && (v.major < major || v.major == major && v.minor < minor)
}

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v.major, v.minor, v.patch) }

func list(setting string) (items []string) {
	for item := range strings.SplitSeq(setting, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}
