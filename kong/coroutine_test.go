package kong_test

import (
	lua "github.com/yuin/gopher-lua"
)

// coroutine is a goroutine with a Lua thread, of which one runs at a time. Those of the
// interpreter cannot yield inside pcall, as LuaJIT's can.
type coroutine struct {
	f       *lua.LFunction
	resumed chan struct{}
	yielded chan error // what it ended with, where it has ended
	begun   bool
	ended   bool
}

// openCoroutines puts them in the place of the interpreter's.
func openCoroutines(L *lua.LState) {
	running := map[*lua.LState]*coroutine{}
	check := func(L *lua.LState) *coroutine {
		c, ok := L.CheckUserData(1).Value.(*coroutine)
		if !ok {
			L.ArgError(1, "coroutine expected")
		}
		return c
	}
	t := L.NewTable()
	L.SetFuncs(t, map[string]lua.LGFunction{
		"create": func(L *lua.LState) int {
			u := L.NewUserData()
			u.Value = &coroutine{f: L.CheckFunction(1), resumed: make(chan struct{}), yielded: make(chan error)}
			L.Push(u)
			return 1
		},
		"resume": func(L *lua.LState) int {
			c := check(L)
			if c.begun {
				c.resumed <- struct{}{}
			} else {
				c.begun = true
				thread, _ := L.NewThread()
				running[thread] = c
				go func() {
					err := thread.CallByParam(lua.P{Fn: c.f, Protect: true})
					c.ended = true
					delete(running, thread)
					c.yielded <- err
				}()
			}
			if err := <-c.yielded; err != nil {
				L.Push(lua.LFalse)
				L.Push(lua.LString(err.Error()))
				return 2
			}
			L.Push(lua.LTrue)
			return 1
		},
		"yield": func(L *lua.LState) int {
			c := running[L]
			c.yielded <- nil
			<-c.resumed
			return 0
		},
		"status": func(L *lua.LState) int {
			status := "suspended"
			if check(L).ended {
				status = "dead"
			}
			L.Push(lua.LString(status))
			return 1
		},
	})
	L.SetGlobal("coroutine", t)
	traceback := L.GetField(L.GetGlobal("debug"), "traceback")
	L.SetField(L.GetGlobal("debug"), "traceback", L.NewFunction(func(L *lua.LState) int {
		if L.Get(1).Type() == lua.LTUserData { // the error of a coroutine has its own
			L.Push(L.Get(2))
			return 1
		}
		L.Push(traceback)
		L.Push(L.Get(1))
		L.Call(1, 1)
		return 1
	}))
}
