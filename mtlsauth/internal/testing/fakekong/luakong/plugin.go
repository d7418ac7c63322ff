package luakong

import (
	"errors"
	"fmt"

	lua "github.com/yuin/gopher-lua"

	"mtls-auth/mtlsauth/internal/testing/errlog"
)

// Conf is the configuration of a plugin in one worker: the same Lua table as long as it
// is in force.
type Conf struct{ table *lua.LTable }

// NewConf makes one.
func (w *Worker) NewConf(fields map[string]any) *Conf {
	w.mu.Lock()
	defer w.mu.Unlock()
	return &Conf{toLua(w.state, fields).(*lua.LTable)}
}

// Plugin is what a plugin's files say of it.
type Plugin struct {
	Priority int
	Schema   map[string]any // as encoding/json would read it
	Entities []Entity       // of its own, from daos.lua
}

// Entity is a kind of rows that belongs to a plugin.
type Entity struct {
	Name   string
	Fields []Field
}

// Field is a field of an entity.
type Field struct {
	Name      string
	Reference string // the entity that a foreign key is of; "" for a text
	Required  bool
}

// Load loads a plugin's handler, schema and entities.
func (w *Worker) Load(name string) (*Plugin, error) {
	p := &Plugin{}
	var err error
	w.thread(nil, nil, func(L *lua.LState) {
		var handler, schema, daos *lua.LTable
		if handler, err = require(L, "kong.plugins."+name+".handler"); err != nil {
			return
		}
		if schema, err = require(L, "kong.plugins."+name+".schema"); err != nil {
			return
		}
		w.plugins[name] = handler
		priority, _ := L.GetField(handler, "PRIORITY").(lua.LNumber)
		p.Priority, p.Schema = int(priority), fromLua(schema).(map[string]any)
		if daos, err = require(L, "kong.plugins."+name+".daos"); err != nil {
			err = nil // it has no entities
			return
		}
		daos.ForEach(func(_, entity lua.LValue) {
			def, _ := fromLua(entity).(map[string]any)
			e := Entity{Name: fmt.Sprint(def["name"])}
			list, _ := def["cache_key"].([]any)
			w.cacheKey[e.Name] = nil // loaded before, in another thread
			for _, field := range list {
				w.cacheKey[e.Name] = append(w.cacheKey[e.Name], fmt.Sprint(field))
			}
			list, _ = def["fields"].([]any)
			for _, one := range list {
				for name, def := range one.(map[string]any) {
					f := Field{Name: name}
					if def, ok := def.(map[string]any); ok {
						f.Reference, _ = def["reference"].(string)
						f.Required = def["required"] == true
					}
					e.Fields = append(e.Fields, f)
				}
			}
			p.Entities = append(p.Entities, e)
		})
	})
	return p, err
}

func require(L *lua.LState, module string) (*lua.LTable, error) {
	if err := L.CallByParam(lua.P{Fn: L.GetGlobal("require"), NRet: 1, Protect: true}, lua.LString(module)); err != nil {
		return nil, err
	}
	t, ok := L.Get(-1).(*lua.LTable)
	L.Pop(1)
	if !ok {
		return nil, fmt.Errorf("%s is not a table", module)
	}
	return t, nil
}

// method calls a method of a plugin's handler, if it has it.
func (w *Worker) method(L *lua.LState, plugin, name string, args ...lua.LValue) error {
	handler := w.plugins[plugin]
	f, ok := handler.RawGetString(name).(*lua.LFunction)
	if !ok {
		return nil
	}
	return call(L, f, append([]lua.LValue{handler}, args...)...)
}

// InitWorker runs the init_worker phase of a plugin.
func (w *Worker) InitWorker(plugin string) (err error) {
	w.thread(nil, nil, func(L *lua.LState) { err = w.method(L, plugin, "init_worker") })
	return err
}

// Configure tells a plugin all its configurations, as Kong does since 3.5.
func (w *Worker) Configure(plugin string, all []*Conf) (err error) {
	w.thread(nil, nil, func(L *lua.LState) {
		list := lua.LValue(lua.LNil)
		if len(all) > 0 {
			t := L.NewTable()
			for _, c := range all {
				t.Append(c.table)
			}
			list = t
		}
		err = w.method(L, plugin, "configure", list)
	})
	return err
}

// Access runs the access phase of a plugin. An error is what it raised; the answer that
// it gave, if any, is the request's Exit.
func (w *Worker) Access(plugin string, conf *Conf, r *Request) (err error) {
	w.thread(r, nil, func(L *lua.LState) { err = unlessExited(w.method(L, plugin, "access", conf.table)) })
	return err
}

// Run runs Lua code, as pre-function does in the access phase.
func (w *Worker) Run(code *lua.FunctionProto, r *Request) (err error) {
	w.thread(r, nil, func(L *lua.LState) { err = unlessExited(call(L, L.NewFunctionFromProto(code))) })
	return err
}

func unlessExited(err error) error {
	if api, ok := errors.AsType[*lua.ApiError](err); ok {
		if u, ok := api.Object.(*lua.LUserData); ok && u.Value == (exited{}) {
			return nil
		}
	}
	return err
}

// Certificate runs the certificate phase: Kong's own part, which plugins wrap, then the
// code and the plugins that are configured globally. What fails does not stop the
// handshake.
func (w *Worker) Certificate(h *Handshake, code []*lua.FunctionProto, global map[string]*Conf) {
	w.thread(nil, h, func(L *lua.LState) {
		report := func(err error) {
			if err != nil {
				w.log(L, errlog.Error, "certificate phase: "+err.Error())
			}
		}
		own, err := require(L, "kong.runloop.certificate")
		report(err)
		report(call(L, own.RawGetString("execute")))
		for _, c := range code {
			report(call(L, L.NewFunctionFromProto(c)))
		}
		for plugin, conf := range global {
			report(w.method(L, plugin, "certificate", conf.table))
		}
	})
}

func loadCertificate(L *lua.LState) int {
	t := L.NewTable()
	L.SetFuncs(t, map[string]lua.LGFunction{"execute": func(*lua.LState) int { return 0 }})
	L.Push(t)
	return 1
}

// loadTypedefs has the types of fields that plugins' entities use.
func loadTypedefs(L *lua.LState) int {
	L.Push(strict(L, "typedefs", nil, func(L *lua.LState, name string) lua.LValue {
		for _, known := range []string{"uuid", "auto_timestamp_s", "tags"} {
			if name == known {
				return L.NewTable()
			}
		}
		return nil
	}))
	return 1
}
