package luaserver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/config"
	"mtls-auth/mtlsauth/internal/engine"
	"mtls-auth/mtlsauth/internal/flags"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

const (
	caID    = "aaaaaaaa-0000-4000-8000-000000000001"
	otherID = "aaaaaaaa-0000-4000-8000-000000000002"
	aliceID = "cccccccc-0000-4000-8000-000000000001"
	bobID   = "cccccccc-0000-4000-8000-000000000002"
)

// world is a server and Kong's database behind its workers.
type world struct {
	*Server
	t *testing.T
	// entities of Kong's: credentials by subject_name and CA id, consumers by
	// attribute and value.
	credentials map[[2]string]credential
	consumers   map[[2]string]person
	failing     string // what a lookup fails with

	lookups []lookup
	needs   int
	waits   int
}

type credential struct {
	id    string
	owner person
}

type person = consumerJSON

func newWorld(t *testing.T) *world {
	t.Helper()
	p, err := engine.Open(flags.Options{Name: "mtls-auth", Prefix: t.TempDir(), MinRSABits: 2048, MaxCRLSize: 1 << 20}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return &world{Server: New(Options{Engine: p, AnyPeer: true}), t: t, credentials: map[[2]string]credential{}, consumers: map[[2]string]person{}}
}

// exchange is the worker's side of one.
type exchange struct {
	question []byte
	in, out  chan []byte
	drain    chan struct{}
}

func (e *exchange) Question() []byte { return e.question }

func (e *exchange) Read(deadline time.Time) ([]byte, error) {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case frame, ok := <-e.in:
		if !ok {
			return nil, io.EOF
		}
		return frame, nil
	case <-timer.C:
		return nil, errors.New("time-out")
	}
}

func (e *exchange) Write(payload []byte) error   { e.out <- payload; return nil }
func (e *exchange) Draining() <-chan struct{}    { return e.drain }
func (e *exchange) Peer() (*net.UnixConn, error) { return nil, errors.New("none") }

// begin starts an exchange with a question; the channel has its error.
func (w *world) begin(q any) (*exchange, <-chan error) {
	frame, ok := q.([]byte)
	if !ok {
		var err error
		if frame, err = json.Marshal(q); err != nil {
			w.t.Fatal(err)
		}
	}
	e := &exchange{question: frame, in: make(chan []byte, 1), out: make(chan []byte, 64), drain: make(chan struct{})}
	ended := make(chan error, 1)
	go func() {
		ended <- w.Serve(e)
		close(e.out)
	}()
	return e, ended
}

// policyOf is a definition with its id.
func policyOf(more string, cas ...string) (id, text string) {
	config := `{"ca_certificates":["` + caID + `"]` + more + `}`
	var entities []string
	for i, pem := range cas {
		id := []string{caID, otherID}[i]
		cert, _ := json.Marshal(pem)
		entities = append(entities, `{"id":"`+id+`","cert":`+string(cert)+`}`)
	}
	text = `{"config":` + config + `,"ca_certificates":[` + strings.Join(entities, ",") + `],"plugin":"mtls-auth"}`
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:]), text
}

// answers is any answer of the server.
type answers struct {
	verdict
	Wait   bool    `json:"wait"`
	Error  string  `json:"error"`
	Lookup *lookup `json:"lookup"`
}

// ask has a request decided as a worker does.
func (w *world) ask(id, text string, shown *pki.Certificate) (answers, error) {
	w.t.Helper()
	return w.exchange(question{
		Op: "decide", Protocol: Protocol, Version: config.Version, Policy: id, Leaf: shown.PEM(), Resumed: ".",
		Sessions: w.chains.session(),
	}, text)
}

const needDefinition = `{"need":"definition"}`

// define sends a definition, in frames of this size.
func (e *exchange) define(text string, size int) {
	e.in <- fmt.Appendf(nil, `{"op":"definition","bytes":%d}`, len(text))
	for part := range slices.Chunk([]byte(text), size) {
		e.in <- part
	}
}

// exchange asks a question, and answers what is asked for.
func (w *world) exchange(q question, definition string) (answers, error) {
	w.t.Helper()
	e, ended := w.begin(q)
	for frame := range e.out {
		if string(frame) == needDefinition {
			w.needs++
			e.define(definition, 1<<20)
			continue
		}
		var a answers
		if err := json.Unmarshal(frame, &a); err != nil {
			w.t.Fatalf("%s: %v", frame, err)
		}
		switch {
		case a.Wait:
			w.waits++
		case a.Lookup != nil:
			w.lookups = append(w.lookups, *a.Lookup)
			e.in <- w.find(*a.Lookup)
		default:
			return a, <-ended
		}
	}
	return answers{}, <-ended
}

// find answers a lookup as the Lua plugin does.
func (w *world) find(l lookup) []byte {
	type hit map[string]any
	answer := map[string]any{"op": "found"}
	credentials, consumers, failures := []hit{}, []hit{}, []string{}
	for i, key := range l.Credentials {
		if c, ok := w.credentials[key]; ok {
			credentials = append(credentials, hit{"n": i + 1, "id": c.id, "subject_name": key[0], "ca_certificate": key[1], "consumer": c.owner})
		}
	}
	for i, key := range l.Consumers {
		if c, ok := w.consumers[key]; ok {
			consumers = append(consumers, hit{"n": i + 1, "id": c.ID, "username": c.Username, "custom_id": c.CustomID})
		}
	}
	if w.failing != "" {
		failures = append(failures, w.failing)
	}
	answer["credentials"], answer["consumers"], answer["errors"] = credentials, consumers, failures
	frame, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	return frame
}

// header is what a verdict makes of a header: a value, "" for cleared, "-" for
// nothing.
func (a answers) header(name string) string {
	for _, h := range a.Headers {
		if h[0] == name {
			return h[1]
		}
	}
	return "-"
}

func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx)
	}()
	return func() { cancel(); <-done }
}
