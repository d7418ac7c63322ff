package e2e

import (
	"fmt"
	"testing"
)

const configurations = 10_000

// Ten thousand configurations, each used, and after a reload of Kong, whose new
// workers know nothing of the old ids, as many instances again.
func TestMemoryOfManyConfigurations(t *testing.T) {
	notUnderRace(t)
	for name, test := range map[string]struct {
		cas    int
		fields func(n int) map[string]any
		ids    func(all []string, n int) []string
	}{
		"each otherwise": {cas: 2, fields: func(n int) map[string]any {
			return map[string]any{"cache_ttl": n + 1}
		}},
		"with a hundred CA certificates, the same": {cas: 100, fields: func(n int) map[string]any {
			return map[string]any{"cache_ttl": n + 1}
		}},
		"each with mappings": {cas: 2, fields: func(n int) map[string]any {
			return map[string]any{"skip_consumer_lookup": false, "consumer_by": []string{"username"}, "credentials": []any{
				map[string]any{"subject_name": fmt.Sprintf("a%d.example", n), "consumer": "a"},
				map[string]any{"subject_name": fmt.Sprintf("b%d.example", n), "consumer": "b"},
			}}
		}},
		"each with CA certificates of its own choice": {cas: 201, ids: func(all []string, n int) []string {
			return []string{all[0], all[1+n%100], all[101+n/100]}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			authorities, ids := manyCAs(test.cas)
			leaf := authorities[ids[0]].Client("client").PEM()
			s := newServer(t, authorities)
			before := liveHeap()
			use := func(k *kong) {
				for n := range configurations {
					mine := ids
					if test.ids != nil {
						mine = test.ids(ids, n)
					}
					var fields map[string]any
					if test.fields != nil {
						fields = test.fields(n)
					}
					k.expect(fmt.Sprintf("configuration %d", n), k.load(n, mine, fields), leaf, 0)
				}
			}
			use(s.kong(1))
			once := liveHeap() - before
			use(s.kong(1))
			t.Logf("%.1f MiB before the reload", float64(once)/MiB)
			atMost(t, "live heap", liveHeap()-before, 64*MiB)
		})
	}
}
