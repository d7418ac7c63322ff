package luaserver

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/config"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// What a worker says that it should not ends the connection, and is no pass.
func TestQuestionsThatAreNone(t *testing.T) {
	for frame, want := range map[string]string{
		`{`:  "reading a question",
		`{}`: "use protocol 0",
		`{"op":"decide","protocol":1,"version":"9.9.9"}`: `of version "9.9.9" and use protocol 1`,
		`{"op":"no","protocol":3}`:                       `op "no"`,
		`{"op":7,"protocol":3}`:                          "reading a question",
	} {
		w := newWorld(t)
		e, ended := w.begin([]byte(frame))
		said := string(<-e.out)
		if err := <-ended; err == nil || !strings.HasPrefix(said, `{"error":`) || !strings.Contains(said, quoted(want)) {
			t.Errorf("%s: said %s, ended %v", frame, said, err)
		}
	}
}

// Lua files of any protocol learn which one the server has, and whose it is.
func TestPingOfAnotherProtocol(t *testing.T) {
	w := newWorld(t)
	w.LuaMode = true
	e, ended := w.begin([]byte(`{"op":"ping","protocol":1,"version":"0.0.9"}`))
	var p pong
	if err := json.Unmarshal(<-e.out, &p); err != nil || p.Protocol != Protocol || p.PID != os.Getpid() || !p.LuaMode {
		t.Errorf("said %+v, %v", p, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A definition that is another, or of another length, ends the connection.
func TestDefinitionsThatAreRefused(t *testing.T) {
	id, text := policyOf(skipLookup)
	for name, test := range map[string]struct {
		id     string
		frames []string
		want   string
	}{
		"another definition": {id, []string{`{"op":"definition","bytes":2}`, "{}"}, "its SHA-256 is not the id"},
		"an id in capitals":  {strings.ToUpper(id), []string{fmt.Sprintf(`{"op":"definition","bytes":%d}`, len(text)), text}, "its SHA-256 is not the id"},
		"another frame":      {id, []string{`{"op":"decide"}`}, `op "decide" with bytes 0: must be definition`},
		"no JSON":            {id, []string{text + "}"}, "reading a definition"},
		"no bytes":           {id, []string{`{"op":"definition","bytes":0}`}, "must be definition with 1 to"},
		"too many bytes":     {id, []string{`{"op":"definition","bytes":33554433}`}, "must be definition with 1 to 33554432"},
		"more than it says":  {id, []string{`{"op":"definition","bytes":2}`, "{}}"}, "over the 2 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			e, ended := newWorld(t).begin(question{Op: "decide", Protocol: Protocol, Policy: test.id})
			if said := string(<-e.out); said != needDefinition {
				t.Fatalf("said %s", said)
			}
			for _, frame := range test.frames {
				e.in <- []byte(frame)
			}
			said := string(<-e.out)
			if err := <-ended; err == nil || !strings.HasPrefix(said, `{"error":`) || !strings.Contains(said, quoted(test.want)) {
				t.Errorf("said %s, ended %v", said, err)
			}
		})
	}
}

// A definition may be longer than a frame.
func TestADefinitionInManyFrames(t *testing.T) {
	id, text := policyOf(skipLookup + `,"san_dirname_matcher":["` + strings.Repeat("ä", 2<<20) + `"]`)
	e, ended := newWorld(t).begin(question{Op: "decide", Protocol: Protocol, Policy: id})
	<-e.out
	go e.define(text, 1<<20-1)
	said := string(<-e.out)
	for said == `{"wait":true}` { // a slow machine takes its time
		said = string(<-e.out)
	}
	if !strings.HasPrefix(said, `{"verdict":"refuse","status":401,`) {
		t.Errorf("said %s", said)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func quoted(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `"`, `\"`) }

func TestAnswersThatAreNone(t *testing.T) {
	root := pki.NewCA("root")
	id, text := policyOf(skipStatus+`,"anonymous":"guest"`, root.PEM())
	mallory := `{"id":"` + bobID + `","username":"mallory"}`
	for name, test := range map[string]struct {
		frame  string
		closes bool
	}{
		"no JSON":                       {`{"op":"found"`, true},
		"another op":                    {`{"op":"decide"}`, true},
		"a failed lookup":               {`{"op":"found","errors":["the database is away"]}`, false},
		"a place that was not asked":    {`{"op":"found","consumers":[{"n":99,"id":"` + bobID + `","username":"alice"}]}`, false},
		"place 0":                       {`{"op":"found","consumers":[{"n":0,"id":"` + bobID + `","username":"alice"}]}`, false},
		"another's username":            {`{"op":"found","consumers":[{"n":1,"id":"` + bobID + `","username":"mallory"}]}`, false},
		"a consumer without id":         {`{"op":"found","consumers":[{"n":1,"username":"alice"}]}`, false},
		"another subject_name":          {`{"op":"found","credentials":[{"n":1,"id":"k","subject_name":"Alice","ca_certificate":"` + caID + `","consumer":` + mallory + `}]}`, false},
		"another CA's credential":       {`{"op":"found","credentials":[{"n":1,"id":"k","subject_name":"alice","ca_certificate":"` + otherID + `","consumer":` + mallory + `}]}`, false},
		"a credential for any CA":       {`{"op":"found","credentials":[{"n":1,"id":"k","subject_name":"alice","ca_certificate":"","consumer":` + mallory + `}]}`, false},
		"a credential of no consumer":   {`{"op":"found","credentials":[{"n":1,"id":"k","subject_name":"alice","ca_certificate":"` + caID + `","consumer":{}}]}`, false},
		"a credential without id":       {`{"op":"found","credentials":[{"n":1,"subject_name":"alice","ca_certificate":"` + caID + `","consumer":` + mallory + `}]}`, false},
		"two credentials for one place": {`{"op":"found","credentials":[{"n":1,"id":"k","subject_name":"alice","ca_certificate":"` + caID + `","consumer":{"id":"` + aliceID + `"}},{"n":1,"id":"l","subject_name":"alice","ca_certificate":"` + caID + `","consumer":` + mallory + `}]}`, false},
	} {
		w := newWorld(t)
		e, ended := w.begin(question{Op: "decide", Protocol: Protocol, Policy: id, Leaf: root.Client("x", pki.DNS("alice")).PEM()})
		<-e.out
		e.define(text, len(text))
		if asked := string(<-e.out); !strings.HasPrefix(asked, `{"lookup":`) {
			t.Fatalf("%s: asked %s", name, asked)
		}
		e.in <- []byte(test.frame)
		said, err := string(<-e.out), <-ended
		if !strings.HasPrefix(said, `{"verdict":"fault","status":500,`) || !strings.Contains(said, `lookup_failed`) || (err != nil) != test.closes {
			t.Errorf("%s: said %s, ended %v", name, said, err)
		}
	}
}

// A worker that says nothing more gets a fault within the bound for lookups.
func TestAWorkerThatFallsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := pki.NewCA("root")
		id, text := policyOf(skipStatus, root.PEM())
		shown := root.Client("x").PEM()
		w := newWorld(t)
		began := time.Now()
		e, ended := w.begin(question{Op: "decide", Protocol: Protocol, Policy: id, Leaf: shown})
		<-e.out
		e.define(text, len(text))
		<-e.out
		var last string
		for frame := range e.out {
			last = string(frame)
		}
		if err := <-ended; err == nil || !strings.Contains(last, `"verdict":"fault"`) || time.Since(began) > 3*time.Second {
			t.Errorf("after %v: said %s, ended %v", time.Since(began), last, err)
		}
	})
}

// While it takes long the worker hears so.
func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &exchange{out: make(chan []byte, 64)}
		x := &deciding{Exchange: e}
		stop := x.heartbeats()
		time.Sleep(9 * time.Second)
		stop()
		time.Sleep(time.Minute)
		if n := len(e.out); n != 4 {
			t.Errorf("%d in nine seconds, want 4", n)
		}
		if said := string(<-e.out); said != `{"wait":true}` {
			t.Errorf("said %s", said)
		}
	})
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		watch := func(epoch string) (*exchange, <-chan error) {
			return w.begin(question{Op: "watch", Protocol: Protocol, Version: config.Version, Epoch: epoch})
		}
		said := func(e *exchange, ended <-chan error, epoch string) {
			t.Helper()
			if got := string(<-e.out); got != `{"epoch":"`+epoch+`","sessions":"`+w.chains.session()+`"}` {
				t.Errorf("said %s, want %s", got, epoch)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		e, ended := watch("")
		said(e, ended, w.epochs.now())
		e, ended = watch("of another process")
		said(e, ended, w.epochs.now())

		before, began := w.epochs.now(), time.Now()
		e, ended = watch(before)
		said(e, ended, before)
		if d := time.Since(began); d != hang {
			t.Errorf("hung for %v", d)
		}
		e, ended = watch(before)
		synctest.Wait()
		w.Drop()
		said(e, ended, w.epochs.now())
		if w.epochs.now() == before {
			t.Error("the epoch did not change")
		}
		e, ended = watch(w.epochs.now())
		close(e.drain)
		if _, ok := <-e.out; ok || <-ended == nil {
			t.Error("a server that ends answered a watch")
		}
	})
}

// Where Kong listens no address in a certificate leads.
func TestAWatchSaysWhereKongListens(t *testing.T) {
	w := newWorld(t)
	before := w.Engine.KongListeners()
	if _, err := w.exchange(question{Op: "watch", Protocol: Protocol, Listen: []string{"127.0.0.1:9001", "off"}}, ""); err != nil {
		t.Fatal(err)
	}
	own := netip.MustParseAddrPort("127.0.0.1:9001")
	if after := w.Engine.KongListeners(); slices.Contains(before, own) || !slices.Contains(after, own) {
		t.Errorf("before %v, after %v", before, after)
	}
}

func TestTheClockIsSetBack(t *testing.T) {
	start := time.Now()
	c := newClock(start)
	for _, step := range []struct {
		elapsed, wall time.Duration
		want          bool
	}{
		{1 * time.Second, 1 * time.Second, false},
		{2 * time.Second, 1800 * time.Millisecond, false}, // slewed
		{3 * time.Second, 2 * time.Second, true},
		{4 * time.Second, 3 * time.Second, false}, // no further
		{5 * time.Second, time.Hour, false},       // forward
		{6 * time.Second, 6 * time.Second, true},
		{7 * time.Second, -time.Hour, true},
	} {
		if got := c.setBack(start.Add(step.wall), step.elapsed); got != step.want {
			t.Errorf("after %v it shows %v: got %v", step.elapsed, step.wall, got)
		}
	}
}

// A wall clock that is slewed time and again is set back in the end, and one that is behind
// by just what is allowed is not.
func TestTheClockIsSlewed(t *testing.T) {
	for name, steps := range map[string][]time.Duration{
		"by the bound":      {1: 500 * time.Millisecond},
		"beyond it":         {1: 500*time.Millisecond + 1, 2: -1},
		"twice by its half": {1: 300 * time.Millisecond, 2: 600 * time.Millisecond, 3: -1},
	} {
		start := time.Now()
		c := newClock(start)
		want := steps[len(steps)-1] < 0
		if want {
			steps = steps[:len(steps)-1]
		}
		got := false
		for i, behind := range steps {
			got = c.setBack(start.Add(time.Duration(i)*time.Second-behind), time.Duration(i)*time.Second)
		}
		if got != want {
			t.Errorf("%s: set back is %v, want %v", name, got, want)
		}
	}
}
