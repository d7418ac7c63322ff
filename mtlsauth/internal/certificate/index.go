package certificate

import "slices"

// Index finds values by names that may be equal. The zero value is empty.
type Index[V any] struct {
	byKey map[string][]indexed[V]
	odd   []indexed[V] // of names with values that are not text
	size  int
}

type indexed[V any] struct {
	name  comparedName
	value V
}

// Add adds a value under a name in DER.
func (x *Index[V]) Add(name []byte, value V) {
	x.size++
	entry := indexed[V]{newComparedName(name), value}
	key, ok := entry.name.textKey()
	if !ok {
		x.odd = append(x.odd, entry)
		return
	}
	if x.byKey == nil {
		x.byKey = make(map[string][]indexed[V])
	}
	x.byKey[key] = append(x.byKey[key], entry)
}

// Find calls found for each value whose name is possibly or certainly this one.
func (x *Index[V]) Find(name []byte, found func(value V, match Match)) {
	sought := newComparedName(name)
	of := func(entries []indexed[V]) {
		for _, e := range entries {
			if match := sought.compare(e.name); match != Different {
				found(e.value, match)
			}
		}
	}
	if key, ok := sought.textKey(); ok {
		of(x.byKey[key])
	} else {
		for _, entries := range x.byKey {
			of(entries)
		}
	}
	of(x.odd)
}

// Len returns the number of values.
func (x *Index[V]) Len() int { return x.size }

// textKey is NameKey for names of which all values are text.
func (n comparedName) textKey() (string, bool) {
	ok := n.ok
	for _, rdn := range n.dn {
		ok = ok && !slices.ContainsFunc(rdn, func(v comparedValue) bool { return !v.text })
	}
	return n.dn.key(), ok
}
