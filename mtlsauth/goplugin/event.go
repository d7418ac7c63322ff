package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/Kong/go-pdk"
	"github.com/Kong/go-pdk/entities"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/engine"
	"mtls-auth/mtlsauth/internal/konglog"
)

// event is one access phase of one request: what the plugin needs of Kong. Kong
// does what it is asked, one call after another, and reads nothing else
// meanwhile.
type event struct {
	kong *pdk.PDK
	time time.Time

	leaf string // what Kong says the client's certificate is, once it was asked

	turn chan struct{} // holds one while Kong is asked
	over bool          // no call is made any more; written and read in turn
}

func newEvent(kong *pdk.PDK) *event {
	return &event{kong: kong, time: time.Now(), turn: make(chan struct{}, 1)}
}

// maxAnswer is how long Kong may take to answer. An event that its worker has
// abandoned gets none any more, and others may wait for the decision that it
// keeps waiting.
const maxAnswer = 5 * time.Second

var _ engine.Request = (*event)(nil)

// ask calls a method of Kong's PDK. Its answer is nil for Lua's nil.
//
// go-pdk's own functions take a nil for an error, and its GetCredential prints
// the credential: so the method is asked for by its name.
func (e *event) ask(method string, args ...any) (any, error) {
	late := time.NewTimer(maxAnswer)
	defer late.Stop()
	noAnswer := func() (any, error) {
		return nil, fmt.Errorf("asking Kong for %s: no answer within %v", method, maxAnswer)
	}
	select {
	case e.turn <- struct{}{}:
	case <-late.C:
		return noAnswer()
	}
	if e.over {
		<-e.turn
		return nil, errors.New("asking Kong: the event has its answer")
	}
	var reply any
	asked := make(chan error, 1)
	go func() {
		defer func() { <-e.turn }() // not before Kong has answered, see end
		asked <- recovered(func() (err error) {
			reply, err = e.kong.Client.Ask(method, args...)
			return err
		})
	}()
	select {
	case err := <-asked:
		if err != nil {
			return nil, fmt.Errorf("asking Kong for %s: %w", method, err)
		}
		return reply, nil
	case <-late.C:
		return noAnswer()
	}
}

// text asks for a string, "" where Kong has none.
func (e *event) text(method string, args ...any) (string, error) {
	reply, err := e.ask(method, args...)
	if err != nil || reply == nil {
		return "", err
	}
	text, ok := reply.(string)
	if !ok {
		return "", fmt.Errorf("asking Kong for %s: expected a string, got %T", method, reply)
	}
	return text, nil
}

// end ends all calls. It waits for one that is being made, for good
// where Kong has abandoned the event.
func (e *event) end() {
	e.turn <- struct{}{}
	e.over = true
	<-e.turn
}

// exit ends the request. It has to be the last: go-pdk's channel is closed by it.
func (e *event) exit(a *authn.Answer, grpc bool) {
	body, headers := string(a.Body()), map[string][]string{"Content-Type": {"application/json; charset=utf-8"}}
	if grpc { // Kong adds grpc-status
		body, headers = "", map[string][]string{"Content-Type": {"application/grpc"}, "grpc-message": {a.Message}}
	}
	e.end()
	e.kong.Response.Exit(a.Status, body, headers)
}

// isGRPC tells whether the request is of gRPC, as Kong tells it; false where Kong cannot
// be asked.
func (e *event) isGRPC() bool {
	contentType, err := e.text("kong.nginx.get_var", "content_type")
	if err != nil || !strings.HasPrefix(contentType, "application/grpc") {
		return false
	}
	protocol, err := e.text("kong.nginx.get_var", "server_protocol")
	return err == nil && protocol == "HTTP/2.0"
}

// Time implements engine.Request.
func (e *event) Time() time.Time { return e.time }

// Log implements engine.Request. Through this protocol Kong itself puts the plugin's
// name before a line.
func (e *event) Log(line konglog.Line) {
	e.ask("kong.log."+line.Severity(), strings.TrimPrefix(line.Text, "["+name+"] "))
}

// SessionReused implements engine.Request.
func (e *event) SessionReused() string {
	reused, _ := e.text("kong.nginx.get_var", "ssl_session_reused")
	return reused
}

// LoadConsumers implements engine.Request.
func (e *event) LoadConsumers(queries []consumer.Query) ([]*consumer.Consumer, error) {
	found := make([]*consumer.Consumer, len(queries))
	for i, q := range queries {
		reply, err := e.ask("kong.client.load_consumer", q.Value, q.By == consumer.ByUsername)
		if err != nil {
			return nil, err
		}
		c, ok := reply.(entities.Consumer)
		if !ok {
			return nil, fmt.Errorf("reading a consumer: got %T", reply)
		}
		if c.Id != "" { // else no consumer: a nil arrives as an empty one
			found[i] = &consumer.Consumer{ID: c.Id, Username: c.Username, CustomID: c.CustomId, Tags: c.Tags, CreatedAt: int64(c.CreatedAt)}
		}
	}
	return found, nil
}
