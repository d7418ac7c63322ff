package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/bench/kong"
	"mtls-auth/mtlsauth/bench/role"
	"mtls-auth/mtlsauth/bench/server"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// Ids of the CA certificates of a soak besides [server.CAID], b.root's: one of
// another CA, one whose certificate is replaced, and one with a CRL in -crl-dir.
const (
	idOther    = "bbbbbbbb-0000-4000-8000-000000000001"
	idReplaced = "cccccccc-0000-4000-8000-000000000002"
	idListed   = "dddddddd-0000-4000-8000-000000000003"
)

// world is what a soak's requests depend on.
type world struct {
	*bench
	server *role.Process
	client *rpc.Client
	log    string // file of what the server prints

	other, listed *pki.Certificate
	replaced      [2]*pki.Certificate // in turn
	caDir, crlDir string
	responder     *pki.Responder

	clients []client
	// coming is a configuration that is replaced all the time.
	coming atomic.Pointer[comingConfig]

	swaps        [2]*wants
	byList       []revocable
	byOCSP       []revocable
	pairs        atomic.Int64
	instances    atomic.Int64
	unlikeOthers atomic.Int64 // makes each configuration another one
}

// client is a kind of request. next returns what is presented, to which
// configuration, and what is right.
type client struct {
	what string
	next func() (*kong.Evidence, *rpc.Config, *wants)
}

// comingConfig is a configuration that trusts one of two CAs.
type comingConfig struct {
	config *rpc.Config
	trusts int // 0 for b.root, 1 for other
}

// revocable is a certificate that is revoked now and then.
type revocable struct {
	cert  *pki.Certificate
	wants *wants
}

const (
	soakRefresh = time.Second
	// replacedGrace is two -refresh periods, and room for a busy machine.
	replacedGrace = 2*soakRefresh + 3*time.Second
	// listGrace is a look at -crl-dir and the reading.
	listGrace = 2*time.Second + 4*time.Second
	// ocspTTL is cert_cache_ttl; ocspGrace leaves room for a renewal that comes
	// late or is tried again.
	ocspTTL   = time.Second
	ocspGrace = ocspTTL + 9*time.Second
)

func (b *bench) newWorld() (*world, error) {
	w := &world{bench: b, log: b.path(".log"), other: pki.NewCA("other"), listed: pki.NewCA("listed")}
	w.replaced = [2]*pki.Certificate{pki.NewCA("replaced"), pki.NewCA("replaced")}
	w.responder = pki.NewResponder(b.root)
	w.responder.Start()
	var err error
	if w.caDir, err = b.caDir(map[string]*pki.Certificate{
		server.CAID: b.root, idOther: w.other, idReplaced: w.replaced[0], idListed: w.listed,
	}); err != nil {
		return nil, err
	}
	if w.crlDir, err = b.folder(); err != nil {
		return nil, err
	}
	if err := w.writeList(1, nil); err != nil {
		return nil, err
	}
	var socket string
	w.server, socket, err = b.ours(server.Ours{CADir: w.caDir, CRLDir: w.crlDir, Refresh: soakRefresh, Log: w.log})
	if err != nil {
		return nil, err
	}
	w.client = kong.Client(kong.Options{Socket: socket, Consumers: map[string]string{"client.example": consumerID}})
	return w, w.populate()
}

// load loads a configuration that is like no other.
func (w *world) load(id string, change ...any) (*rpc.Config, error) {
	change = append(change, "__plugin_id", id, "http_timeout", 10_000+w.unlikeOthers.Add(1))
	w.instances.Add(1)
	return w.client.Load(config(change...))
}

// populate makes the clients.
func (w *world) populate() error {
	var failed error
	load := func(id string, change ...any) *rpc.Config {
		c, err := w.load(id, change...)
		if err != nil {
			failed = err
		}
		return c
	}
	trusting := load("trusting")
	consumers := load("consumers", "skip_consumer_lookup", false, "cache_ttl", 1)
	replaced := load("replaced", "ca_certificates", []any{idReplaced})
	listed := load("listed", "ca_certificates", []any{idListed}, "revocation_check_mode", "STRICT")
	checked := load("checked", "revocation_check_mode", "STRICT", "cert_cache_ttl", ocspTTL.Milliseconds())
	if failed != nil {
		return failed
	}
	w.fixed("a good client", trusting, presented(w.inter.Client("client", pki.DNS("client.example")), passes("client")))
	w.fixed("no certificate", trusting, kong.Evidence{Want: kong.Want{Status: 401}})
	w.fixed("a stranger", trusting, presented(pki.NewCA("stranger").Client("client"), kong.Want{Status: 401}))
	w.fixed("an expired client", trusting, presented(w.root.Client("client", pki.Expired()), kong.Want{Status: 401}))
	w.fixed("a consumer's client", consumers, presented(w.root.Client("x", pki.DNS("client.example")), kong.Want{Consumer: consumerID}))
	w.fixed("nobody's client", consumers, presented(w.root.Client("x", pki.DNS("nobody.example")), kong.Want{Status: 401}))
	w.never(trusting)
	for i, ca := range w.replaced {
		w.swaps[i] = &wants{grace: replacedGrace}
		e := presented(ca.Client("client"), kong.Want{})
		w.clients = append(w.clients, client{"a client of a CA that is replaced", func() (*kong.Evidence, *rpc.Config, *wants) {
			return &e, replaced, w.swaps[i]
		}})
	}
	w.swap(0)
	const revocables = 20
	for i := range revocables {
		name := fmt.Sprint("client ", i)
		w.byList = append(w.byList, revocable{w.listed.Client(name), &wants{grace: listGrace}})
		w.byOCSP = append(w.byOCSP, revocable{w.root.Client(name, pki.OCSPServer(w.responder.URL())), &wants{grace: ocspGrace}})
		w.byList[i].wants.set(passes(name))
		w.byOCSP[i].wants.set(passes(name))
		w.responder.Good(w.byOCSP[i].cert)
	}
	w.any("a client of -crl-dir", listed, w.byList)
	w.any("a client of the responder", checked, w.byOCSP)
	return w.comeAndGo()
}

// fixed adds a client whose right answer does not change.
func (w *world) fixed(what string, config *rpc.Config, e kong.Evidence) {
	right := always(e.Want)
	w.clients = append(w.clients, client{what, func() (*kong.Evidence, *rpc.Config, *wants) { return &e, config, right }})
}

// never adds clients that were never seen, some of the time: otherwise the good
// one again.
func (w *world) never(config *rpc.Config) {
	key, right := newKey(p256), always(passes("new"))
	known := presented(w.root.Client("new", pki.Key(key)), kong.Want{})
	w.clients = append(w.clients, client{"a new client", func() (*kong.Evidence, *rpc.Config, *wants) {
		if rand.IntN(4) > 0 {
			return &known, config, right
		}
		w.pairs.Add(1)
		e := presented(w.root.Client("new", pki.Key(key)), kong.Want{})
		return &e, config, right
	}})
}

// any adds clients that are revoked now and then.
func (w *world) any(what string, config *rpc.Config, list []revocable) {
	evidence := make([]kong.Evidence, len(list))
	for i, r := range list {
		evidence[i] = presented(r.cert, kong.Want{})
	}
	w.clients = append(w.clients, client{what, func() (*kong.Evidence, *rpc.Config, *wants) {
		i := rand.IntN(len(list))
		return &evidence[i], config, list[i].wants
	}})
}

// comeAndGo adds clients of two CAs, of which the configuration that is there
// trusts one.
func (w *world) comeAndGo() error {
	if err := w.come(0); err != nil {
		return err
	}
	right := [2]*wants{always(kong.Want{Status: 401}), always(passes("client"))}
	for i, ca := range []*pki.Certificate{w.root, w.other} {
		e := presented(ca.Client("client"), kong.Want{})
		w.clients = append(w.clients, client{"a client of a configuration that comes and goes", func() (*kong.Evidence, *rpc.Config, *wants) {
			c := w.coming.Load()
			if c.trusts == i {
				return &e, c.config, right[1]
			}
			return &e, c.config, right[0]
		}})
	}
	return nil
}

// writeList puts a CRL of this number into -crl-dir.
func (w *world) writeList(number int64, revoked []pki.CRLEntry) error {
	return w.put(w.crlDir, "listed.crl", pki.CRL{Issuer: w.listed, Number: number, Entries: revoked}.DER())
}

// put writes a file and puts it in its place in one step.
func (w *world) put(dir, name string, content []byte) error {
	beside := filepath.Join(dir, ".new")
	if err := os.WriteFile(beside, content, 0o600); err != nil {
		return err
	}
	return os.Rename(beside, filepath.Join(dir, name))
}
