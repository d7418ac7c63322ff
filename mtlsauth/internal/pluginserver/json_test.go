package pluginserver_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/pluginserver"
)

// asking serves questions in JSON: it asks back once, and ends as it is told.
func asking(e *pluginserver.Exchange) error {
	question := string(e.Question())
	if err := e.Write([]byte(`{"asked":` + question + `}`)); err != nil {
		return err
	}
	frame, err := e.Read(time.Now().Add(time.Minute))
	if err != nil {
		return err
	}
	switch string(frame) {
	case `{"panic"}`:
		panic("as it is told")
	case `{"error"}`:
		return errors.New("as it is told")
	}
	return e.Write([]byte(`{"answered":` + string(frame) + `}`))
}

func TestAnotherProtocolOnTheSocket(t *testing.T) {
	r := start(t, handler(passing), func(o *pluginserver.Options) { o.HandleJSON = asking })
	k := r.dial()
	for i := range 3 {
		k.send(fmt.Appendf(nil, `{"n":%d}`, i))
		k.expect(fmt.Sprintf(`{"asked":{"n":%d}}`, i))
		k.send([]byte(`{}`))
		k.expect(`{"answered":{}}`)
	}
	k.startInstance("{}") // Kong's own, on a connection that had another
	for _, end := range []string{`{"panic"}`, `{"error"}`} {
		k := r.dial()
		k.send([]byte(`{}`))
		k.expect(`{"asked":{}}`)
		k.send([]byte(end))
		k.expectClosed()
	}
	k.send([]byte(`{}`))
	k.expect(`{"asked":{}}`) // the others go on
}

// Without it such a frame cannot be read as a call.
func TestNoOtherProtocol(t *testing.T) {
	k := start(t, handler(passing)).dial()
	k.send([]byte(`{}`))
	k.expectClosed()
}

// An exchange under way is ended; one that waits for something hears of the end.
func TestShutdownAndAnotherProtocol(t *testing.T) {
	began, heard := make(chan struct{}), make(chan struct{})
	r := start(t, handler(passing), func(o *pluginserver.Options) {
		o.HandleJSON = func(e *pluginserver.Exchange) error {
			if string(e.Question()) == `{"watch"}` {
				close(began)
				<-e.Draining()
				close(heard)
				return errors.New("ending")
			}
			return asking(e)
		}
	})
	busy, waiting, idle := r.dial(), r.dial(), r.dial()
	busy.send([]byte(`{}`))
	busy.expect(`{"asked":{}}`)
	idle.send([]byte(`{}`))
	idle.expect(`{"asked":{}}`)
	idle.send([]byte(`{}`))
	idle.expect(`{"answered":{}}`)
	waiting.send([]byte(`{"watch"}`))
	<-began
	done := make(chan struct{})
	go func() {
		ctx, cancel := contextOf(5 * time.Second)
		defer cancel()
		r.Shutdown(ctx)
		close(done)
	}()
	<-heard
	waiting.expectClosed()
	idle.expectClosed()
	for _, k := range []kong{waiting, idle} {
		k.Close()
	}
	busy.send([]byte(`{}`))
	busy.expect(`{"answered":{}}`)
	busy.expectClosed()
	busy.Close()
	<-done
}
