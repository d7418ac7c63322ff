package main_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

var mapType = reflect.TypeFor[map[string]any]()

// request is a request in Kong with what plugins can ask of it and do to it. It
// answers as Kong 3.9.1's plugin.lua and mp_rpc.lua do, and knows nothing that it
// was not told.
type request struct {
	vars      map[string]string
	consumers []map[string]any
	pluginID  string // of the plugin that runs; "" for a Kong that does not tell
	abandon   string // the method at which the worker dies; "" for none

	shared, ctx          map[string]any
	headers              map[string]any
	consumer, credential any
	exit                 *exit
	log                  []string
}

type exit struct {
	status  int
	body    string
	headers any
}

// steps are the methods by which typed answers go back, in mp_rpc.lua.
var steps = map[string]string{
	"kong.client.load_consumer": "plugin.StepConsumer",
	"kong.client.authenticate":  "plugin.StepCredential",
}

// do does what a PDK call says.
func (r *request) do(t *testing.T, method string, args []any) any {
	t.Helper()
	arg := func(i int) any {
		if i < len(args) {
			return args[i]
		}
		return nil
	}
	name, _ := arg(0).(string)
	switch method {
	case "kong.nginx.get_var":
		if v, ok := r.vars[name]; ok {
			return v
		}
	case "kong.plugin.get_id":
		if r.pluginID != "" {
			return r.pluginID
		}
	case "kong.ctx.shared.get":
		return r.shared[name]
	case "kong.ctx.shared.set":
		r.shared[name] = arg(1)
	case "kong.nginx.get_ctx":
		return r.ctx[name]
	case "kong.nginx.set_ctx":
		r.ctx[name] = arg(1)
	case "kong.client.load_consumer":
		for _, c := range r.consumers {
			if c["id"] == name || arg(1) == true && c["username"] == name {
				return c
			}
		}
	case "kong.client.authenticate":
		r.consumer, r.credential = arg(0), arg(1)
	case "kong.service.request.set_headers":
		r.headers, _ = arg(0).(map[string]any)
	case "kong.response.exit":
		body, _ := arg(1).(string)
		r.exit = &exit{integer(arg(0)), body, arg(2)}
	default:
		level, ok := strings.CutPrefix(method, "kong.log.")
		if !ok {
			t.Errorf("Kong has no %s", method)
		}
		r.log = append(r.log, level+" "+name)
	}
	return nil
}

// run runs the access phase of an instance, as mp_rpc.lua's bridge_loop does.
func (r *request) run(t *testing.T, c *client, instance int) {
	t.Helper()
	if r.shared == nil {
		r.shared = map[string]any{}
	}
	if r.ctx == nil {
		r.ctx = map[string]any{}
	}
	reply, failed := c.call(t, "plugin.HandleEvent", map[string]any{"InstanceId": instance, "EventName": "access"})
	for {
		step, ok := reply.(map[string]any)
		if !ok {
			t.Fatalf("got %v and error %q, with which Kong lets the request pass", reply, failed)
		}
		if step["Data"] == "ret" {
			return
		}
		data := step["Data"].(map[string]any)
		method := data["Method"].(string)
		if method == r.abandon {
			return
		}
		args, _ := data["Args"].([]any)
		answer := map[string]any{"EventId": step["EventId"]}
		if v := r.do(t, method, args); v != nil {
			answer["Data"] = v // a Lua table has no key for nil
		}
		if r.exit != nil {
			return // Kong's coroutine ends here
		}
		by := steps[method]
		if by == "" {
			by = "plugin.Step"
		}
		reply, failed = c.call(t, by, answer)
	}
}

// instance starts an instance of a configuration and returns its id.
func (c *client) instance(t *testing.T, config map[string]any) int {
	t.Helper()
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	status, failed := c.call(t, "plugin.StartInstance", map[string]any{"Name": "mtls-auth", "Config": string(text)})
	if failed != "" {
		t.Fatalf("starting an instance: %s", failed)
	}
	return integer(status.(map[string]any)["Id"])
}
