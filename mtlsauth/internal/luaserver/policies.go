package luaserver

import (
	"container/list"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"mtls-auth/mtlsauth/internal/engine"
	"mtls-auth/mtlsauth/internal/kongdata"
)

// policies are the plugin's instances by the ids of their definitions, at most so many,
// the most recently used. The worker is asked for the definition of any other.
type policies struct {
	engine *engine.Engine
	most   int

	mu    sync.Mutex
	byID  map[string]*list.Element
	order *list.List // of *policy, the most recently used first
}

type policy struct {
	id string
	*engine.Instance
}

// maxPolicies bounds them: as many as plugins with different configurations, and for a
// while as many again after a change of all.
const maxPolicies = 20_000

func newPolicies(p *engine.Engine) *policies {
	return &policies{engine: p, most: maxPolicies, byID: make(map[string]*list.Element), order: list.New()}
}

func (p *policies) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.order.Len()
}

// get returns the instance of an id, nil for an unknown one.
func (p *policies) get(id string) *engine.Instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	element, ok := p.byID[id]
	if !ok {
		return nil
	}
	p.order.MoveToFront(element)
	return element.Value.(*policy).Instance
}

// add makes the instance of a definition, whose SHA-256 must be the id. A refused
// configuration makes an instance that refuses every request.
func (p *policies) add(id, text string) (*engine.Instance, error) {
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
	made := p.engine.StartHeld(def.Config, entities)
	p.mu.Lock()
	defer p.mu.Unlock()
	if element, ok := p.byID[id]; ok { // another worker's question was faster
		made.Close()
		return element.Value.(*policy).Instance, nil
	}
	p.byID[id] = p.order.PushFront(&policy{id, made})
	for p.order.Len() > p.most {
		old := p.order.Remove(p.order.Back()).(*policy)
		delete(p.byID, old.id)
		old.Close()
	}
	return made, nil
}
