package luakong

import (
	"net/http"
	"strings"
	"sync"
	"time"

	lua "github.com/yuin/gopher-lua"

	"mtls-auth/mtlsauth/internal/testing/errlog"
)

// Shared is the shared memory of a Kong's workers, which outlives them.
type Shared struct {
	mu     sync.Mutex
	values map[string]lua.LValue

	registry registry
}

// NewShared returns an empty one.
func NewShared() *Shared {
	return &Shared{values: map[string]lua.LValue{}, registry: registry{metrics: map[string]*sampled{}}}
}

var levels = map[string]errlog.Level{
	"ALERT": errlog.Alert, "CRIT": errlog.Crit, "ERR": errlog.Error, "WARN": errlog.Warn, "NOTICE": errlog.Notice, "INFO": errlog.Info, "DEBUG": errlog.Debug,
}

func (w *Worker) newNgx(L *lua.LState) *lua.LTable {
	ngx := strict(L, "ngx", map[string]lua.LGFunction{
		"now": func(L *lua.LState) int {
			L.Push(lua.LNumber(float64(time.Now().UnixMilli()) / 1000))
			return 1
		},
		"time":        func(L *lua.LState) int { L.Push(lua.LNumber(time.Now().Unix())); return 1 },
		"update_time": func(*lua.LState) int { return 0 },
		"log": func(L *lua.LState) int {
			w.log(L, errlog.Level(L.CheckInt(1)), text(L, 2))
			return 0
		},
		"sleep": w.sleep,
	}, w.ngxField)
	for name, level := range levels {
		L.SetField(ngx, name, lua.LNumber(level))
	}
	L.SetField(ngx, "null", null)
	L.SetField(ngx, "var", strict(L, "ngx.var", nil, w.variable))
	config := strict(L, "ngx.config", nil, nil)
	L.SetField(config, "subsystem", lua.LString("http"))
	L.SetField(ngx, "config", config)
	L.SetField(ngx, "req", strict(L, "ngx.req", map[string]lua.LGFunction{
		"get_headers": w.getHeaders, "set_header": w.setHeader, "clear_header": w.clearHeader,
	}, nil))
	L.SetField(ngx, "timer", strict(L, "ngx.timer", map[string]lua.LGFunction{"at": w.timerAt}, nil))
	L.SetField(ngx, "socket", strict(L, "ngx.socket", map[string]lua.LGFunction{"tcp": w.newSocket}, nil))
	L.SetField(ngx, "worker", strict(L, "ngx.worker", map[string]lua.LGFunction{
		"id":      func(L *lua.LState) int { L.Push(lua.LNumber(w.opts.ID)); return 1 },
		"exiting": func(L *lua.LState) int { L.Push(lua.LBool(w.isExiting())); return 1 },
	}, nil))
	shared := strict(L, "ngx.shared", nil, nil)
	L.SetField(shared, "kong", w.opts.Shared.table(L))
	L.SetField(ngx, "shared", shared)
	return ngx
}

func (w *Worker) isExiting() bool {
	select {
	case <-w.exiting:
		return true
	default:
		return false
	}
}

// ngxField is ngx.ctx, which is another table in each request.
func (w *Worker) ngxField(L *lua.LState, key string) lua.LValue {
	if key != "ctx" {
		return nil
	}
	if r := w.requests[L]; r != nil {
		return values(L, r.Ctx)
	}
	return values(L, map[string]any{})
}

func (w *Worker) request(L *lua.LState) *Request {
	r := w.requests[L]
	if r == nil {
		L.RaiseError("API disabled in the current context")
	}
	return r
}

// variable is ngx.var: nil for what is not set.
func (w *Worker) variable(L *lua.LState, name string) lua.LValue {
	if v := w.request(L).Var(name); v != "" {
		return lua.LString(v)
	}
	return lua.LNil
}

// getHeaders is ngx.req.get_headers, and kong.request.get_headers.
func (w *Worker) getHeaders(L *lua.LState) int {
	h, most := w.request(L).Header, L.OptInt(1, 100)
	L.Push(headerTable(L, h, most))
	n := 0
	for _, list := range h {
		n += len(list)
	}
	if most == 0 || n <= most {
		return 1
	}
	L.Push(lua.LString("truncated"))
	return 2
}

// headerTable has names in lower case, and lists where a name has several values. It
// stops after most values; 0 is all.
func headerTable(L *lua.LState, h http.Header, most int) *lua.LTable {
	t, n := L.NewTable(), 0
	for name, list := range h {
		for _, value := range list {
			if most > 0 && n == most {
				return t
			}
			n++
			key := strings.ToLower(name)
			switch before := t.RawGetString(key).(type) {
			case *lua.LTable:
				before.Append(lua.LString(value))
			case lua.LString:
				t.RawSetString(key, toLua(L, []string{string(before), value}))
			default:
				t.RawSetString(key, lua.LString(value))
			}
		}
	}
	return t
}

func (w *Worker) setHeader(L *lua.LState) int {
	h, name := w.request(L).Header, L.CheckString(1)
	h.Del(name)
	switch v := L.Get(2).(type) {
	case *lua.LTable:
		v.ForEach(func(_, e lua.LValue) { h.Add(name, e.String()) })
	case *lua.LNilType:
	default:
		h.Set(name, v.String())
	}
	return 0
}

func (w *Worker) clearHeader(L *lua.LState) int {
	w.request(L).Header.Del(L.CheckString(1))
	return 0
}

func (w *Worker) sleep(L *lua.LState) int {
	d := time.Duration(float64(L.CheckNumber(1)) * float64(time.Second))
	w.wait(func() {
		select {
		case <-time.After(d):
		case <-w.ctx.Done():
		}
	})
	if w.ctx.Err() != nil {
		L.RaiseError("%v", errKilled)
	}
	return 0
}

// timerAt runs a function in a thread of its own, at once with premature where the
// worker is to end.
func (w *Worker) timerAt(L *lua.LState) int {
	delay := time.Duration(float64(L.CheckNumber(1)) * float64(time.Second))
	f := L.CheckFunction(2)
	args := []lua.LValue{lua.LFalse}
	for i := 3; i <= L.GetTop(); i++ {
		args = append(args, L.Get(i))
	}
	if w.ctx.Err() != nil {
		return failed(L, "process exiting")
	}
	w.running.Go(func() {
		select {
		case <-time.After(delay):
		case <-w.exiting:
			args[0] = lua.LTrue
		}
		w.thread(nil, nil, func(L *lua.LState) {
			if err := call(L, f, args...); err != nil && w.ctx.Err() == nil {
				w.log(L, errlog.Error, "lua entry thread aborted: runtime error: "+err.Error())
			}
		})
	})
	L.Push(lua.LTrue)
	return 1
}

func (s *Shared) table(L *lua.LState) *lua.LTable {
	locked := func(f func(L *lua.LState) int) lua.LGFunction {
		return func(L *lua.LState) int {
			s.mu.Lock()
			defer s.mu.Unlock()
			return f(L)
		}
	}
	return strict(L, "ngx.shared.kong", map[string]lua.LGFunction{
		"get": locked(func(L *lua.LState) int {
			v, ok := s.values[L.CheckString(2)]
			if !ok {
				v = lua.LNil
			}
			L.Push(v)
			return 1
		}),
		"set": locked(func(L *lua.LState) int {
			s.values[L.CheckString(2)] = L.Get(3)
			L.Push(lua.LTrue)
			return 1
		}),
		"delete": locked(func(L *lua.LState) int {
			delete(s.values, L.CheckString(2))
			return 0
		}),
	}, nil)
}
