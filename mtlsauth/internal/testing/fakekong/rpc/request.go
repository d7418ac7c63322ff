package rpc

import (
	"fmt"
	"net/http"
	"strings"

	"mtls-auth/mtlsauth/internal/testing/errlog"
)

// Request is a request while Kong's plugins run: what they may ask about it,
// and what they did to it. It is used by one goroutine at a time.
type Request struct {
	// Var answers kong.nginx.get_var. A variable that is unset or unknown is
	// "". nil knows none.
	Var func(name string) string

	ID         string // $request_id
	Method     string
	Path       string // with the query left out
	RawQuery   string // as the client sent it, or as a plugin left it
	Host       string // without a port
	Port       int    // that the request came in on
	Scheme     string // http or https
	Proto      string // HTTP/1.1
	ClientIP   string
	ClientPort int

	// Header is what goes to the upstream, with the client's headers to begin
	// with. In Kong it is one table: a header that a plugin sets is what
	// kong.request.get_header gives the next one.
	Header http.Header

	Shared map[string]any // kong.ctx.shared, values as encoding/json has them
	Ctx    map[string]any // ngx.ctx, authenticated_consumer and authenticated_credential among it

	Serialized map[string]any // what kong.log.set_serialize_value has set

	Route, Service map[string]any // for kong.router; nil for none

	// ResponseHeader is what plugins set for the answer.
	ResponseHeader http.Header
	// Exit is the answer that ended the request, nil when it goes on.
	Exit *Exit
	// Log keeps the lines of this request for the caller, besides the log of
	// the client; levels are not filtered here. It stays empty unless KeepLog.
	Log     []errlog.Line
	KeepLog bool

	log  *errlog.Log
	sent string // path and query as the client sent them
	held []*conn
}

// Exit is an answer given by a plugin or by Kong itself.
type Exit struct {
	Status int
	Body   []byte
	Header http.Header
	// Failed says that Kong answered, because the plugin's event failed.
	Failed bool
}

// Consumer returns what kong.client.get_consumer would, nil for none.
func (r *Request) Consumer() map[string]any { return r.entity("authenticated_consumer") }

// Credential returns what kong.client.get_credential would, nil for none.
func (r *Request) Credential() map[string]any { return r.entity("authenticated_credential") }

func (r *Request) entity(key string) map[string]any {
	e, _ := r.Ctx[key].(map[string]any)
	return e
}

// Attach says where the request's log lines go besides, and keeps the path and
// query for them as they are now.
func (r *Request) Attach(log *errlog.Log) { r.log, r.sent = log, r.target() }

// End is to be called when the answer has been sent: it closes the connections
// to the plugin server that cannot be used again.
func (r *Request) End() {
	for _, c := range r.held {
		c.Close()
	}
	r.held = nil
}

// hold keeps a connection for End. While a plugin server closes again and
// again, the ones that are closed anyway must not pile up.
func (r *Request) hold(c *conn) {
	if len(r.held) >= 16 {
		r.held[0].Close()
		r.held = r.held[1:]
	}
	r.held = append(r.held, c)
}

// fail is kong.response.error(500).
func (r *Request) fail() {
	r.Exit = ErrorExit(r, http.StatusInternalServerError, "An unexpected error occurred")
}

// SetSerializeValue is kong.log.set_serialize_value, with its mode set and a key without
// dots.
func (r *Request) SetSerializeValue(key string, value any) {
	if r.Serialized == nil {
		r.Serialized = map[string]any{}
	}
	r.Serialized[key] = value
}

// ErrorExit makes the answer that Kong gives itself (kong.response.error).
func ErrorExit(r *Request, status int, message string) *Exit {
	return &Exit{
		Status: status,
		Body:   fmt.Appendf(nil, `{"message":%q,"request_id":%q}`, message, r.ID),
		Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}},
		Failed: true,
	}
}

// Logf adds a line of Kong's log about this request.
func (r *Request) Logf(level errlog.Level, format string, args ...any) {
	r.logf(level, format, args...)
}

func (r *Request) logf(level errlog.Level, format string, args ...any) {
	if r.KeepLog {
		r.Log = append(r.Log, errlog.Line{Level: level, Text: fmt.Sprintf(format, args...)})
	}
	if r.log.Keeps(level) {
		r.log.Printf(level, "%s, client: %s, server: kong, request: \"%s %s %s\", host: %q, request_id: %q",
			fmt.Sprintf(format, args...), r.ClientIP, r.Method, r.asSent(), r.Proto, r.Host, r.ID)
	}
}

// asSent is $request_uri: plugins that change the query do not change it.
func (r *Request) asSent() string {
	if r.sent == "" {
		return r.target()
	}
	return r.sent
}

func (r *Request) target() string {
	if r.RawQuery == "" {
		return r.Path
	}
	return r.Path + "?" + r.RawQuery
}

// DropHopByHop clears the headers that the client's Connection header names, as
// Kong does after the access phase: also those that a plugin has set.
func (r *Request) DropHopByHop() {
	connection := r.Header.Get("Connection")
	if connection == "keep-alive" || connection == "close" || connection == "upgrade" {
		return
	}
	for name := range strings.SplitSeq(connection, ",") {
		if name = strings.TrimSpace(name); name != "" && name != "upgrade" {
			r.Header.Del(name)
		}
	}
}
