package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
	"mtls-auth/mtlsauth/internal/testing/realkong"
)

func twoWorkers(o *realkong.Options) { o.Workers = 2 }

// Cached decisions outlive the server's death: clients whose certificates the workers
// know do not notice it. Others get 500 until the next server listens.
func TestLuaServerIsKilled(t *testing.T) {
	besideOthers(t)
	root := pki.NewCA("root")
	r := newLuaRig(t, cas{idA: root}, routes{"/echo": trusted([]string{idA})}, twoWorkers)
	// Who passes is not kept waiting; a refusal is kept for two seconds.
	lapsed := func(want, got int) bool { return want == 401 && got == 500 }
	l := r.startLoadBut(6, "/echo", root.Client("client"), pki.NewCA("stranger").Client("client"), lapsed)
	time.Sleep(1500 * time.Millisecond) // every connection is known, and Kong starts the next server at once
	kills := 3
	if testing.Short() {
		kills = 1
	}
	for i := range kills {
		pid := r.Process().PID()
		r.Process().Kill()
		killed := time.Now()
		failures := 0
		eventually(t, "a new certificate passes", func() bool {
			got := r.get("/echo", root.Client(fmt.Sprintf("new %d", failures)))
			if got.status != 200 {
				failures++
				r.expect("a new certificate without a server", got, 500, internal)
			}
			return got.status == 200
		})
		t.Logf("kill %d: %v until a new certificate passed, %d times 500", i, time.Since(killed), failures)
		if now := r.Process().PID(); now == pid {
			t.Errorf("kill %d: the server is still process %d", i, pid)
		}
		time.Sleep(1500 * time.Millisecond)
	}
	l.end(t)
}

// Whatever a server does that is not the protocol is 500, anonymous or not, and
// touches no other route.
func TestLuaFaultyServer(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	r := newLuaRig(t, cas{idA: root}, routes{
		"/echo": trusted([]string{idA}), "/anonymous": trusted([]string{idA}, object{"anonymous": "guest"}),
	}, twoWorkers, func(o *realkong.Options) {
		with(t, consumers(consumer(idGuest, "guest")))(&o.Options)
		o.StartCommand = "" // the test runs one
	})
	socket := r.prefix + "/mtls-auth.socket"
	number := 0
	expect500 := func(what string) {
		t.Helper()
		for _, path := range []string{"/echo", "/anonymous"} {
			number++ // a certificate that no worker knows
			got := r.get(path, root.Client(fmt.Sprintf("client %d", number)), "X-Consumer-Username", "forged")
			r.expect(what+" on "+path, got, 500, internal)
			r.expectLog(what+" on "+path, "[error]", `[mtls-auth] reason="internal" error="`)
			if v := got.header.Get("Content-Type"); v != "application/json; charset=utf-8" {
				t.Errorf("%s: Content-Type is %q", what, v)
			}
		}
		r.expect(what+", none sent", r.get("/echo", nil), 500, internal)
		r.expect(what+", none sent, anonymous", r.get("/anonymous", nil), 500, internal)
		r.expect(what+", another route", r.get("/open", nil), 200, "")
	}

	expect500("absent")
	e := newFakeServer(t, socket)
	say := func(texts ...string) func(net.Conn, object) {
		return func(c net.Conn, _ object) {
			for _, text := range texts {
				c.Write(frame(text))
			}
		}
	}
	const pass = `"verdict":"pass","credential":"x","headers":[],"verify":"SUCCESS","reason":"passed","record":{"reason":"x"},"lines":[],"ttl_ms":60000,"epoch":"fake"`
	e.answers(say("{" + pass + "}"))
	r.expect("a pass as it should be", r.get("/echo", root.Client("client")), 200, "")
	for name, answer := range map[string]func(net.Conn, object){
		"closes without a word":       func(c net.Conn, _ object) { c.Close() },
		"half a frame":                func(c net.Conn, _ object) { c.Write(frame("{" + pass + "}")[:40]); c.Close() },
		"half a length":               func(c net.Conn, _ object) { c.Write([]byte{1, 0}); c.Close() },
		"a length of 1 GiB":           func(c net.Conn, _ object) { c.Write([]byte{0, 0, 0, 0x40}); c.Write(make([]byte, 1<<16)) },
		"over 1 MiB":                  say("{" + pass + `,"x":"` + strings.Repeat("x", 1<<20) + `"}`),
		"an empty frame":              say(""),
		"no JSON":                     say("{" + pass),
		"rubbish":                     say(strings.Repeat("\x00\xff", 100)),
		"no object":                   say(`["verdict","pass"]`),
		"true":                        say("true"),
		"nothing in it":               say("{}"),
		"no known verdict":            say(`{"verdict":"maybe","credential":"x","headers":[],"verify":"SUCCESS","reason":"passed","record":{"reason":"x"},"lines":[],"ttl_ms":0,"epoch":"fake"}`),
		"a pass in capitals":          say(`{"verdict":"PASS","credential":"x","headers":[],"verify":"SUCCESS","reason":"passed","record":{"reason":"x"},"lines":[],"ttl_ms":0,"epoch":"fake"}`),
		"a pass that is a boolean":    say(`{"verdict":true,"credential":"x","headers":[],"verify":"SUCCESS","reason":"passed","record":{"reason":"x"},"lines":[],"ttl_ms":0,"epoch":"fake"}`),
		"a pass and no more":          say(`{"verdict":"pass"}`),
		"a pass without headers":      say(`{"verdict":"pass","credential":"x","verify":"SUCCESS","reason":"passed","record":{"reason":"x"},"lines":[],"ttl_ms":0,"epoch":"fake"}`),
		"a pass without a record":     say(`{"verdict":"pass","credential":"x","headers":[],"verify":"SUCCESS","reason":"passed","lines":[],"ttl_ms":0,"epoch":"fake"}`),
		"a pass without a reason":     say(`{"verdict":"pass","credential":"x","headers":[],"verify":"SUCCESS","record":{"reason":"x"},"lines":[],"ttl_ms":0,"epoch":"fake"}`),
		"a pass with odd headers":     say(`{"verdict":"pass","credential":"x","headers":[["X-Consumer-ID"]],"verify":"SUCCESS","reason":"passed","record":{"reason":"x"},"lines":[],"ttl_ms":0,"epoch":"fake"}`),
		"a pass with odd groups":      say(`{"groups":"admin",` + pass + `}`),
		"a pass as a number":          say(`{"consumer":1,` + pass + `}`),
		"a consumer out of nowhere":   say(`{"consumer":"` + idGuest + `",` + pass + `}`),
		"a refusal with status 200":   say(`{"verdict":"refuse","status":200,"message":"x","verify":"FAILED:expired","reason":"expired","record":{"reason":"x"},"lines":[],"ttl_ms":0,"epoch":"fake"}`),
		"a refusal without a message": say(`{"verdict":"refuse","status":401,"verify":"FAILED:expired","reason":"expired","record":{"reason":"x"},"lines":[],"ttl_ms":0,"epoch":"fake"}`),
		"an error":                    say(`{"error":"another protocol"}`),
		"asks for ever":               func(c net.Conn, _ object) { c.Write(frame(`{"need":"definition"}`)) },
		"asks for what there is not":  say(`{"need":"more"}`),
		"two lookups": func(c net.Conn, _ object) {
			c.Write(frame(`{"lookup":{"credentials":[],"consumers":[["username","x"]]}}`))
		},
		"a lookup of another kind":    say(`{"lookup":{"credentials":[],"consumers":[["email","x"]]}}`),
		"a lookup that is none":       say(`{"lookup":"all"}`),
		"a hundred heartbeats":        say(strings.Split(strings.Repeat(`{"wait":true} `, 100), " ")[:100]...),
		"heartbeats, and then no end": func(c net.Conn, _ object) { c.Write(frame(`{"wait":true}`)); c.Close() },
	} {
		e.answers(answer)
		expect500(name)
	}
	e.answers(func(net.Conn, object) {}) // silence
	var wg sync.WaitGroup
	began := time.Now()
	wg.Go(func() { r.expect("silence", r.get("/echo", root.Client("silence")), 500, internal) })
	for e.questions() == 0 && time.Since(began) < 10*time.Second {
		time.Sleep(10 * time.Millisecond)
	}
	r.expect("meanwhile, another route", r.get("/open", nil), 200, "")
	wg.Wait()
	t.Logf("silence ended after %v", time.Since(began))

	// What is right again passes again.
	e.answers(say("{" + pass + "}"))
	r.expect("a pass in the end", r.get("/echo", root.Client("in the end")), 200, "")
}

// A server that ends while a connection is kept is not noticed: the question is
// asked once more, on a fresh one.
func TestLuaKeptConnectionsThatDie(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	r := newLuaRig(t, cas{idA: root}, routes{"/echo": trusted([]string{idA})}, func(o *realkong.Options) { o.StartCommand = "" })
	e := newFakeServer(t, r.prefix+"/mtls-auth.socket")
	const pass = `{"verdict":"pass","credential":"x","headers":[],"verify":"SUCCESS","reason":"passed","record":{"reason":"x"},"lines":[],"ttl_ms":0,"epoch":"fake"}`
	for i := range 5 {
		// Answers, and closes when it is asked for the second time.
		var answered atomic.Bool
		e.answers(func(c net.Conn, _ object) {
			if answered.CompareAndSwap(true, false) {
				c.Close()
				return
			}
			answered.Store(true)
			c.Write(frame(pass))
		})
		r.expect("the first", r.get("/echo", root.Client(fmt.Sprintf("a %d", i))), 200, "")
		r.expect("after the close", r.get("/echo", root.Client(fmt.Sprintf("b %d", i))), 200, "")
	}
}

// A hundred requests at once with an unknown certificate are one question
// of each worker.
func TestLuaAsksOnce(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	r := newLuaRig(t, cas{idA: root}, routes{"/echo": trusted([]string{idA})}, twoWorkers)
	r.settled("/echo", root.Client("first"))
	for round := range 3 {
		cert := root.Client(fmt.Sprintf("client %d", round))
		before := r.ping().decisions
		clients := make([]*http.Client, 100)
		for i := range clients {
			clients[i] = r.client(cert)
			// The connection is there, and no certificate was asked about.
			if resp, err := clients[i].Get(r.URLTLS() + "/open"); err != nil {
				t.Fatal(err)
			} else {
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		}
		start := make(chan struct{})
		var wg sync.WaitGroup
		for _, c := range clients {
			wg.Go(func() {
				<-start
				if a, err := fetch(c, r.URLTLS()+"/echo"); err != nil || a.status != 200 {
					t.Errorf("got %d %q (%v), want 200", a.status, a.message, err)
				}
			})
		}
		close(start)
		wg.Wait()
		if n := r.ping().decisions - before; n < 1 || n > 2 {
			t.Errorf("round %d: the server decided %d times about one certificate, want once for each of two workers at most", round, n)
		}
	}
}
