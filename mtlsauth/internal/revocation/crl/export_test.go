package crl

// Bijective reports whether what records leave out is no more than what their
// buckets tell: otherwise two serial numbers might have one record, which no
// test would be lucky enough to find.
func (l *List) Bijective() bool {
	for _, t := range l.entries.own.tables {
		if bucketBits := 64 - t.shift; 8*t.drop > bucketBits || len(t.ends) != 1<<bucketBits {
			return false
		}
	}
	return true
}
