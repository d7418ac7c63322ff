package consumer

import (
	"container/list"
	"time"
)

// Limits of the lookup cache: a hundred thousand consumers that are in use, and
// some thousands of names that are nobody's, which anybody with a trusted
// certificate can bring about. An entry takes about half a KiB.
const (
	maxFound, maxFoundBytes   = 100_000, 64 << 20
	maxAbsent, maxAbsentBytes = 16_384, 8 << 20
)

// answer is what a source said, and when it was asked.
type answer struct {
	Result
	fetched time.Time
	known   bool
}

// fresh tells whether an answer may still be used. It ages by the wall clock or
// by the monotonic clock, whichever is faster: neither a clock that was set
// back nor a machine that slept makes it live longer.
func (a *answer) fresh(now time.Time, maxAge time.Duration) bool {
	return now.Sub(a.fetched) < maxAge && now.Round(0).Sub(a.fetched.Round(0)) < maxAge
}

// cache keeps answers, found and absent ones apart, so that no number of names
// that are nobody's pushes out a consumer.
type cache struct {
	found, absent lru
}

// newCache returns a cache within so many bytes: a ninth of them, as of the whole,
// for those that are absent.
func newCache(within int64) cache {
	within = min(within, maxFoundBytes+maxAbsentBytes)
	absent := within / 9
	return cache{newLRU(maxFound, int(within-absent)), newLRU(maxAbsent, int(absent))}
}

// get returns an answer that is young enough; an older one stays for those who
// accept it.
func (c *cache) get(q Query, now time.Time, maxAge time.Duration) (answer, bool) {
	if maxAge <= 0 {
		return answer{}, false
	}
	if a, ok := c.found.get(q); ok {
		return a, a.fresh(now, maxAge)
	}
	a, ok := c.absent.get(q)
	return a, ok && a.fresh(now, maxAge)
}

// put keeps an answer unless one that was asked for later is there.
func (c *cache) put(q Query, a answer) {
	to, from := &c.found, &c.absent
	if a.Consumer == nil {
		to, from = from, to
	}
	for _, part := range []*lru{to, from} {
		if old, ok := part.get(q); ok && old.fetched.After(a.fetched) {
			return
		}
	}
	from.remove(q)
	to.put(q, a)
}

// lru is bounded in number and in bytes, least recently used out first.
type lru struct {
	maxEntries, maxBytes int

	byQuery map[Query]*list.Element
	order   *list.List // of *entry, the most recently used first
	bytes   int
}

type entry struct {
	query  Query
	answer answer
	size   int
}

func newLRU(maxEntries, maxBytes int) lru {
	return lru{
		maxEntries: maxEntries,
		maxBytes:   maxBytes,
		byQuery:    make(map[Query]*list.Element),
		order:      list.New(),
	}
}

func (l *lru) get(q Query) (answer, bool) {
	element, ok := l.byQuery[q]
	if !ok {
		return answer{}, false
	}
	l.order.MoveToFront(element)
	return element.Value.(*entry).answer, true
}

func (l *lru) put(q Query, a answer) {
	l.remove(q)
	e := &entry{query: q, answer: a, size: sizeOf(q, a)}
	l.byQuery[q] = l.order.PushFront(e)
	l.bytes += e.size
	for len(l.byQuery) > l.maxEntries || l.bytes > l.maxBytes {
		l.remove(l.order.Back().Value.(*entry).query)
	}
}

func (l *lru) remove(q Query) {
	element, ok := l.byQuery[q]
	if !ok {
		return
	}
	e := l.order.Remove(element).(*entry)
	delete(l.byQuery, q)
	l.bytes -= e.size
}

// sizeOf estimates the memory that an entry holds, in bytes.
func sizeOf(q Query, a answer) int {
	const fixed = 320 // the structures, the map's and the list's share
	n := fixed + len(q.Value)
	if c := a.Consumer; c != nil {
		n += 112 + len(c.ID) + len(c.Username) + len(c.CustomID)
		for _, tag := range c.Tags {
			n += 16 + len(tag)
		}
	}
	return n
}
