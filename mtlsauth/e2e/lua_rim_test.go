package e2e

import (
	"net/http"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// Kong drops the headers that the client's Connection names: not the plugin's, without
// which an upstream would see the anonymous consumer as an authenticated one.
func TestLuaConnectionNamesHeaders(t *testing.T) {
	needsKong(t)
	root := pki.NewCA("root")
	r := newLuaRig(t, cas{idA: root}, routes{"/echo": trusted([]string{idA}, object{"anonymous": "guest"})}, func(o *realkong.Options) {
		with(t, consumers(consumer(idGuest, "guest")))(&o.Options)
	})
	for _, value := range []string{"X-Anonymous-Consumer", "x-anonymous_consumer, close", "keep-alive, X-Consumer-ID,X-Anonymous-Consumer"} {
		got := r.get("/echo", nil, "Connection", value)
		r.expect(value, got, 200, "")
		if got.seen.Get("X-Anonymous-Consumer") != "true" || got.seen.Get("X-Consumer-ID") != idGuest {
			t.Errorf("Connection: %s: the upstream sees %v", value, got.seen)
		}
	}
}

// A gRPC request is refused as Kong's own plugins refuse it.
func TestGRPCRefusals(t *testing.T) {
	needsKong(t)
	root := pki.NewCA("root")
	r := newRig(t, cas{idA: root}, routes{"/echo": trusted([]string{idA})})
	for _, test := range []struct {
		cert    *pki.Certificate
		message string
	}{{nil, noneSent}, {pki.NewCA("stranger").Client("client"), failed}} {
		c := r.client(test.cert)
		transport(c).ForceAttemptHTTP2 = true
		request, err := http.NewRequest("POST", r.URLTLS()+"/echo", strings.NewReader("\x00\x00\x00\x00\x00"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/grpc")
		request.Header.Set("TE", "trailers")
		resp, err := c.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		h := resp.Header
		if resp.ProtoMajor != 2 || h.Get("Content-Type") != "application/grpc" || h.Get("grpc-status") != "16" || h.Get("grpc-message") != test.message {
			t.Errorf("%s: got %s %s with %v", test.message, resp.Proto, resp.Status, h)
		}
	}
}
