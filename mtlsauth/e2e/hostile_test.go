package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/errlog"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// Rubbish, half frames and connections cut in the middle, beside a load that
// must not notice.
func TestRubbishOnTheSocket(t *testing.T) {
	t.Parallel()
	once(t)
	root := pki.NewCA("root")
	r := newRig(t, cas{idA: root}, routes{"/echo": trusted([]string{idA})})
	l := r.startLoad(6, "/echo", root.Client("client"), pki.NewCA("stranger").Client("client"))
	rubbish := mathrand.NewChaCha8([32]byte{1})
	for i := range 300 {
		c, err := net.Dial("unix", filepath.Join(r.prefix, "mtls-auth.socket"))
		if err != nil {
			t.Fatal(err)
		}
		bytes := make([]byte, 4+i)
		rubbish.Read(bytes)
		switch i % 4 {
		case 1: // a whole frame of rubbish
			binary.LittleEndian.PutUint32(bytes, uint32(i))
		case 2: // half a frame
			binary.LittleEndian.PutUint32(bytes, uint32(i+10))
		case 3: // an event of an unknown instance
			bytes = []byte("\x0f\x00\x00\x00\xa2\x02\x0a\x08\x01\x12\x06access\x08\x03")
		}
		c.Write(bytes)
		if i%2 == 0 {
			c.SetReadDeadline(time.Now().Add(time.Millisecond))
			c.Read(bytes)
		}
		c.Close()
	}
	l.end(t)
	if n := r.Log().Count(errlog.Info, "panic"); n > 0 {
		t.Errorf("%d panics", n)
	}
}

// made runs one event in the real server with evidence that no TLS handshake of
// crypto/tls would let through.
func (r *rig) made(t *testing.T, leaf, chain string, config object, change ...func(*rpc.Options, *rpc.Request)) *rpc.Request {
	t.Helper()
	o := rpc.Options{Socket: r.socket, Plugin: "mtls-auth"}
	req := &rpc.Request{Header: http.Header{}, Shared: map[string]any{}, Ctx: map[string]any{}, KeepLog: true}
	for _, f := range change {
		f(&o, req)
	}
	client := rpc.New(o)
	defer client.Close()
	fields := object{"__plugin_id": "made"}
	for name, value := range config {
		fields[name] = value
	}
	loaded, err := client.Load(fields)
	if err != nil {
		t.Fatal(err)
	}
	req.Var = func(name string) string {
		if name == "ssl_client_raw_cert" {
			return leaf
		}
		return ""
	}
	if chain != "" {
		req.Shared["mtls_auth_client_chain"] = chain
	}
	client.Access(req, loaded)
	req.End()
	return req
}

// What a client may make the server compute is bounded; the time it takes is
// measured by certpath's benchmarks.
func TestCertificatesThatCostTooMuch(t *testing.T) {
	ofCost(t, luaMode)
	root := pki.NewCA("root")
	r := newRig(t, cas{idA: root}, routes{"/echo": trusted([]string{idA})}, func(o *anykong.Options) { o.Workers = 1 })
	config := trusted([]string{idA})

	// An intermediate with a 190,000-bit RSA key, which needs no private key to
	// make, above a leaf that claims to be signed by it.
	modulus := make([]byte, 190_000/8)
	rand.Read(modulus)
	modulus[0] |= 0x80
	modulus[len(modulus)-1] |= 1
	inter := root.Intermediate("inter")
	huge := root.Intermediate("inter", pki.PublicKey(&rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: 65537}))
	leaf := inter.Client("client")
	if got := r.made(t, leaf.PEM(), huge.PEM(), config); got.Exit == nil || got.Exit.Status != 401 {
		t.Errorf("a 190,000-bit RSA key: got %+v, want 401", got.Exit)
	}

	// Ten issuers of one name, none of which is the one.
	namesake := pki.NewCA("root").Intermediate("inter", pki.RSA(2048))
	var bogus strings.Builder
	for range 10 {
		bogus.WriteString(pki.NewCA("another").Intermediate("inter", pki.RSA(2048)).PEM())
	}
	if got := r.made(t, namesake.Client("client").PEM(), bogus.String(), config); got.Exit == nil || got.Exit.Status != 401 {
		t.Errorf("ten bogus issuers: got %+v, want 401", got.Exit)
	}

	// Much is looked at no more than allowed, and does not help.
	many := strings.Repeat(inter.PEM(), 200)
	if got := r.made(t, leaf.PEM(), many, config); got.Exit != nil {
		t.Errorf("one intermediate two hundred times: got %+v, want a pass", got.Exit)
	}
	if got := r.made(t, strings.Repeat(leaf.PEM(), 200), "", config); got.Exit == nil || got.Exit.Status != 401 {
		t.Errorf("two hundred leaves: got %+v, want 401", got.Exit)
	}
	if got := r.made(t, leaf.PEM(), strings.Repeat("x", 2<<20), config); got.Exit == nil || got.Exit.Status != 500 {
		t.Errorf("a chain of 2 MiB: got %+v, want 500", got.Exit)
	}
	// An expired one is judged by the leaf, whatever the chain is.
	if got := r.made(t, "", many, config); got.Exit == nil || got.Exit.Status != 401 || !strings.Contains(string(got.Exit.Body), noneSent) {
		t.Errorf("a chain without a leaf: got %+v, want none sent", got.Exit)
	}
}

// nil arrives as an empty frame or as a Value with a null of any number.
func TestAChainThatIsNil(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	for _, null := range []int32{0, 1, 7} {
		r := newRig(t, cas{idA: root}, routes{"/echo": trusted([]string{idA})}, func(o *anykong.Options) {
			o.NullValue = null
			o.SSLVerifyClient, o.Config = "optional_no_ca", withoutPreFunction(t, o.Config)
		})
		r.expect("with no chain", r.get("/echo", root.Client("client")), 200, "")
	}
}
