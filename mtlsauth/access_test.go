package mtlsauth

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/engine"
	"mtls-auth/mtlsauth/internal/flags"
	"mtls-auth/mtlsauth/internal/pluginserver"
	"mtls-auth/mtlsauth/internal/testing/errlog"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

// made is a plugin whose instances were made beforehand.
type made struct{ pluginserver.Instance }

func (m made) Start([]byte) pluginserver.Instance { return m.Instance }

// served runs one request with no certificate through an instance of ours.
func served(t *testing.T, make func(p *engine.Engine) instance, variables ...string) *rpc.Request {
	t.Helper()
	p := opened(t)
	return handledBy(t, p, make(p), func(r *rpc.Request) {
		r.Var = func(name string) string {
			for i := 0; i+1 < len(variables); i += 2 {
				if variables[i] == name {
					return variables[i+1]
				}
			}
			return ""
		}
		if slices.Contains(variables, "earlier") { // another plugin has authenticated the request
			r.Ctx["authenticated_credential"] = map[string]any{"id": "earlier"}
		}
	})
}

func opened(t *testing.T) *engine.Engine {
	t.Helper()
	options := flags.Options{Name: "mtls-auth", Prefix: t.TempDir(), CADir: t.TempDir(), Refresh: time.Hour, MaxCRLSize: 1 << 20}
	p, err := engine.Open(options, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// handled runs one request through any instance.
func handled(t *testing.T, in pluginserver.Instance, change func(*rpc.Request)) *rpc.Request {
	t.Helper()
	return handledBy(t, opened(t), in, change)
}

func handledBy(t *testing.T, p *engine.Engine, in pluginserver.Instance, change func(*rpc.Request)) *rpc.Request {
	t.Helper()
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
		Plugin: made{in}, Info: info, Fault: fault(p, nil), IDs: ids, Log: p.Background(),
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
	configuration, err := client.Load(map[string]any{"__plugin_id": "1"})
	if err != nil {
		t.Fatal(err)
	}
	r := &rpc.Request{Header: http.Header{}, Shared: map[string]any{}, Ctx: map[string]any{}, KeepLog: true}
	change(r)
	client.Access(r, configuration)
	r.End()
	return r
}

// A bug of ours is that request's 500 and one line in Kong's log.
func TestAPanicIsA500AndALine(t *testing.T) {
	r := served(t, func(*engine.Engine) instance { return instance{} }) // a nil pointer
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
	r := served(t, func(p *engine.Engine) instance {
		p.Background().Error("a source is down", "source", "folder")
		return instance{Policy: p.Start([]byte(`{"ca_certificates":["6f1c1a5e-1a5e-4c1a-9a5e-6f1c1a5e4c1a"]}`)), guard: new(guard)}
	})
	if r.Exit == nil || r.Exit.Status != 401 {
		t.Errorf("got %+v, want 401", r.Exit)
	}
	if len(r.Log) != 2 || r.Log[0].Level != errlog.Error || !strings.Contains(r.Log[0].Text, `[mtls-auth] fault="a source is down" source="folder"`) {
		t.Errorf("logged %+v, want the fault and the request's own line", r.Log)
	}
}

const someCA = `"ca_certificates":["6f1c1a5e-1a5e-4c1a-9a5e-6f1c1a5e4c1a"]`

// Refusals and faults of gRPC requests have a status and a message, as Kong's own have.
func TestAGRPCRequestIsAnsweredAsKongDoes(t *testing.T) {
	for _, answer := range []struct {
		name     string
		instance func(p *engine.Engine) instance
		status   int
		message  string
	}{
		{"refusal", func(p *engine.Engine) instance {
			return instance{Policy: p.Start([]byte("{" + someCA + "}")), guard: new(guard)}
		},
			401, "No required TLS certificate was sent"},
		{"fault", func(*engine.Engine) instance { return instance{} }, 500, "An unexpected error occurred"}, // a nil pointer
	} {
		for _, test := range []struct {
			contentType, protocol string
			grpc                  bool
		}{
			{"application/grpc", "HTTP/2.0", true}, {"application/grpc+proto", "HTTP/2.0", true},
			{"application/grpc", "HTTP/1.1", false}, {"application/json", "HTTP/2.0", false}, {"", "HTTP/2.0", false},
		} {
			t.Run(answer.name+" "+test.contentType+" "+test.protocol, func(t *testing.T) {
				r := served(t, answer.instance, "content_type", test.contentType, "server_protocol", test.protocol)
				contentType, message, body := "application/json; charset=utf-8", "", `{"message":"`+answer.message+`"}`
				if test.grpc {
					contentType, message, body = "application/grpc", answer.message, ""
				}
				if r.Exit == nil || r.Exit.Status != answer.status || string(r.Exit.Body) != body ||
					r.Exit.Header.Get("Content-Type") != contentType || r.Exit.Header.Get("grpc-message") != message {
					t.Errorf("got %+v", r.Exit)
				}
			})
		}
	}
}

// Kong before 3.8 lets pass what gets no answer; the guard there needs to be told.
func TestThePassOnAnOldKongIsMarked(t *testing.T) {
	for name, old := range map[string]bool{"before 3.8": true, "since 3.8": false} {
		t.Run(name, func(t *testing.T) {
			prefix := t.TempDir()
			if err := os.WriteFile(filepath.Join(prefix, ".kong_env"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if !old {
				if err := os.Mkdir(filepath.Join(prefix, "sockets"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			var log strings.Builder
			g := &guard{prefix: prefix, log: slog.New(slog.NewTextHandler(&log, nil))}
			g.detect()
			g.detect()
			if got := strings.Count(log.String(), "level=WARN"); got != map[bool]int{true: 1, false: 0}[old] {
				t.Errorf("logged %s", &log)
			}
			earlier := []byte(`{"anonymous":"guest",` + someCA + `}`)
			for _, leaf := range []string{"", "PEM"} {
				r := served(t, func(p *engine.Engine) instance { return instance{Policy: p.Start(earlier), guard: g} },
					"ssl_client_raw_cert", leaf, "earlier", "yes")
				want := map[string]string{"": "none", "PEM": "PEM"}[leaf]
				if got, _ := r.Shared["mtls_auth_passed"].(string); r.Exit != nil || old && got != want || !old && got != "" {
					t.Errorf("%q: answered %+v, marked %q", leaf, r.Exit, got)
				}
			}
			r := served(t, func(p *engine.Engine) instance {
				return instance{Policy: p.Start([]byte("{" + someCA + "}")), guard: g}
			})
			if r.Exit == nil || r.Shared["mtls_auth_passed"] != nil {
				t.Errorf("a refusal: answered %+v, marked %v", r.Exit, r.Shared["mtls_auth_passed"])
			}
		})
	}
}
