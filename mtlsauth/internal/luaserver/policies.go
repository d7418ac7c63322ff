package luaserver

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"mtls-auth/mtlsauth/internal/engine"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/lru"
)

// policies are the engine's policies by the ids of their definitions, the most recently
// used. The worker is asked for the definition of any other.
type policies struct {
	engine *engine.Engine

	mu     sync.Mutex
	cache  *lru.Cache[string, *engine.Policy]
	making map[string]chan struct{} // closed when the question that makes it has ended
}

// The bounds: as many as plugins with different configurations, and for a while as many
// again after a change of all; and the bytes of their definitions, since each change of a
// large configuration makes another policy.
const (
	maxPolicies    = 20_000
	maxDefinitions = 64 << 20
)

func newPolicies(e *engine.Engine, most int, bytes int64) *policies {
	return &policies{
		engine: e,
		cache:  lru.New(most, bytes, func(_ string, p *engine.Policy) { p.Close() }),
		making: make(map[string]chan struct{}),
	}
}

func (p *policies) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cache.Len()
}

// get returns the policy of an id. An unknown one is to be made by one question at a time,
// however many clients come at once after a reload: made ends that, and the others, which
// get no made, wait for making to be closed and then try again.
func (p *policies) get(id string) (policy *engine.Policy, made func(), making <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if policy, ok := p.cache.Get(id); ok {
		return policy, nil, nil
	}
	if making, ok := p.making[id]; ok {
		return nil, nil, making
	}
	over := make(chan struct{})
	p.making[id] = over
	return nil, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.making, id)
		close(over)
	}, nil
}

// add makes the policy of a definition, whose SHA-256 must be the id. A refused
// configuration makes a policy that refuses every request. The caller has the made of get.
func (p *policies) add(id, text string) (*engine.Policy, error) {
	sum := sha256.Sum256([]byte(text))
	if hex.EncodeToString(sum[:]) != id {
		return nil, errors.New("reading a definition: its SHA-256 is not the id of the policy")
	}
	var def definition
	if err := json.Unmarshal([]byte(text), &def); err != nil {
		return nil, fmt.Errorf("reading a definition: %w", err)
	}
	if def.Plugin == "" {
		return nil, errors.New("reading a definition: it names no plugin")
	}
	entities := make([]kongdata.Entity, len(def.CACertificates))
	for i, ca := range def.CACertificates {
		entities[i] = kongdata.Entity{ID: ca.ID, Cert: ca.Cert}
	}
	// Not under the lock: certificates take a while to read.
	made := p.engine.StartWith(def.Plugin, def.Config, entities)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cache.Put(id, made, int64(len(text)))
	return made, nil
}
