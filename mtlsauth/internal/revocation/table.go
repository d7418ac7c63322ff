package revocation

import (
	"container/list"
	"sync"
	"sync/atomic"
)

// slotKey tells slots apart: by issuer certificate and address, and for an OCSP
// answer by serial number.
type slotKey [32]byte

// table finds slots. It is bounded; those not used for longest go first.
type table[V any] struct {
	most     int
	replaced *atomic.Uint64            // see slot
	release  func(old, kept V)         // see slot
	later    func(value, known V) bool // see slot

	mu    sync.Mutex
	byKey map[slotKey]*list.Element
	order *list.List // of tableEntry, the most recently used first
}

type tableEntry[V any] struct {
	key  slotKey
	slot *slot[V]
}

func newTable[V any](most int, release func(old, kept V), later func(value, known V) bool) *table[V] {
	return &table[V]{most: most, release: release, later: later, byKey: make(map[slotKey]*list.Element), order: list.New()}
}

// get returns the slot of a key, a new one if there is none.
func (t *table[V]) get(key slotKey) *slot[V] {
	t.mu.Lock()
	defer t.mu.Unlock()
	if element, ok := t.byKey[key]; ok {
		t.order.MoveToFront(element)
		return element.Value.(tableEntry[V]).slot
	}
	s := &slot[V]{version: new(atomic.Uint64), replaced: t.replaced, release: t.release, later: t.later}
	t.byKey[key] = t.order.PushFront(tableEntry[V]{key, s})
	for len(t.byKey) > t.most {
		t.drop(t.leastUseful())
	}
	return s
}

// looked is how many of those that were not used for longest are looked at.
const looked = 64

// leastUseful returns the slot to drop: one that has nothing to lose before one
// with a value, so that whoever names addresses that do not answer pushes out
// nobody else's answers.
func (t *table[V]) leastUseful() *list.Element {
	element := t.order.Back()
	for range looked {
		if element == nil || element == t.order.Front() { // the one that is asked for
			break
		}
		if element.Value.(tableEntry[V]).slot.empty() {
			return element
		}
		element = element.Prev()
	}
	return t.order.Back()
}

// dropOldest makes room; it reports whether there was anything to drop but the
// slot itself.
func (t *table[V]) dropOldest(but *slot[V]) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for element := t.order.Back(); element != nil; element = element.Prev() {
		s := element.Value.(tableEntry[V]).slot
		if s != but && s.idle() {
			t.drop(element)
			return true
		}
	}
	return false
}

func (t *table[V]) drop(element *list.Element) {
	e := t.order.Remove(element).(tableEntry[V])
	delete(t.byKey, e.key)
	e.slot.end()
}

// end ends whatever rests on the slot: nobody renews it any more.
func (s *slot[V]) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var none V
	old := s.value
	s.value, s.has, s.gone = none, false, true
	s.version.Add(1)
	if s.release != nil {
		s.release(old, none)
	}
}

// empty reports a slot without a value.
func (s *slot[V]) empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.has
}

// idle reports that nobody has wanted the value since its last renewal.
func (s *slot[V]) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tries {
		if t.wanted || t.flight != nil {
			return false
		}
	}
	return true
}
