package plugin

import (
	"context"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/consumer"
)

// Door is what is needed of Kong for one event, in the words of whichever PDK
// leads to it. It is good for that event alone.
type Door interface {
	// Time is when the event arrived: the one reading of the clock that all
	// decisions about the request use.
	Time() time.Time
	// Log writes to Kong's log. A line that can not be written is lost: the
	// answer does not depend on it.
	Log(Line)
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
	plugin *Plugin
	policy *sharedPolicy   // nil when the configuration was refused
	denied *authn.Decision // the answer to every request, when it was
	held   bool            // CA certificates came along: no source is used
}

// Refused is the decision about every request of a refused configuration; nil
// for others. It comes first in every event: with it go the lines for Kong's
// log that no request is to blame for.
func (in *Instance) Refused(door Door) *authn.Decision {
	in.plugin.log.forward(door, !in.held)
	if in.denied != nil {
		in.plugin.log.decision(door, in.denied, false)
	}
	return in.denied
}

// AsksCredential tells whether Decide needs to know if an earlier plugin has
// authenticated the request.
func (in *Instance) AsksCredential() bool { return in.policy.AsksCredential() }

// Decide decides about what a client presented, and writes a line to Kong's log
// where one is due. Consumers come from the sources, or else from Kong itself.
func (in *Instance) Decide(ctx context.Context, door interface {
	Door
	Loader
}, presented authn.Presented) *authn.Decision {
	if in.policy.asks {
		in.plugin.first.wait()
	}
	return in.DecideBy(ctx, door, directory{in.plugin, door, in.policy.Known()}, presented)
}

// DecideBy is Decide for a door that has a directory of its own.
func (in *Instance) DecideBy(ctx context.Context, door Door, dir consumer.Directory, presented authn.Presented) *authn.Decision {
	d := in.policy.Authenticate(ctx, presented, dir, door.Time())
	in.plugin.log.decision(door, d, len(presented.Chain) > 0)
	return d
}

// Close gives the policy back when Kong does not know the instance any more.
func (in *Instance) Close() {
	if in.policy != nil {
		in.plugin.release(in.policy)
	}
}
