package mtlsauth

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/flags"
	"mtls-auth/mtlsauth/internal/plugin"
	"mtls-auth/mtlsauth/internal/pluginserver"
	"mtls-auth/mtlsauth/internal/testing/fakekong/errlog"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

// made is a plugin whose instances were made beforehand.
type made struct{ pluginserver.Instance }

func (m made) Start([]byte) pluginserver.Instance { return m.Instance }

// served runs one request with no certificate through an instance of ours.
func served(t *testing.T, make func(p *plugin.Plugin) instance) *rpc.Request {
	t.Helper()
	options := flags.Options{Name: "mtls-auth", Prefix: t.TempDir(), CADir: t.TempDir(), Refresh: time.Hour, MaxCRLSize: 1 << 20}
	p, err := plugin.Open(options, prepare, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "mtls-auth.socket")
	ids, err := pluginserver.OpenIDs(path + ".ids")
	if err != nil {
		t.Fatal(err)
	}
	info, err := pluginInfoMessage("mtls-auth")
	if err != nil {
		t.Fatal(err)
	}
	server := pluginserver.New(pluginserver.Options{
		Plugin: made{make(p)}, Info: info, Fault: fault(p), IDs: ids, Log: p.Background(),
	})
	listener, err := pluginserver.Listen(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(listener)
	client := rpc.New(rpc.Options{Socket: path, Plugin: "mtls-auth"})
	t.Cleanup(func() {
		client.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		server.Shutdown(ctx)
	})
	config, err := client.Load(map[string]any{"__plugin_id": "1"})
	if err != nil {
		t.Fatal(err)
	}
	r := &rpc.Request{
		Var:    func(string) string { return "" },
		Header: http.Header{}, Shared: map[string]any{}, Ctx: map[string]any{}, KeepLog: true,
	}
	client.Access(r, config)
	r.End()
	return r
}

// A bug of ours is that request's 500 and one line in Kong's log.
func TestAPanicIsA500AndALine(t *testing.T) {
	r := served(t, func(*plugin.Plugin) instance { return instance{} }) // a nil pointer
	if r.Exit == nil || r.Exit.Status != 500 || string(r.Exit.Body) != `{"message":"An unexpected error occurred"}` {
		t.Errorf("got %+v, want our 500", r.Exit)
	}
	if r.Ctx["CLIENT_VERIFY_OVERRIDE"] != "FAILED:internal" {
		t.Errorf("got verdict %v", r.Ctx["CLIENT_VERIFY_OVERRIDE"])
	}
	if len(r.Log) != 1 || r.Log[0].Level != errlog.Error ||
		!strings.Contains(r.Log[0].Text, `[mtls-auth] reason="internal" error="panic: runtime error: `) ||
		strings.Contains(r.Log[0].Text, "goroutine") {
		t.Errorf("logged %+v, want one line at error", r.Log)
	}
}

func TestBackgroundFaultsComeWithTheNextEvent(t *testing.T) {
	r := served(t, func(p *plugin.Plugin) instance {
		p.Background().Error("a source is down", "source", "folder")
		return instance{p.Start([]byte(`{"ca_certificates":["6f1c1a5e-1a5e-4c1a-9a5e-6f1c1a5e4c1a"]}`))}
	})
	if r.Exit == nil || r.Exit.Status != 401 {
		t.Errorf("got %+v, want 401", r.Exit)
	}
	if len(r.Log) != 2 || r.Log[0].Level != errlog.Error || !strings.Contains(r.Log[0].Text, `[mtls-auth] fault="a source is down" source="folder"`) {
		t.Errorf("logged %+v, want the fault and the request's own line", r.Log)
	}
}
