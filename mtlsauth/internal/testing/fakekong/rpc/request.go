package rpc

import (
	"fmt"
	"net/http"
	"strings"

	"mtls-auth/mtlsauth/internal/testing/errlog"
)

// Request is a request while Kong's plugins run: what they may ask about it, and what they
// did to it. It is used by one goroutine at a time.
type Request struct {
	// Var answers kong.nginx.get_var; "" is a variable that is unset or unknown. nil knows
	// none.
	Var func(name string) string

	ID       string // $request_id
	Method   string
	URI      string // as the client sent it
	Host     string // without a port
	Port     int    // that the request came in on
	Scheme   string // http or https
	Proto    string // HTTP/1.1
	ClientIP string

	// Header is what goes to the upstream, with the client's headers to begin with. In Kong
	// it is one table: a header that a plugin sets is what the next one gets.
	Header http.Header

	Shared map[string]any // kong.ctx.shared, values as encoding/json has them
	Ctx    map[string]any // ngx.ctx, authenticated_consumer and authenticated_credential among it

	Serialized map[string]any // what kong.log.set_serialize_value has set

	// Exit is the answer that ended the request, nil when it goes on.
	Exit *Exit
	// Log keeps the lines of this request for the caller, besides the log of the client;
	// levels are not filtered here. It stays empty unless KeepLog.
	Log     []errlog.Line
	KeepLog bool

	log  *errlog.Log
	held []*conn
}

// Exit is an answer given by a plugin or by Kong itself.
type Exit struct {
	Status int
	Body   []byte
	Header http.Header
}

// Consumer returns the authenticated consumer, nil for none.
func (r *Request) Consumer() map[string]any { return r.entity("authenticated_consumer") }

// Credential returns the authenticated credential, nil for none.
func (r *Request) Credential() map[string]any { return r.entity("authenticated_credential") }

func (r *Request) entity(key string) map[string]any {
	e, _ := r.Ctx[key].(map[string]any)
	return e
}

// Attach says where the request's log lines go besides.
func (r *Request) Attach(log *errlog.Log) { r.log = log }

// End is to be called when the answer has been sent: it closes the connections to the plugin
// server that cannot be used again.
func (r *Request) End() {
	for _, c := range r.held {
		c.Close()
	}
	r.held = nil
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
	}
}

// Logf adds a line of Kong's log about this request.
func (r *Request) Logf(level errlog.Level, format string, args ...any) {
	if r.KeepLog {
		r.Log = append(r.Log, errlog.Line{Level: level, Text: fmt.Sprintf(format, args...)})
	}
	if r.log.Keeps(level) {
		r.log.Printf(level, "%s, client: %s, server: kong, request: \"%s %s %s\", host: %q, request_id: %q",
			fmt.Sprintf(format, args...), r.ClientIP, r.Method, r.URI, r.Proto, r.Host, r.ID)
	}
}

// DropHopByHop clears the headers that the client's Connection header names, as Kong does
// after the access phase: also those that a plugin has set.
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
