package engine

import (
	"context"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/konglog"
)

// Request is what is needed of Kong for one event, in the words of whichever PDK
// leads to it. It is good for that event alone.
type Request interface {
	// Time is when the event arrived: the one reading of the clock that all
	// decisions about the request use.
	Time() time.Time
	// Log writes to Kong's log. A line that can not be written is lost: the
	// answer does not depend on it.
	Log(konglog.Line)
	// SessionReused returns nginx's variable ssl_session_reused: "r" for a
	// resumed TLS session, "." for another one, anything else when it can not
	// be had.
	SessionReused() string
}

// Loader is a door through which Kong can be asked for consumers by id or
// username, never by custom_id. One that it does not find is nil.
type Loader interface {
	LoadConsumers([]consumer.Query) ([]*consumer.Consumer, error)
}

// Instance is a configuration in one of Kong's workers.
type Instance struct {
	engine *Engine
	policy *sharedPolicy   // nil when the configuration was refused
	denied *authn.Decision // the answer to every request, when it was
	held   bool            // CA certificates came along: no source is used
}

// Refused is the decision about every request of a refused configuration; nil
// for others. It comes first in every event: with it go the lines for Kong's
// log that no request is to blame for.
func (in *Instance) Refused(r Request) *authn.Decision {
	if !in.engine.luaMode {
		in.write(r, in.engine.log.Due(r.Time(), !in.held))
	}
	if in.denied != nil {
		in.write(r, in.engine.log.Decision(in.denied, konglog.Context{}, r.Time()))
	}
	return in.denied
}

// AsksCredential tells whether Decide needs to know if an earlier plugin has
// authenticated the request.
func (in *Instance) AsksCredential() bool { return in.policy.AsksCredential() }

// Decide decides about what a client presented, and writes a line to Kong's log
// where one is due. Consumers come from the sources, or else from Kong itself.
func (in *Instance) Decide(ctx context.Context, r interface {
	Request
	Loader
}, presented authn.Presented) *authn.Decision {
	if in.policy.asks {
		in.engine.store.AwaitCredentials()
	}
	return in.DecideBy(ctx, r, directory{in.engine, r, in.policy.Known()}, presented)
}

// DecideBy is Decide for a door that has a directory of its own.
func (in *Instance) DecideBy(ctx context.Context, r Request, dir consumer.Directory, presented authn.Presented) *authn.Decision {
	d := in.policy.Authenticate(ctx, presented, dir, r.Time())
	in.write(r, in.engine.log.Decision(d, about(r, presented), r.Time()))
	return d
}

func (in *Instance) write(r Request, lines []konglog.Line) {
	for _, line := range lines {
		r.Log(line)
	}
}

func about(r Request, presented authn.Presented) konglog.Context {
	return konglog.Context{Chain: len(presented.Chain) > 0, Resumed: r.SessionReused}
}

// Fault logs what went wrong in an event and returns the lines about it for
// Kong's log.
func (p *Engine) Fault(err error) []konglog.Line { return p.log.Fault(err, time.Now()) }

// Close gives the policy back when Kong does not know the instance any more.
func (in *Instance) Close() {
	if in.policy != nil {
		in.engine.release(in.policy)
	}
}
