package engine

import (
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/konglog"
)

// Request is what is needed of Kong for one request, whichever way it reaches us. It is
// good for that request alone.
type Request interface {
	// Time is when the request arrived: the one reading of the clock that all
	// decisions about it use.
	Time() time.Time
	// Log writes to Kong's log. A line that cannot be written is lost: the
	// answer does not depend on it.
	Log(konglog.Line)
	// SessionReused returns nginx's variable ssl_session_reused: "r" for a
	// resumed TLS session, "." for another one, anything else when it cannot
	// be had.
	SessionReused() string
}

// Loader asks Kong for consumers by id or username, never by custom_id. One that it does
// not find is nil.
type Loader interface {
	LoadConsumers([]consumer.Query) ([]*consumer.Consumer, error)
}

func write(r Request, lines []konglog.Line) {
	for _, line := range lines {
		r.Log(line)
	}
}

// about is what the lines about a decision tell besides.
func (p *Policy) about(r Request, presented authn.Presented) konglog.Context {
	c := konglog.Context{Chain: len(presented.Chain) > 0, Resumed: r.SessionReused}
	if p.header != nil { // the TLS session is the proxy's
		c.Resumed, c.Peer = nil, presented.Peer
	}
	return c
}
