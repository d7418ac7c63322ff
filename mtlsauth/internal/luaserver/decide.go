package luaserver

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/plugin"
)

// deciding is an exchange about one request. It is the plugin's door for it.
type deciding struct {
	Exchange
	question
	now   time.Time
	lines [][2]string

	writing sync.Mutex // heartbeats come in between
	broken  error      // the worker is not where it should be: the connection is of no use any more
}

var _ plugin.Door = (*deciding)(nil)

// Time implements plugin.Door.
func (x *deciding) Time() time.Time { return x.now }

// Log implements plugin.Door: the line goes with the verdict.
func (x *deciding) Log(line plugin.Line) { x.lines = append(x.lines, pair(line)) }

func pair(line plugin.Line) [2]string { return [2]string{line.Severity(), line.Text} }

// SessionReused implements plugin.Door.
func (x *deciding) SessionReused() string { return x.Resumed }

// decide answers a question about a request.
func (d *Door) decide(e Exchange, q question) error {
	x := &deciding{Exchange: e, question: q, now: time.Now()}
	// Before anything is looked at: what is replaced from here on ends it.
	epoch := d.epochs.now()
	if d.deciding.Add(1) > maxDeciding {
		d.deciding.Add(-1)
		return d.verdict(x, d.fault(x, fmt.Errorf("over %d questions at once", maxDeciding)))
	}
	defer d.deciding.Add(-1)
	in := d.policies.get(q.Policy)
	if in == nil {
		if q.Definition == "" {
			return say(e, need{"definition"})
		}
		var err error
		if in, err = d.policies.add(q.Policy, q.Definition); err != nil {
			return d.refuse(e, err)
		}
	}
	d.decisions.Add(1)
	stop := x.heartbeats()
	v := d.judge(x, in)
	stop()
	v.Epoch = epoch
	return d.verdict(x, v)
}

// verdict ends the exchange.
func (d *Door) verdict(x *deciding, v verdict) error {
	v.Lines = x.lines
	if v.Lines == nil {
		v.Lines = [][2]string{}
	}
	return errors.Join(say(x, v), x.broken)
}

// beat is how often a worker hears that it is still being decided: certificate
// status may take most of a minute, and who has died says nothing at all.
const beat = 2 * time.Second

// heartbeats has them sent until stop is called, after which none is under way.
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
func (d *Door) judge(x *deciding, in *plugin.Instance) (v verdict) {
	defer func() {
		if r := recover(); r != nil {
			v = d.fault(x, fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
		}
	}()
	presented := authn.Presented{Leaf: []byte(x.Leaf), Chain: []byte(x.Chain)}
	decision := in.Refused(x)
	if decision == nil {
		decision = in.DecideBy(context.Background(), x, &directory{exchange: x}, presented)
	}
	v, err := verdictOf(decision)
	if err != nil {
		return d.fault(x, err)
	}
	if v.Verdict == verdictFault {
		return v
	}
	if ttl := decision.Left(time.Now()).Milliseconds(); ttl > 0 {
		v.TTL = ttl
		if line, ok := in.Again(x, decision, presented); ok {
			again := pair(line)
			v.Again = &again
		}
	}
	return v
}

// verdictOf puts a decision into a verdict. Only one that goes on, and has an
// answer that says so too, is a pass.
func verdictOf(d *authn.Decision) (verdict, error) {
	a := d.Answer
	if a == nil {
		return verdict{}, errors.New("a decision without an answer")
	}
	v := verdict{Verify: a.ClientVerify, Reason: d.Reason.String()}
	status := d.Status()
	switch {
	case d.GoesOn() && a.Status == 0:
		v.Verdict = verdictPass
		v.Headers = make([][2]string, len(a.Headers))
		for i, h := range a.Headers {
			v.Headers[i] = [2]string{h.Name, h.Value}
		}
		if a.Consumer != nil {
			v.Consumer = a.Consumer.ID
		}
		v.Credential, v.Groups = a.CredentialID, a.Groups
	case d.GoesOn():
		return verdict{}, fmt.Errorf("a decision that goes on with an answer of status %d", a.Status)
	case status == 401:
		v.Verdict, v.Status, v.Body = verdictRefuse, status, string(a.Body)
	case status == 500:
		v.Verdict, v.Status, v.Body = verdictFault, status, string(a.Body)
	default:
		return verdict{}, fmt.Errorf("a decision that ends with status %d", status)
	}
	return v, nil
}

// fault is the verdict about what went wrong, with its lines for the log.
func (d *Door) fault(x *deciding, err error) verdict {
	for _, line := range d.Plugin.Fault(err) {
		x.Log(line)
	}
	v, _ := verdictOf(authn.Deny(authn.Internal, nil))
	return v
}
