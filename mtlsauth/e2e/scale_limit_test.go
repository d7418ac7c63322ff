package e2e

import (
	"fmt"
	"path/filepath"
	"strconv"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// slack is what a process takes beside the memory that GOMEMLIMIT is about: the
// program's own pages above all.
const slack = 32 * MiB

// With little memory, what was decided before goes on while new certificates
// flood in: theirs are the refusals, and the process keeps to its limit.
func TestAFloodOfCertificatesWithLittleMemory(t *testing.T) {
	ofCost(t, luaMode)
	const limit, flood = 40 * MiB, 10_000
	authorities, ids := manyCAs(1)
	p, k := smallProgram(t, authorities, limit)
	config := k.load(0, ids, nil)
	known := authorities[ids[0]].Client("a client").PEM()
	k.expect("a client", config, known, 0)
	stranger := pki.NewCA("stranger")
	for name, ca := range map[string]*pki.Certificate{"trusted": authorities[ids[0]], "strangers": stranger} {
		manyClients(ca, flood, func(i int, pem string) {
			status := k.present(config, pem)
			if right := ca == stranger && status == 401 || ca != stranger && status == 0 || status == 500; !right {
				t.Errorf("%s, %d: got status %d", name, i, status)
			}
			if i%10 == 0 {
				if status := k.present(config, known); status != 0 {
					t.Errorf("during %s, %d: the known client got status %d", name, i, status)
				}
			}
		})
		atMost(t, "resident after "+name, resident(t, p.Process.Pid), limit+slack)
	}
}

// Where the memory is taken by what may not be given up, new work is refused,
// and no more is taken.
func TestNoRoomIsLeft(t *testing.T) {
	ofCost(t, luaMode)
	const limit, most = 20 * MiB, 10_000
	authorities, ids := manyCAs(1)
	p, k := smallProgram(t, authorities, limit)
	first := k.load(0, ids, nil)
	known := authorities[ids[0]].Client("a client").PEM()
	k.expect("a client", first, known, 0)
	n, beyond := 1, 0
	for ; n < most && beyond < 200; n++ {
		config := k.load(n, ids, manyMappingsOf(n))
		if k.present(config, known) == 500 {
			beyond++ // a configuration is never refused, only what it has to judge
		}
		k.expect("the known client", first, known, 0) // in constant use
	}
	if n == most {
		t.Fatalf("%d configurations are held in %d MiB", n, limit/MiB)
	}
	t.Logf("full with %d configurations", n)
	key := authorities[ids[0]].Key
	refused := 0
	for i := range 2000 {
		pem := authorities[ids[0]].Client("new "+strconv.Itoa(i), pki.Key(key)).PEM()
		switch k.present(first, pem) {
		case 500:
			refused++
		case 0: // what was given back meanwhile left room
		default:
			t.Fatal("a new certificate got neither a pass nor 500")
		}
		k.expect("the known client", first, known, 0)
	}
	if refused < 1000 {
		t.Errorf("%d of 2000 new certificates were refused, want most of them", refused)
	}
	atMost(t, "resident", resident(t, p.Process.Pid), limit+slack)
}

// manyMappingsOf is a configuration with fifty mappings of its own.
func manyMappingsOf(n int) map[string]any {
	list := make([]any, 50)
	for i := range list {
		list[i] = map[string]any{"subject_name": fmt.Sprintf("%d.%d.example", i, n), "consumer": "mapped"}
	}
	return map[string]any{"skip_consumer_lookup": false, "consumer_by": []string{"username"}, "credentials": list}
}

// smallProgram is the program with so much memory, as a start command sets it.
func smallProgram(t *testing.T, authorities cas, limit int) (*process, *workers) {
	t.Helper()
	cas := t.TempDir()
	for id, ca := range authorities {
		writeFile(t, filepath.Join(cas, id+".pem"), ca.PEM())
	}
	prefix := t.TempDir()
	p := startProgram(t, prefix, []string{"GOMEMLIMIT=" + strconv.Itoa(limit)}, "-ca-dir", cas)
	socket := filepath.Join(prefix, "mtls-auth.socket")
	awaitAccept(t, socket)
	return p, workersAt(t, socket, 1)
}
