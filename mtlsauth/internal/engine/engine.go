package engine

import (
	"crypto/sha256"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/config"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/konglog"
)

// Engine is what all policies share. It is safe for concurrent use.
type Engine struct {
	log        *konglog.Log
	plugin     config.Plugin // of configurations that Start is given
	minRSABits int
	refused    error // why every configuration is refused; nil when not
	luaMode    bool  // what is printed is in Kong's log already

	cache   *authn.Cache
	limiter *authn.Limiter
	status  *statusServices

	// Where CA certificates, consumers and credentials come from for policies that
	// Start makes.
	store     *kongdata.Store
	lookups   *consumer.Lookups
	consumers *consumer.Shared
	warnedID  atomic.Bool // that no consumer is found by custom_id
	// sourcesUsed warns, once, where there is none: the first configuration that needs
	// one calls it.
	sourcesUsed func()

	mu       sync.Mutex
	policies map[[sha256.Size]byte]*Policy // that Start made, by their content
	active   map[*Policy]bool              // all that have CA certificates
	sets     map[[sha256.Size]byte]*caSet  // that StartWith was given, by their content
	warned   map[string]bool               // what was warned of
	logs     map[string]*konglog.Log       // of the plugins that StartWith was given, by name

	replaced atomic.Uint64 // status.checker.Replaced, as EvidenceChanged saw it
}

// newEngine returns an engine without what runs in the background, for memory in bytes.
func newEngine(log *konglog.Log, memory int64, store *kongdata.Store) *Engine {
	return &Engine{
		log:       log,
		plugin:    config.MTLSAuth,
		cache:     authn.NewCacheWithin(memory / decisionShare),
		limiter:   authn.NewLimiter(nil),
		status:    new(statusServices),
		store:     store,
		lookups:   consumer.NewLookups(memory / lookupShare),
		consumers: consumer.NewShared(store),
		policies:  make(map[[sha256.Size]byte]*Policy),
		active:    make(map[*Policy]bool),
		sets:      make(map[[sha256.Size]byte]*caSet),
		logs:      make(map[string]*konglog.Log),
		warned:    make(map[string]bool),

		sourcesUsed: func() {},
	}
}

// Plugin returns the plugin whose configurations Start is given.
func (e *Engine) Plugin() config.Plugin { return e.plugin }

// Background is the log of what no request is to blame for: it is printed and,
// from warn on, goes to Kong's log with the next event.
func (e *Engine) Background() *slog.Logger { return e.log.Background.Logger }

// Fault logs what went wrong in an event and returns the lines about it for
// Kong's log.
func (e *Engine) Fault(err error) []konglog.Line { return e.log.Fault(err, time.Now()) }

// EvidenceChanged reports that evidence was replaced since it was last called, so
// that decisions that are cached outside this process must be dropped.
func (e *Engine) EvidenceChanged() bool {
	if e.status.checker == nil {
		return false
	}
	now := e.status.checker.Replaced()
	return e.replaced.Swap(now) != now
}
