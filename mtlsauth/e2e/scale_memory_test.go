package e2e

import (
	"fmt"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

const configurations = 10_000

// Ten thousand configurations, each used, and after a reload of Kong, whose new
// workers know nothing of the old ids, as many instances again.
func TestMemoryOfManyConfigurations(t *testing.T) {
	ofCost(t, pluginServerMode)
	for name, test := range map[string]struct {
		cas    int
		fields func(n int) map[string]any
		ids    func(all []string, n int) []string
	}{
		"with a hundred CA certificates, the same": {cas: 100, fields: func(n int) map[string]any {
			return map[string]any{"cache_ttl": n + 1}
		}},
		"each with mappings and CA certificates of its own choice": {cas: 201, fields: func(n int) map[string]any {
			return map[string]any{"skip_consumer_lookup": false, "consumer_by": []string{"username"}, "credentials": []any{
				map[string]any{"subject_name": fmt.Sprintf("a%d.example", n), "consumer": "a"},
				map[string]any{"subject_name": fmt.Sprintf("b%d.example", n), "consumer": "b"},
			}}
		}, ids: func(all []string, n int) []string {
			return []string{all[0], all[1+n%100], all[101+n/100]}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			authorities, ids := manyCAs(test.cas)
			leaf := authorities[ids[0]].Client("client").PEM()
			s := newServer(t, authorities)
			before := liveHeap()
			use := func(k *workers) {
				for n := range configurations {
					mine := ids
					if test.ids != nil {
						mine = test.ids(ids, n)
					}
					k.expect(fmt.Sprintf("configuration %d", n), k.load(n, mine, test.fields(n)), leaf, 0)
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

// Twenty thousand certificates of an untrusted CA leave next to nothing.
func TestMemoryOfStrangers(t *testing.T) {
	ofCost(t, luaMode)
	authorities, ids := manyCAs(1)
	stranger := pki.NewCA("stranger")
	s := newServer(t, authorities)
	k := s.kong(1)
	config := k.load(0, ids, nil)
	k.expect("a client", config, authorities[ids[0]].Client("client").PEM(), 0)
	before := liveHeap()
	manyClients(stranger, 20_000, func(i int, pem string) {
		if status := k.present(config, pem); status != 401 {
			t.Errorf("stranger %d: got status %d, want 401", i, status)
		}
	})
	// A denial takes up to 1 KiB, and 4,096 of them are kept for a moment.
	atMost(t, "live heap", liveHeap()-before, 8*MiB)
}

// Three thousand instances that are started, used, and closed for the next one.
func TestMemoryOfInstancesThatComeAndGo(t *testing.T) {
	ofCost(t, luaMode)
	authorities, ids := manyCAs(2)
	leaf := authorities[ids[0]].Client("client").PEM()
	s := newServer(t, authorities)
	k := s.kong(1)
	k.expect("the first", k.load(0, ids, nil), leaf, 0)
	before := liveHeap()
	for n := range 3000 {
		k.expect(fmt.Sprintf("instance %d", n), k.load(0, ids, map[string]any{"cache_ttl": n + 1}), leaf, 0)
	}
	if n := k.Starts(); n != 3001 {
		t.Errorf("%d instances were started, want 3001", n)
	}
	atMost(t, "live heap", liveHeap()-before, 16*MiB)
}
