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

	mu    sync.Mutex
	cache *lru.Cache[string, *engine.Policy]
}

// maxPolicies bounds them: as many as plugins with different configurations, and for a
// while as many again after a change of all.
const maxPolicies = 20_000

func newPolicies(e *engine.Engine, most int) *policies {
	return &policies{engine: e, cache: lru.New(most, 0, func(_ string, p *engine.Policy) { p.Close() })}
}

func (p *policies) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cache.Len()
}

// get returns the policy of an id, nil for an unknown one.
func (p *policies) get(id string) *engine.Policy {
	p.mu.Lock()
	defer p.mu.Unlock()
	policy, _ := p.cache.Get(id)
	return policy
}

// add makes the policy of a definition, whose SHA-256 must be the id. A refused
// configuration makes a policy that refuses every request.
func (p *policies) add(id, text string) (*engine.Policy, error) {
	sum := sha256.Sum256([]byte(text))
	if hex.EncodeToString(sum[:]) != id {
		return nil, errors.New("reading a definition: its SHA-256 is not the id of the policy")
	}
	var def definition
	if err := json.Unmarshal([]byte(text), &def); err != nil {
		return nil, fmt.Errorf("reading a definition: %w", err)
	}
	entities := make([]kongdata.Entity, len(def.CACertificates))
	for i, ca := range def.CACertificates {
		entities[i] = kongdata.Entity{ID: ca.ID, Cert: ca.Cert}
	}
	// Not under the lock: certificates take a while to read.
	made := p.engine.StartWith(def.Config, entities)
	p.mu.Lock()
	defer p.mu.Unlock()
	if other, ok := p.cache.Get(id); ok { // another worker's question was faster
		made.Close()
		return other, nil
	}
	p.cache.Put(id, made, 0)
	return made, nil
}
