// Package lru keeps what was used last: a map that is bounded in number and,
// where its entries differ much, in size. The least recently used entry goes
// first.
package lru

// Cache is such a map. It has no lock: most users have one already, which
// covers more than the map. The zero Cache must not be used; see [New].
type Cache[K comparable, V any] struct {
	maxEntries int
	maxSize    int64
	evicted    func(K, V)

	byKey map[K]*entry[K, V]
	ends  entry[K, V] // of the list: next is the most recently used, prev the least
	size  int64
}

// entry is its own element of the list: some caches have a hundred thousand.
type entry[K comparable, V any] struct {
	prev, next *entry[K, V]
	key        K
	value      V
	size       int64
}

// New returns an empty cache of at most maxEntries entries, which together have
// at most maxSize, in the unit that its user counts in. A bound of zero is no
// bound. evicted, which may be nil, is called with each entry that a bound
// drops, after it has left the cache.
func New[K comparable, V any](maxEntries int, maxSize int64, evicted func(K, V)) *Cache[K, V] {
	c := &Cache[K, V]{maxEntries: maxEntries, maxSize: maxSize, evicted: evicted, byKey: make(map[K]*entry[K, V])}
	c.ends.prev, c.ends.next = &c.ends, &c.ends
	return c
}

// Get returns the value of a key, which becomes the most recently used one.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	e, ok := c.byKey[key]
	if !ok {
		return value, false
	}
	e.unlink()
	e.linkAfter(&c.ends)
	return e.value, true
}

// Put adds a value, or replaces the one of an equal key without calling evicted,
// and drops what is then over the bounds. The value itself stays even where it
// alone is over them, so that Get finds what was put last.
func (c *Cache[K, V]) Put(key K, value V, size int64) {
	c.Remove(key)
	e := &entry[K, V]{key: key, value: value, size: size}
	e.linkAfter(&c.ends)
	c.byKey[key] = e
	c.size += size
	for c.over() && c.Len() > 1 {
		oldest := c.ends.prev
		c.remove(oldest)
		if c.evicted != nil {
			c.evicted(oldest.key, oldest.value)
		}
	}
}

func (c *Cache[K, V]) over() bool {
	return c.maxEntries > 0 && c.Len() > c.maxEntries || c.maxSize > 0 && c.size > c.maxSize
}

// Remove drops an entry, without calling evicted, and reports whether it was
// there.
func (c *Cache[K, V]) Remove(key K) bool {
	e, ok := c.byKey[key]
	if ok {
		c.remove(e)
	}
	return ok
}

func (c *Cache[K, V]) remove(e *entry[K, V]) {
	e.unlink()
	delete(c.byKey, e.key)
	c.size -= e.size
}

// Len returns the number of entries.
func (c *Cache[K, V]) Len() int { return len(c.byKey) }

// Size returns their size.
func (c *Cache[K, V]) Size() int64 { return c.size }

func (e *entry[K, V]) unlink() {
	e.prev.next, e.next.prev = e.next, e.prev
}

func (e *entry[K, V]) linkAfter(at *entry[K, V]) {
	e.prev, e.next = at, at.next
	at.next.prev = e
	at.next = e
}
