package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"mtls-auth/mtlsauth"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// BenchmarkTenThousandAtASilentResponder has 10,000 requests wait for the silent responder of
// one CA, under one configuration, and measures another CA's clients beside them. They
// come to the server's socket as a worker of Kong asks, since a gateway in this process
// needs three descriptors for each. A new client of the other CA may take half as long
// again as on a quiet server.
//
//	go test -run '^$' -bench TenThousand -benchtime 1x ./mtlsauth/e2e
func BenchmarkTenThousandAtASilentResponder(b *testing.B) {
	const requests, enough = 10_000, 9_900
	silent, other := newAuthority(b, pki.NewCA("silent")), newAuthority(b, pki.NewCA("other"))
	silent.responder.Trouble(pki.Trouble{Hang: true})
	prefix := b.TempDir()
	startProgram(b, prefix, nil)
	w := newFakeWorker(b, filepath.Join(prefix, "mtls-auth.socket"), cas{idA: silent.Certificate, idB: other.Certificate},
		object{"skip_consumer_lookup": true, "revocation_check_mode": "STRICT"})

	expect := func(certs []*pki.Certificate) time.Duration {
		took := make([]time.Duration, len(certs))
		for n, cert := range certs {
			began := time.Now()
			if got, err := w.ask(cert.PEM(), "", nil); err != nil || got["verdict"] != "pass" {
				b.Fatalf("a client of the other CA: got %v (%v), want a pass", got, err)
			}
			took[n] = time.Since(began)
		}
		slices.Sort(took)
		b.Logf("of %d: median %v, the slowest %v", len(took), took[len(took)/2], took[len(took)-1])
		return took[len(took)/2]
	}
	fresh := func() []*pki.Certificate {
		certs := make([]*pki.Certificate, 200)
		for n := range certs {
			certs[n] = other.Client("new", other.byOCSP())
		}
		other.responder.Good(certs...)
		return certs
	}
	known := fresh()[0]

	for b.Loop() {
		expect(fresh()) // what only the first requests cost
		quiet, quietKnown := expect(fresh()), expect(slices.Repeat([]*pki.Certificate{known}, 200))
		certs := fresh()

		leaves, chains := make([]string, 200), make([]string, requests)
		for n := range leaves {
			leaves[n] = silent.Client("leaf", silent.byOCSP()).PEM()
		}
		for n := range chains {
			chains[n] = pki.NewCA("meaningless").PEM()
		}
		var told, over atomic.Int64 // requests that the server has said to wait, and those that it has decided
		for n, chain := range chains {
			if n%64 == 0 { // what one configuration may have verified at once is bounded
				eventually(b, "the server verifies", func() bool { return w.verifying() < 256 })
			}
			go func() {
				got, err := w.ask(leaves[n%len(leaves)], chain, func() { told.Add(1) })
				if over.Add(1); err == nil && got["status"] != 401.0 {
					b.Errorf("a request that waits for the responder: got %v", got)
				}
			}()
		}
		eventually(b, "all wait", func() bool { return told.Load() >= enough && w.verifying() == 0 || over.Load() > 0 })

		beside, besideKnown := expect(certs), expect(slices.Repeat([]*pki.Certificate{known}, 200))
		waiting := min(told.Load(), requests-over.Load())
		if waiting < enough {
			b.Fatalf("%d requests wait for the silent responder, want %d: the figures are void", waiting, enough)
		}
		b.ReportMetric(float64(waiting), "waiting")
		b.ReportMetric(float64(besideKnown)/float64(quietKnown), "times-quiet-known")
		times := float64(beside) / float64(quiet)
		if b.ReportMetric(times, "times-quiet"); times > 1.5 {
			b.Errorf("a new client takes %v, %.2f times as long as on a quiet server", beside, times)
		}
	}
}

// fakeWorker asks the server about requests as a worker of Kong does in Lua mode, each on
// a connection of its own.
type fakeWorker struct {
	t                          testing.TB
	socket, policy, definition string
}

func newFakeWorker(t testing.TB, socket string, authorities cas, config object) *fakeWorker {
	t.Helper()
	awaitAccept(t, socket)
	var ids []string
	var entities []object
	for id, ca := range authorities {
		ids, entities = append(ids, id), append(entities, object{"id": id, "cert": ca.PEM()})
	}
	config["ca_certificates"] = ids
	text, err := json.Marshal(object{"plugin": "mtls-auth", "config": config, "ca_certificates": entities})
	if err != nil {
		t.Fatal(err)
	}
	policy := sha256.Sum256(text)
	return &fakeWorker{t, socket, hex.EncodeToString(policy[:]), string(text)}
}

// ask returns the verdict. It calls waits, if not nil, when the server has told that it
// is still deciding.
func (w *fakeWorker) ask(leaf, chain string, waits func()) (object, error) {
	c, err := net.Dial("unix", w.socket)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	question := object{"op": "decide", "protocol": 3, "version": mtlsauth.Version, "policy": w.policy, "leaf": leaf, "chain": chain, "resumed": "."}
	if err := writeFrame(c, question); err != nil {
		return nil, err
	}
	for {
		o, err := readFrame(c)
		if err != nil {
			return nil, err
		}
		switch {
		case o["need"] != nil:
			if err := writeFrame(c, object{"op": "definition", "bytes": len(w.definition)}); err != nil {
				return nil, err
			}
			if _, err := c.Write(frame(w.definition)); err != nil {
				return nil, err
			}
		case o["wait"] == nil:
			return o, nil
		case waits != nil:
			waits()
			waits = nil
		}
	}
}

// verifying is how many questions the server decides that wait for no responder.
func (w *fakeWorker) verifying() float64 {
	w.t.Helper()
	n, ok := pingAt(w.t, w.socket)["deciding"].(float64)
	if !ok {
		w.t.Fatal("a ping does not tell how many questions are being decided")
	}
	return n
}
