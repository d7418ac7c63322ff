package luaserver

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/certheader"
	"mtls-auth/mtlsauth/internal/engine"
	"mtls-auth/mtlsauth/internal/konglog"
	"mtls-auth/mtlsauth/internal/metrics"
)

// deciding is an exchange about one request.
type deciding struct {
	Exchange
	question
	now   time.Time
	epoch string
	lines [][2]string

	writing sync.Mutex // heartbeats are written concurrently
	broken  error      // the worker broke the protocol: the connection has to end
}

var _ engine.Request = (*deciding)(nil)

// Time implements engine.Request.
func (x *deciding) Time() time.Time { return x.now }

// Log implements engine.Request: the line goes with the verdict.
func (x *deciding) Log(line konglog.Line) { x.lines = append(x.lines, pair(line)) }

func pair(line konglog.Line) [2]string { return [2]string{line.Severity(), line.Text} }

// SessionReused implements engine.Request.
func (x *deciding) SessionReused() string { return x.Resumed }

// decide answers a question about a request.
func (s *Server) decide(e Exchange, q question) error {
	// The epoch is read first: evidence that is replaced from here on ends it.
	x := &deciding{Exchange: e, question: q, now: time.Now(), epoch: s.epochs.now()}
	if s.deciding.Add(1) > maxDeciding {
		s.deciding.Add(-1)
		s.Metrics.Limit(metrics.LimitQuestions)
		return x.end(s.fault(x, fmt.Errorf("over %d questions at once", maxDeciding)))
	}
	defer s.deciding.Add(-1)
	p, err := s.policy(x)
	if err != nil {
		return s.refuse(e, err)
	}
	s.decisions.Add(1)
	stop := x.heartbeats()
	v := s.judge(x, p)
	stop()
	return x.end(v)
}

// policy returns the question's policy, for an unknown one after the worker, or another one
// that asks by it, was asked for its definition.
func (s *Server) policy(x *deciding) (*engine.Policy, error) {
	for {
		p, made, making := s.policies.get(x.Policy)
		switch {
		case p != nil:
			return p, nil
		case made != nil:
			defer made()
			definition, err := x.definition()
			if err != nil {
				return nil, err
			}
			defer x.heartbeats()()
			return s.policies.add(x.Policy, definition)
		}
		stop := x.heartbeats()
		<-making // at most definitionWait, and some for making it
		stop()
	}
}

// maxDefinition bounds a definition, in bytes: a configuration with 10,000 credentials
// and 1,000 CA certificates takes a tenth of it.
const maxDefinition = 32 << 20

// definitionWait is how long the frames of a definition may take.
const definitionWait = 10 * time.Second

// definition asks the worker for the policy's definition.
func (x *deciding) definition() (string, error) {
	if err := say(x.Exchange, need{"definition"}); err != nil {
		return "", err
	}
	deadline := time.Now().Add(definitionWait)
	frame, err := x.Read(deadline)
	if err != nil {
		return "", fmt.Errorf("reading a definition: %w", err)
	}
	var announced definitionFollows
	if err := json.Unmarshal(frame, &announced); err != nil {
		return "", fmt.Errorf("reading a definition: %w", err)
	}
	if announced.Op != "definition" || announced.Bytes < 1 || announced.Bytes > maxDefinition {
		return "", fmt.Errorf("reading a definition: op %q with bytes %d: must be definition with 1 to %d", announced.Op, announced.Bytes, maxDefinition)
	}
	var text []byte
	for len(text) < announced.Bytes {
		frame, err := x.Read(deadline)
		if err != nil {
			return "", fmt.Errorf("reading a definition: %w", err)
		}
		if len(text)+len(frame) > announced.Bytes {
			return "", fmt.Errorf("reading a definition: over the %d bytes that were announced", announced.Bytes)
		}
		text = append(text, frame...)
	}
	return string(text), nil
}

// end ends the exchange with a verdict.
func (x *deciding) end(v verdict) error {
	v.ID, v.Epoch, v.Lines = x.ID, x.epoch, x.lines
	if v.Lines == nil {
		v.Lines = [][2]string{}
	}
	return errors.Join(say(x, v), x.broken)
}

// beat is how often a worker is told that a decision is still being made: certificate
// status may take most of a minute, and a server that has died tells nothing.
const beat = 2 * time.Second

// heartbeats sends them until stop is called, which waits for one that is being sent.
func (x *deciding) heartbeats() (stop func()) {
	over := false // under writing, as is timer
	var timer *time.Timer
	x.writing.Lock()
	defer x.writing.Unlock()
	timer = time.AfterFunc(beat, func() {
		x.writing.Lock()
		defer x.writing.Unlock()
		if !over && say(x.Exchange, wait{true}) == nil {
			timer.Reset(beat)
		}
	})
	return func() {
		timer.Stop()
		x.writing.Lock()
		over = true
		x.writing.Unlock()
	}
}

// judge makes the verdict. It fails closed: a panic is a fault.
func (s *Server) judge(x *deciding, p *engine.Policy) (v verdict) {
	defer func() {
		if r := recover(); r != nil {
			v = s.fault(x, fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
		}
	}()
	leaf := sha256.Sum256([]byte(x.Leaf))
	completed := ""
	if x.resumed() && x.Chain == "" {
		completed = s.chains.of(leaf)
	}
	presented := authn.Presented{Leaf: []byte(x.Leaf), Chain: []byte(cmp.Or(x.Chain, completed))}
	if p.Header() != nil {
		presented = x.handedOver(p)
	}
	decision := p.Refused(x)
	if decision == nil {
		// A question that waits for a responder takes no place from those that need
		// none: what waits is bounded by package revocation, by trust anchor.
		ctx := authn.WithWaits(context.Background(), func() func() {
			s.deciding.Add(-1)
			return func() { s.deciding.Add(1) }
		})
		decision = p.DecideBy(ctx, x, &directory{exchange: x}, presented)
	}
	if trusted(decision) && p.Header() == nil {
		s.chains.add(leaf, x.Chain)
	} else if x.resumed() && len(presented.Chain) == 0 && decision.Reason == authn.IssuerNotFound {
		if s.chains.miss(x.Sessions, x.now) {
			return s.fault(x, errors.New("the chain of a resumed TLS session is not known: it came before the server was started"))
		}
	}
	now := time.Now()
	s.Metrics.Decided(p.Plugin(), decision, now, now.Sub(x.now))
	v = verdictOf(decision)
	// Also where nothing is cached: requests that waited for this one use its decision.
	if decision.Passed() {
		presented.Peer = "" // another proxy may hand the same over
	}
	if line, ok := p.Again(x, decision, presented); ok {
		again := pair(line)
		v.Again = &again
	}
	if v.Verdict == verdictFault {
		return v
	}
	v.Chain = completed
	ttl := decision.Left(time.Now())
	if decision.Reason == authn.NoneSent {
		ttl = noneSentFor
	}
	v.TTL = ttl.Milliseconds()
	return v
}

// handedOver is what a proxy handed over in headers.
func (x *deciding) handedOver(p *engine.Policy) authn.Presented {
	r := certheader.Request{Incomplete: x.Incomplete, Trusted: x.Trusted}
	for _, h := range x.Headers {
		r.Lines = append(r.Lines, certheader.Line{Name: h[0], Value: h[1]})
	}
	return p.Presented(r, x.From)
}

// noneSentFor is how long workers cache the decision about requests without a
// certificate. It rests on no evidence but the consumers that the worker has looked up.
const noneSentFor = time.Minute

// resumed tells whether the TLS session was made by an earlier connection. Its leaf is
// known then, and not what was sent above it.
func (x *deciding) resumed() bool { return x.Resumed == "r" }

// verdictOf puts a decision into a verdict. Only one that goes on is a pass.
func verdictOf(d *authn.Decision) verdict {
	a := d.Answer()
	v := verdict{Verdict: verdictFault, Verify: a.ClientVerify, Reason: d.Reason.String(), Status: a.Status, Message: a.Message, Record: konglog.RecordOf(d)}
	switch {
	case d.GoesOn():
		v.Verdict = verdictPass
		v.Headers = make([][2]string, len(a.Headers))
		for i, h := range a.Headers {
			v.Headers[i] = [2]string{h.Name, h.Value}
		}
		if a.Consumer != nil {
			v.Consumer = a.Consumer.ID
		}
		v.Credential, v.Groups = a.CredentialID, a.Groups
	case a.Status == 401:
		v.Verdict = verdictRefuse
	}
	return v
}

// fault logs an error and returns its verdict, 500.
func (s *Server) fault(x *deciding, err error) verdict {
	v := verdictOf(authn.Deny(authn.Internal, nil))
	for _, line := range s.Engine.Fault(err) {
		x.Log(line)
		again := pair(line)
		v.Again = &again
	}
	return v
}
