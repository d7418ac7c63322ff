package main

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Kong/go-pdk"
	"github.com/Kong/go-pdk/bridge"

	"mtls-auth/mtlsauth/internal/authn"
)

// access runs the access phase in this process, with a Kong that answers every
// call in the same way, and returns the calls.
func access(c *Config, answer any) []string { return accessBy(c, func(string) any { return answer }) }

// accessBy has an answer for each call.
func accessBy(c *Config, answer func(call string) any) []string {
	ch := make(chan any)
	go c.Access(pdk.Init(ch))
	var calls []string
	for data := range ch { // which kong.response.exit closes
		step := data.(bridge.StepData)
		call := step.Method + " " + fmt.Sprint(step.Args...)
		calls = append(calls, call)
		if step.Method == "kong.response.exit" {
			continue
		}
		ch <- answer(call)
	}
	return calls
}

// A bug of ours ends that request, and not the process.
func TestAPanicIsA500(t *testing.T) {
	calls := access(new(Config), nil) // with no instance: a nil pointer
	if len(calls) != 3 || !strings.HasPrefix(calls[0], `kong.log.err reason="internal" error="panic: runtime error`) ||
		strings.Contains(calls[0], "goroutine") || calls[1] != "kong.nginx.get_var content_type" ||
		!strings.HasPrefix(calls[2], "kong.response.exit 500") {
		t.Errorf("got %q, want a line and a 500", calls)
	}
}

// A gRPC request's fault has a message and no body, as Kong's own have.
func TestAFaultOfAGRPCRequest(t *testing.T) {
	for name, test := range map[string]struct {
		contentType, protocol string
		exit                  string
	}{
		"gRPC":   {"application/grpc+proto", "HTTP/2.0", "500map[Content-Type:[application/grpc] grpc-message:[An unexpected error occurred]]"},
		"HTTP/1": {"application/grpc", "HTTP/1.1", `500{"message":"An unexpected error occurred"}map[Content-Type:[application/json; charset=utf-8]]`},
	} {
		t.Run(name, func(t *testing.T) {
			answers := map[string]any{"kong.nginx.get_var content_type": test.contentType, "kong.nginx.get_var server_protocol": test.protocol}
			calls := accessBy(new(Config), func(call string) any { return answers[call] })
			if got := calls[len(calls)-1]; strings.Join(strings.Fields(got), " ") != "kong.response.exit "+test.exit {
				t.Errorf("got %q, want %q", got, test.exit)
			}
		})
	}
}

// What Kong answers with an error, or in another type, is a fault too.
func TestAnswersThatCanNotBeUsed(t *testing.T) {
	for name, answer := range map[string]any{"an error": errors.New("no such thing"), "a number": 7} {
		c := new(Config)
		if err := c.UnmarshalJSON([]byte(`{"ca_certificates":["6f1c1a5e-1a5e-4c1a-9a5e-6f1c1a5e4c1a"],"skip_consumer_lookup":true}`)); err != nil {
			t.Fatal(err)
		}
		calls := access(c, answer)
		if last := calls[len(calls)-1]; !strings.HasPrefix(last, "kong.response.exit 500") {
			t.Errorf("%s: got %q, want a 500 at last", name, calls)
		}
	}
}

// A decision that does not come ends the request before Kong lets it pass, and
// a decision that is still being made asks Kong nothing more.
func TestADecisionHasABound(t *testing.T) {
	if maxDecision >= time.Minute {
		t.Errorf("Kong waits a minute, a decision may take %v", maxDecision)
	}
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan any)
		e := newEvent(pdk.Init(ch))
		asked := make(chan error)
		begin := time.Now()
		d, err := within(maxDecision, func() (*authn.Decision, error) {
			time.Sleep(2 * maxDecision)
			_, err := e.ask("kong.nginx.get_var", "x")
			asked <- err
			return nil, err
		})
		if d != nil || err == nil || time.Since(begin) != maxDecision {
			t.Errorf("got %v, %v after %v, want an error after %v", d, err, time.Since(begin), maxDecision)
		}
		go e.exit(authn.Deny(authn.Internal, nil).Answer(), false)
		if step := (<-ch).(bridge.StepData); step.Method != "kong.response.exit" {
			t.Errorf("got %v", step)
		}
		if err := <-asked; err == nil {
			t.Error("Kong was asked after the answer")
		}
	})
}

func TestNoDecisionIsAnError(t *testing.T) {
	if err := newEvent(nil).answer(nil); err == nil {
		t.Error("no error")
	}
}

// go-pluginserver drops an instance without a word.
func TestInstancesAreGivenBack(t *testing.T) {
	if err := new(Config).UnmarshalJSON([]byte(`{"ca_certificates":["6f1c1a5e-1a5e-4c1a-9a5e-6f1c1a5e4c1b"],"skip_consumer_lookup":true}`)); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); givenBack.Load() == 0; {
		if time.Now().After(end) {
			t.Fatal("a dropped instance was not given back")
		}
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
}
