package revocation

import (
	"hash/maphash"
	"sync/atomic"
)

// mark is a piece of evidence with what its version was when it was used.
type mark struct {
	version *atomic.Uint64
	was     uint64
}

func markOf(version *atomic.Uint64) mark { return mark{version, version.Load()} }

// Basis is the evidence that a result rests on. It keeps none of the evidence
// alive, only its versions.
type Basis []mark

// Stands reports whether none of the evidence has been replaced since. It
// costs an atomic load for each piece.
func (b Basis) Stands() bool {
	for _, m := range b {
		if m.version.Load() != m.was {
			return false
		}
	}
	return true
}

// groups are versions for what is too numerous to have one each: what changes
// one of a group ends the results that rest on any of it.
type groups struct {
	seed     maphash.Seed
	versions [1024]atomic.Uint64
}

func newGroups() *groups { return &groups{seed: maphash.MakeSeed()} }

func (g *groups) of(key certKey) *atomic.Uint64 {
	return &g.versions[maphash.Bytes(g.seed, key[:])%uint64(len(g.versions))]
}
