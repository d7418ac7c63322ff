package certificate

import (
	"bytes"
	"slices"
	"strings"
)

// Match is what a comparison of two names found. RFC 5280, section 7.1, compares
// strings by rules (RFC 4518) whose tables for text beyond ASCII are not at hand,
// so that there are names of which it cannot be said whether they are equal. A
// caller decides that case so that it fails closed.
type Match uint8

const (
	// Different: not equal by any reading of section 7.1.
	Different Match = iota
	// Possible: equal if case and white space are folded as widely as the rules
	// could, or if a value that is not text is taken for equal to any other.
	Possible
	// Certain: equal by section 7.1, whatever the string types.
	Certain
)

// Compare compares two names (DER RDNSequences). Of one that cannot be parsed
// nothing is certain but that it equals itself.
func Compare(a, b []byte) Match {
	if bytes.Equal(a, b) {
		return Certain
	}
	x, okX := ParseDN(a)
	y, okY := ParseDN(b)
	switch {
	case !okX || !okY:
		return Possible
	case len(x.rdns) != len(y.rdns):
		return Different
	case x.Permits(y):
		return Certain
	case x.Excludes(y) && y.Excludes(x):
		return Possible
	}
	return Different
}

// Index finds values by names that may be equal. The zero value is empty.
type Index[V any] struct {
	byKey map[string][]indexed[V]
	odd   []indexed[V] // whose names have no key
}

type indexed[V any] struct {
	name  []byte
	value V
}

// Add adds a value under a name in DER.
func (x *Index[V]) Add(name []byte, value V) {
	entry := indexed[V]{name, value}
	key, ok := key(name)
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
	of := func(entries []indexed[V]) {
		for _, e := range entries {
			if match := Compare(name, e.name); match != Different {
				found(e.value, match)
			}
		}
	}
	if key, ok := key(name); ok {
		of(x.byKey[key])
	} else {
		for _, entries := range x.byKey {
			of(entries)
		}
	}
	of(x.odd)
}

// Len returns the number of values.
func (x *Index[V]) Len() int {
	n := len(x.odd)
	for _, entries := range x.byKey {
		n += len(entries)
	}
	return n
}

// key returns what names that may be equal have in common; false for a name with
// a value that is not text, or one that cannot be parsed.
func key(name []byte) (string, bool) {
	dn, ok := ParseDN(name)
	if !ok {
		return "", false
	}
	var out strings.Builder
	for _, rdn := range dn.rdns {
		parts := make([]string, len(rdn))
		for i, v := range rdn {
			if !v.text {
				return "", false
			}
			parts[i] = string(v.kind) + "=" + v.wide
		}
		slices.Sort(parts)
		for _, part := range slices.Compact(parts) {
			out.WriteString(part)
			out.WriteByte(0)
		}
		out.WriteByte(1)
	}
	return out.String(), true
}
