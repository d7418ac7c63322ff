package kongdata

import (
	"context"
	"fmt"
	"strings"
)

// Entity is a Kong CA Certificate as Kong has it.
type Entity struct {
	ID   string
	Cert string // PEM
}

// FixedSet is CA certificates that come with a configuration, in Lua mode from Kong's
// own database: nothing is asked for or waited for. It never changes.
type FixedSet struct {
	ids      []string
	snapshot *Snapshot
}

// NewFixedSet makes the set of these ids out of entities. They are judged as those of a
// [Store] are: what is refused or not among them is missing, and refused says why
// of each, a *RefusedError with the id before it.
func NewFixedSet(ids []string, entities []Entity) (set *FixedSet, refused []error) {
	byID := make(map[string]string, len(entities))
	for _, e := range entities {
		byID[strings.ToLower(e.ID)] = e.Cert
	}
	set = &FixedSet{ids: normalize(ids), snapshot: new(Snapshot)}
	s := set.snapshot
	for _, id := range set.ids {
		text, ok := byID[id]
		if !ok {
			s.Missing = append(s.Missing, id)
			continue
		}
		answer := judgeCA(text)
		if answer.Err != nil {
			refused = append(refused, fmt.Errorf("CA certificate %s: %w", id, answer.Err))
			s.Missing = append(s.Missing, id)
			continue
		}
		s.CAs = append(s.CAs, CA{ID: id, Certificate: answer.Certificate})
	}
	return set, refused
}

// Snapshot returns what is known, always the same.
func (set *FixedSet) Snapshot() *Snapshot { return set.snapshot }

// Wait is Snapshot: there is nothing to wait for.
func (set *FixedSet) Wait(context.Context) *Snapshot { return set.snapshot }

// IDs returns the ids, sorted, in lower case, each once. The slice must not be
// changed.
func (set *FixedSet) IDs() []string { return set.ids }
