package engine

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/config"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/konglog"
)

// Engine is what all instances share: the CA certificates, the decisions, and
// the policies, each known by the content of its configuration. Kong starts
// new instances in each worker at every reload, also of an identical
// configuration, so nothing worth keeping hangs on an instance.
type Engine struct {
	parts
	cache     *authn.Cache
	lookups   *consumer.Lookups
	consumers *consumer.Shared // those of the sources
	warnedID  atomic.Bool      // that no consumer is found by custom_id

	mu       sync.Mutex
	policies map[policyKey]*sharedPolicy
	held     map[[sha256.Size]byte]*sharedHeld // by their content
	warnedDN bool

	replaced atomic.Uint64 // status.checker.Replaced, as EvidenceChanged saw it
}

// parts are what a plugin is made of.
type parts struct {
	store      *kongdata.Store
	status     *statusServices
	cold       *authn.Cold
	log        *konglog.Log
	form       func(*authn.Decision) authn.Form // the door's
	minRSABits int
	memory     int64 // the limit, in bytes
	luaMode    bool  // what is printed is in Kong's log already
	refused    error // why every configuration is refused; nil for it is not
}

// sharedPolicy is a policy with the number of instances that use it.
type sharedPolicy struct {
	*authn.Policy
	caIDs []string
	free  func() // gives back the CA certificates
	asks  bool   // for the credentials of the sources
	key   policyKey
	users int
}

func newEngine(o parts) *Engine {
	return &Engine{
		parts:     o,
		cache:     authn.NewCacheWithin(o.memory / decisionShare),
		lookups:   consumer.NewLookups(o.memory / lookupShare),
		consumers: consumer.NewShared(o.store),
		policies:  make(map[policyKey]*sharedPolicy),
		held:      make(map[[sha256.Size]byte]*sharedHeld),
	}
}

// Start makes an instance of a configuration. One that is refused makes an
// instance that answers every request with 500 and says why in the log: it
// fails closed. Start waits for nothing.
func (p *Engine) Start(text []byte) *Instance {
	if p.refused != nil {
		return p.Refuse(p.refused)
	}
	policy, err := p.policyOf(text)
	if err != nil {
		return p.Refuse(err)
	}
	return &Instance{engine: p, policy: policy}
}

// Refuse makes an instance of a configuration that is refused, for a door that
// can not carry it out.
func (p *Engine) Refuse(err error) *Instance {
	for _, one := range each(err) {
		p.log.Background.Error("configuration refused, its requests get 500", "error", one)
	}
	return &Instance{engine: p, denied: authn.Deny(authn.BadConfig, err)}
}

func (p *Engine) policyOf(text []byte) (*sharedPolicy, error) {
	c, err := config.Parse(text)
	if err != nil {
		return nil, err
	}
	return p.policy(c)
}

// each returns the errors that were joined to one: each mistake has a line of
// its own, so that none is cut off.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// policy returns the policy of a configuration, the same for equal ones.
func (p *Engine) policy(c config.Config) (*sharedPolicy, error) {
	key := policyKey{config: c.Content()}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.SendCADN() && !p.warnedDN {
		p.warnedDN = true
		p.log.Background.Warn("config.send_ca_dn: the CAs' names can not be sent from here; name them where Kong asks for the certificate: to nginx with ssl_client_certificate, or in the pre-function")
	}
	if shared, ok := p.policies[key]; ok {
		shared.users++
		return shared, nil
	}
	cas := p.store.Want(c.CACertificates())
	o := p.options(c, p.store)
	o.CAs, o.CAIDs, o.Form = cas, cas.IDs(), p.form // not the configuration's own ids: many name the same
	shared := &sharedPolicy{key: key, users: 1, caIDs: o.CAIDs, free: cas.Release, asks: o.Consumers != nil, Policy: authn.NewPolicy(o)}
	p.policies[key] = shared
	return shared, nil
}

// policyKey is what makes policies equal: the content of the configuration and that of
// the CA certificates that came along, zero for those of the sources.
type policyKey struct{ config, cas [sha256.Size]byte }

// options are those of a policy, but for where its CA certificates come from.
func (p *Engine) options(c config.Config, source authn.CredentialSource) authn.Options {
	o := authn.Options{
		Settings:   c.Settings(),
		Lookups:    p.lookups,
		MinRSABits: p.minRSABits,
		Cache:      p.cache,
		Cold:       p.cold,
		Checker:    p.status.checker,
	}
	if o.Consumers != nil {
		consumers := *o.Consumers
		consumers.Source = source
		o.Consumers = &consumers
	}
	return o
}

// release gives back what an instance held.
func (p *Engine) release(shared *sharedPolicy) {
	p.mu.Lock()
	defer p.mu.Unlock()
	shared.users--
	if shared.users == 0 {
		delete(p.policies, shared.key)
		shared.free()
	}
}
