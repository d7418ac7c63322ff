package consumer

import "mtls-auth/mtlsauth/internal/lru"

// AttributeTypes is the table of attribute names.
func AttributeTypes() map[string]string { return attributeTypes }

// SetCacheLimits makes the parts of the lookup cache small.
func (l *Lookups) SetCacheLimits(found, foundBytes, absent, absentBytes int) {
	l.found = lru.New[Query, answer](found, int64(foundBytes), nil)
	l.absent = lru.New[Query, answer](absent, int64(absentBytes), nil)
}

// CacheLen returns the entries of the lookup cache, found and absent.
func (l *Lookups) CacheLen() (found, absent int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.found.Len(), l.absent.Len()
}
