package consumer

// AttributeTypes is the table of attribute names.
func AttributeTypes() map[string]string { return attributeTypes }

// SetCacheLimits makes the parts of the lookup cache small.
func (l *Lookups) SetCacheLimits(found, foundBytes, absent, absentBytes int) {
	l.cache = cache{newLRU(found, foundBytes), newLRU(absent, absentBytes)}
}

// CacheLen returns the entries of the lookup cache, found and absent.
func (l *Lookups) CacheLen() (found, absent int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.cache.found.byQuery), len(l.cache.absent.byQuery)
}
