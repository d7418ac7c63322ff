package mtlsauth

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/engine"
	"mtls-auth/mtlsauth/internal/flags"
	"mtls-auth/mtlsauth/internal/pluginserver"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// doubler is the server's listener. What Kong sends goes through it frame by frame, each of
// them a read of its own, and one of them comes twice.
type doubler struct {
	net.Listener
	kong   net.Listener // where Kong connects
	server chan net.Conn

	mu     sync.Mutex
	frame  int  // the one that comes twice, counted over all connections from 1
	atOnce bool // both can be read at once
	seen   int
}

// arm says which of the frames from now on comes twice, and returns how many there were since
// the last time.
func (d *doubler) arm(frame int, atOnce bool) (seen int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	seen, d.seen, d.frame, d.atOnce = d.seen, 0, frame, atOnce
	return seen
}

// next says whether a frame comes twice.
func (d *doubler) next() (twice, atOnce bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen++
	return d.seen == d.frame, d.atOnce
}

func (d *doubler) Accept() (net.Conn, error) {
	c, ok := <-d.server
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (d *doubler) Addr() net.Addr { return d.kong.Addr() }

func (d *doubler) Close() error { return d.kong.Close() }

func (d *doubler) run() {
	defer close(d.server)
	for {
		kong, err := d.kong.Accept()
		if err != nil {
			return
		}
		ours, servers := net.Pipe() // a write lasts until it is read
		d.server <- servers
		go func() {
			defer kong.Close()
			io.Copy(kong, ours)
		}()
		go func() {
			defer ours.Close()
			for {
				frame := make([]byte, 4)
				if _, err := io.ReadFull(kong, frame); err != nil {
					return
				}
				frame = append(frame, make([]byte, binary.LittleEndian.Uint32(frame))...)
				if _, err := io.ReadFull(kong, frame[4:]); err != nil {
					return
				}
				if twice, atOnce := d.next(); twice && atOnce {
					frame = append(frame, frame...)
				} else if twice {
					if _, err := ours.Write(frame); err != nil {
						return
					}
				}
				if _, err := ours.Write(frame); err != nil {
					return
				}
			}
		}()
	}
}

const (
	idOfCA     = "6f1c1a5e-1a5e-4c1a-9a5e-6f1c1a5e4c1a"
	idOfMiddle = "6f1c1a5e-1a5e-4c1a-9a5e-6f1c1a5e4c1b"
)

type knownConsumers map[string]string

func (k knownConsumers) ConsumerByID(id string) map[string]any {
	for name, other := range k {
		if other == id {
			return k.ConsumerByUsername(name)
		}
	}
	return nil
}

func (k knownConsumers) ConsumerByUsername(name string) map[string]any {
	if k[name] == "" {
		return nil
	}
	return map[string]any{"id": k[name], "username": name}
}

// Kong's replies have no id. Whichever of its frames comes twice, a request ends as it would
// have ended, or with 500.
func TestAFrameThatComesTwice(t *testing.T) {
	root := pki.NewCA("root")
	middle := root.Intermediate("middle")
	dir := t.TempDir()
	for id, ca := range map[string]*pki.Certificate{idOfCA: root, idOfMiddle: middle} {
		if err := os.WriteFile(filepath.Join(dir, id+".pem"), []byte(ca.PEM()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	alice, stranger := middle.Client("alice"), pki.NewCA("other").Client("alice")
	consumers := knownConsumers{"alice": "00000000-0000-4000-8000-000000000001", "guest": "00000000-0000-4000-8000-000000000002"}
	base := map[string]any{"ca_certificates": []string{idOfCA}, "revocation_check_mode": "SKIP", "cache_ttl": 0}
	both := []string{idOfCA, idOfMiddle}
	for _, route := range []struct {
		name   string
		plugin string
		config map[string]any
	}{
		{"no lookup", "mtls-auth", map[string]any{"skip_consumer_lookup": true}},
		{"consumers", "mtls-auth", map[string]any{"consumer_by": []string{"username", "custom_id"}}},
		{"anonymous", "mtls-auth", map[string]any{"consumer_by": []string{"username"}, "anonymous": "guest"}},
		{"headers for the upstream", "mtls-auth", map[string]any{"skip_consumer_lookup": true, "upstream_certificate_headers": []string{"details"}}},
		{"all of it", "mtls-auth", map[string]any{"consumer_by": []string{"username"}, "anonymous": "guest", "upstream_certificate_headers": []string{"details"}}},
		{"in a header", "header-cert-auth", map[string]any{"ca_certificates": both, "skip_consumer_lookup": true, "certificate_header_name": "X-Cert",
			"certificate_header_format": "base64_encoded", "secure_source": true}},
		{"in a header, anonymous", "header-cert-auth", map[string]any{"ca_certificates": both, "consumer_by": []string{"username"}, "anonymous": "guest",
			"certificate_header_name": "X-Cert", "certificate_header_format": "base64_encoded", "secure_source": true}},
	} {
		d := serveDoubled(t, dir, route.plugin)
		for _, client := range []struct {
			name        string
			leaf, chain *pki.Certificate
			earlier     bool
		}{
			{name: "no certificate"},
			{name: "no certificate, another plugin's credential", earlier: true},
			{name: "good", leaf: alice, chain: middle},
			{name: "good, without its chain", leaf: alice},
			{name: "untrusted", leaf: stranger, chain: middle},
			{name: "untrusted, another plugin's credential", leaf: stranger, chain: middle, earlier: true},
		} {
			t.Run(route.name+"/"+client.name, func(t *testing.T) {
				made := func() *rpc.Request {
					r := &rpc.Request{
						Var: func(name string) string {
							if name == "ssl_client_raw_cert" && client.leaf != nil {
								return client.leaf.PEM()
							}
							return ""
						},
						Header: http.Header{"Host": {"h"}, "X-Consumer-Username": {"forged"}}, Shared: map[string]any{}, Ctx: map[string]any{}, ClientIP: "192.0.2.1",
					}
					if client.leaf != nil {
						r.Header.Set("X-Cert", base64.StdEncoding.EncodeToString(client.leaf.Raw))
					}
					if client.chain != nil {
						r.Shared["mtls_auth_client_chain"] = client.chain.PEM()
					}
					if client.earlier {
						r.Ctx["authenticated_credential"] = map[string]any{"id": "earlier"}
					}
					return r
				}
				fields := map[string]any{"__plugin_id": "1"}
				for _, from := range []map[string]any{base, route.config} {
					for name, value := range from {
						fields[name] = value
					}
				}
				run := func(frame int, atOnce bool) (endings []string, frames int) {
					d.arm(frame, atOnce)
					kong := rpc.New(rpc.Options{Socket: d.kong.Addr().String(), Plugin: route.plugin, Consumers: consumers,
						Trusted: func(string) bool { return true }, ReadTimeout: 10 * time.Second})
					defer kong.Close()
					config, err := kong.Load(fields)
					if err != nil {
						t.Fatal(err)
					}
					for range 2 { // the second one on a connection that was kept
						r := made()
						kong.Access(r, config)
						r.End()
						endings = append(endings, ending(r))
					}
					return endings, d.arm(0, false)
				}
				run(0, false) // reads the CA certificates
				want, frames := run(0, false)
				if want[0] != want[1] || want[0] == ended500 || client.name == "good" && !strings.HasPrefix(want[0], "passed") {
					t.Fatalf("without a fault: %q", want)
				}
				for frame := 1; frame <= frames; frame++ {
					for _, atOnce := range []bool{false, true} {
						got, _ := run(frame, atOnce)
						for n := range got {
							if got[n] != ended500 && got[n] != want[n] {
								t.Errorf("frame %d of %d, at once %v, request %d:\ngot  %s\nwant %s", frame, frames, atOnce, n+1, got[n], want[n])
							}
						}
						if got[0] == ended500 && got[1] == ended500 {
							t.Errorf("frame %d of %d, at once %v: both requests ended with 500", frame, frames, atOnce)
						}
					}
				}
			})
		}
	}
}

const ended500 = "500"

// ending is how a request ended.
func ending(r *rpc.Request) string {
	switch {
	case r.Exit == nil:
	case r.Exit.Status == http.StatusInternalServerError:
		return ended500
	default:
		return fmt.Sprint(r.Exit.Status, " ", string(r.Exit.Body))
	}
	return fmt.Sprint("passed as ", r.Consumer(), r.Credential(), r.Header)
}

// serveDoubled starts a server behind a doubler.
func serveDoubled(t *testing.T, cas, plugin string) *doubler {
	t.Helper()
	prefix := t.TempDir()
	p, err := engine.Open(flags.Options{Name: plugin, Prefix: prefix, CADir: cas, Refresh: time.Hour, MaxCRLSize: 1 << 20}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := pluginserver.OpenIDs(filepath.Join(prefix, "ids"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := pluginInfoMessage(plugin)
	if err != nil {
		t.Fatal(err)
	}
	server := pluginserver.New(pluginserver.Options{
		Plugin: instances{Engine: p, guard: new(guard), settings: new(settings)}, Info: info, Fault: fault(p, nil), IDs: ids, Log: p.Background(),
	})
	kong, err := net.Listen("unix", filepath.Join(prefix, "proxy"))
	if err != nil {
		t.Fatal(err)
	}
	d := &doubler{kong: kong, server: make(chan net.Conn)}
	running, stop := context.WithCancel(context.Background())
	p.Run(running)
	go d.run()
	go server.Serve(d)
	t.Cleanup(func() {
		stop()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		server.Shutdown(ctx)
	})
	return d
}
