package mtlsauth

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/gateway/errlog"
	"mtls-auth/mtlsauth/internal/gateway/rpc"
	"mtls-auth/mtlsauth/internal/pluginserver"
)

// instances is a plugin whose instances were made beforehand.
type instances struct{ pluginserver.Instance }

func (i instances) Start([]byte) pluginserver.Instance { return i.Instance }

// served runs one request through an instance of ours.
func served(t *testing.T, make func(p *Plugin) *instance) *rpc.Request {
	t.Helper()
	log := newKongLog("mtls-auth", slog.LevelInfo, slog.NewTextHandler(io.Discard, nil))
	plugin := newPlugin(pluginOptions{log: log})
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
		Plugin: instances{make(plugin)}, Info: info, Fault: log.fault, IDs: ids, Log: log.background,
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
		Var:    func(string) string { return "a certificate" },
		Header: http.Header{}, Shared: map[string]any{}, Ctx: map[string]any{}, KeepLog: true,
	}
	client.Access(r, config)
	r.End()
	return r
}

// A bug of ours is that request's 500 and one line in Kong's log.
func TestAPanicIsA500AndALine(t *testing.T) {
	r := served(t, func(p *Plugin) *instance { return &instance{plugin: p} }) // with no policy: a nil pointer
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
	r := served(t, func(p *Plugin) *instance {
		p.log.background.Error("a source is down", "source", "folder")
		return &instance{plugin: p, denied: authn.Deny(authn.NoneSent, nil)}
	})
	if r.Exit == nil || r.Exit.Status != 401 {
		t.Errorf("got %+v, want 401", r.Exit)
	}
	if len(r.Log) != 2 || r.Log[0].Level != errlog.Error || !strings.Contains(r.Log[0].Text, `[mtls-auth] fault="a source is down" source="folder"`) {
		t.Errorf("logged %+v, want the fault and the request's own line", r.Log)
	}
}
