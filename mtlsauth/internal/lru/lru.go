// Package lru keeps what was used last: a map that is bounded in number and,
// where its entries differ much, in size. The least recently used entry goes
// first.
package lru

import "container/list"

// Cache is such a map. It has no lock: most users have one already, which
// covers more than the map. The zero Cache must not be used; see [New].
type Cache[K comparable, V any] struct {
	maxEntries int
	maxSize    int64
	evicted    func(K, V)

	byKey map[K]*list.Element
	order *list.List // of *entry[K, V], the most recently used first
	size  int64
}

type entry[K comparable, V any] struct {
	key   K
	value V
	size  int64
}

// New returns an empty cache of at most maxEntries entries, which together have
// at most maxSize, in the unit that its user counts in. A bound of zero is no
// bound. evicted, which may be nil, is called with each entry that a bound
// drops, after it has left the cache.
func New[K comparable, V any](maxEntries int, maxSize int64, evicted func(K, V)) *Cache[K, V] {
	return &Cache[K, V]{
		maxEntries: maxEntries,
		maxSize:    maxSize,
		evicted:    evicted,
		byKey:      make(map[K]*list.Element),
		order:      list.New(),
	}
}

// Get returns the value of a key, which is thereby the most recently used one.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	element, ok := c.byKey[key]
	if !ok {
		return value, false
	}
	c.order.MoveToFront(element)
	return element.Value.(*entry[K, V]).value, true
}

// Put adds a value, or replaces the one of an equal key without calling evicted,
// and drops what is then over the bounds. The value itself stays even where it
// alone is over them, so that Get finds what was put last.
func (c *Cache[K, V]) Put(key K, value V, size int64) {
	c.Remove(key)
	c.byKey[key] = c.order.PushFront(&entry[K, V]{key, value, size})
	c.size += size
	for c.over() && c.order.Len() > 1 {
		e := c.remove(c.order.Back())
		if c.evicted != nil {
			c.evicted(e.key, e.value)
		}
	}
}

func (c *Cache[K, V]) over() bool {
	return c.maxEntries > 0 && c.order.Len() > c.maxEntries || c.maxSize > 0 && c.size > c.maxSize
}

// Remove drops an entry, without calling evicted, and reports whether it was
// there.
func (c *Cache[K, V]) Remove(key K) bool {
	element, ok := c.byKey[key]
	if ok {
		c.remove(element)
	}
	return ok
}

func (c *Cache[K, V]) remove(element *list.Element) *entry[K, V] {
	e := c.order.Remove(element).(*entry[K, V])
	delete(c.byKey, e.key)
	c.size -= e.size
	return e
}

// Len returns the number of entries.
func (c *Cache[K, V]) Len() int { return c.order.Len() }
