package e2e

import (
	"net/http"
	"path/filepath"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

// The server listens before it has read what it was told to read; the first
// requests wait for that, and none is judged without.
func TestTheFirstRequestKnowsItsMapping(t *testing.T) {
	t.Parallel()
	once(t)
	authorities, ids := manyCAs(100)
	cas := t.TempDir()
	for id, ca := range authorities {
		writeFile(t, filepath.Join(cas, id+".pem"), ca.PEM())
	}
	mappings := filepath.Join(t.TempDir(), "credentials.yaml")
	writeFile(t, mappings, manyMappings(20_000))
	prefix := t.TempDir()
	startProgram(t, prefix, nil, "-ca-dir", cas, "-credentials", mappings)
	socket := filepath.Join(prefix, "mtls-auth.socket")
	awaitAccept(t, socket)
	k := workersAt(t, socket, 1)
	config := k.load(0, ids, map[string]any{"skip_consumer_lookup": false, "consumer_by": []string{"username"}})
	leaf := authorities[ids[0]].Client("mapped19999.example").PEM()
	var r *rpc.Request
	// On a slow machine the reading takes longer than the 3 s that a request waits:
	// until it has ended the one other answer is 500.
	eventually(t, "a request passes", func() bool {
		r = request(leaf)
		k.Access(r, config)
		r.End()
		if r.Exit != nil && r.Exit.Status != http.StatusInternalServerError {
			t.Fatalf("got status %d, want a pass", r.Exit.Status)
		}
		return r.Exit == nil
	})
	if got := consumerOf(r); got != "mapped" {
		t.Errorf("the request goes on as consumer %q, want the one that it is mapped to", got)
	}
}

// consumerOf is the username of whom a request is authenticated as.
func consumerOf(r *rpc.Request) string {
	c, _ := r.Ctx["authenticated_consumer"].(map[string]any)
	name, _ := c["username"].(string)
	return name
}
