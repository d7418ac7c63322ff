package pluginserver_test

import (
	"errors"
	"testing"

	pdk "github.com/Kong/go-pdk"

	"mtls-auth/mtlsauth/internal/pluginserver"
)

func TestRecord(t *testing.T) {
	calls, err := pluginserver.Record(func(kong *pdk.PDK) error {
		return kong.Nginx.SetCtx("k", "v")
	})
	if err != nil || calls.Exits() {
		t.Errorf("a statement: got exits %v, error %v", calls.Exits(), err)
	}
	if !exit401.Exits() {
		t.Error("an exit is not known as one")
	}
	if _, err := pluginserver.Record(func(kong *pdk.PDK) error {
		return kong.Nginx.SetCtx("k", "not UTF-8: \xff")
	}); err == nil {
		t.Error("a call that go-pdk refuses was recorded")
	}
	if _, err := pluginserver.Record(func(kong *pdk.PDK) error {
		kong.Response.Exit(401, nil, nil)
		return kong.Nginx.SetCtx("k", "v")
	}); err == nil {
		t.Error("a call after an exit was recorded: Kong would not read it")
	}
	boom := errors.New("boom")
	if _, err := pluginserver.Record(func(*pdk.PDK) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("got %v, want it to wrap the cause", err)
	}
}
