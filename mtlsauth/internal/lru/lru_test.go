package lru_test

import (
	"fmt"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/lru"
)

// Each row puts the words of a line into a cache in order: "a" puts a with size
// 1, "a:3" with size 3, "?a" gets a, "-a" removes it.
func TestCache(t *testing.T) {
	for _, row := range []struct {
		name       string
		maxEntries int
		maxSize    int64
		do         string
		kept       string // of the keys a to e
		evicted    string
	}{
		{name: "within the bounds", maxEntries: 3, do: "a b c", kept: "abc"},
		{name: "the least recently used one goes", maxEntries: 2, do: "a b ?a c", kept: "ac", evicted: "b"},
		{name: "replacing counts as use and evicts nothing", maxEntries: 2, do: "a b a c", kept: "ac", evicted: "b"},
		{name: "size", maxSize: 4, do: "a:2 b:2 c:1", kept: "bc", evicted: "a"},
		{name: "several go for a large one", maxSize: 4, do: "a b c d:3", kept: "cd", evicted: "ab"},
		{name: "both bounds", maxEntries: 2, maxSize: 9, do: "a:5 b:5 c d", kept: "cd", evicted: "ab"},
		{name: "replacing gives the old size back", maxSize: 4, do: "a:3 a:1 b:3", kept: "ab"},
		{name: "removing gives the size back", maxSize: 4, do: "a:3 -a b:3 c:1", kept: "bc"},
		{name: "one over the bound stays alone", maxSize: 4, do: "a b:9", kept: "b", evicted: "a"},
		{name: "and goes with the next", maxSize: 4, do: "b:9 a", kept: "a", evicted: "b"},
		{name: "no bounds", do: "a:9 b:9 c:9 d:9 e:9", kept: "abcde"},
		{name: "what is not there", maxEntries: 2, do: "-a ?a b", kept: "b"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var evicted strings.Builder
			c := lru.New(row.maxEntries, row.maxSize, func(key string, value int64) { evicted.WriteString(key) })
			for word := range strings.FieldsSeq(row.do) {
				switch word[0] {
				case '?':
					c.Get(word[1:])
				case '-':
					c.Remove(word[1:])
				default:
					key, size := word, int64(1)
					if k, _, ok := strings.Cut(word, ":"); ok {
						key = k
						fmt.Sscan(word[len(k)+1:], &size)
					}
					c.Put(key, size, size)
				}
			}
			kept := ""
			for _, key := range []string{"a", "b", "c", "d", "e"} {
				if _, ok := c.Get(key); ok {
					kept += key
				}
			}
			if kept != row.kept || evicted.String() != row.evicted || c.Len() != len(row.kept) {
				t.Errorf("kept %q (%d), evicted %q; want %q, %q", kept, c.Len(), evicted.String(), row.kept, row.evicted)
			}
		})
	}
}

func TestValues(t *testing.T) {
	c := lru.New[int, string](2, 0, nil)
	c.Put(1, "old", 0)
	c.Put(1, "new", 0)
	if got, ok := c.Get(1); got != "new" || !ok {
		t.Errorf("got %q, %v", got, ok)
	}
	if got, ok := c.Get(2); got != "" || ok {
		t.Errorf("of an absent key: got %q, %v", got, ok)
	}
	c.Put(2, "", 0)
	c.Put(3, "", 0) // evicts without a function to call
	if !c.Remove(2) || c.Remove(1) {
		t.Error("Remove does not tell what was there")
	}
}
