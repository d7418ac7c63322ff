// Package luakong runs Lua plugins as a worker of Kong does: their real files, in a
// Lua 5.1 interpreter. What of nginx's and Kong's API the plugin uses is here (ngx,
// kong, cjson, resty.*, cosockets, semaphores, timers, pipes); to use anything else is
// an error that names it. There is no FFI.
//
// A worker has one lock. It is held while Lua runs and let go while a call waits. So, as
// in nginx, one request runs at a time and is interrupted only by calls that wait. Each
// request, handshake and timer has a Lua thread of its own.
package luakong

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	lua "github.com/yuin/gopher-lua"

	"mtls-auth/mtlsauth/internal/testing/errlog"
)

// Options says what a worker is.
type Options struct {
	ID   int    // ngx.worker.id
	Path string // lua_package_path = Path/?.lua;;
	// Files are Lua files that Kong has itself, by module, such as
	// kong.plugins.acl.handler.
	Files         map[string]string
	Configuration map[string]any
	Log           *errlog.Log
	Shared        *Shared // ngx.shared.kong of all workers
	Trusted       func(ip string) bool
	// Data returns the rows of an entity, such as consumers, at this moment.
	Data func(entity string) []map[string]any
}

// Worker is a worker of Kong. Its methods may be called at the same time.
type Worker struct {
	opts  Options
	state *lua.LState

	mu       sync.Mutex // held while Lua runs
	requests map[*lua.LState]*Request
	hellos   map[*lua.LState]*Handshake
	plugins  map[string]*lua.LTable // handlers
	cacheKey map[string][]string    // of plugins' entities: the fields of their cache key
	events   []subscription
	sockets  sockets
	procs    map[*proc]bool

	exiting chan struct{} // closed when the worker is to end
	ctx     context.Context
	kill    context.CancelFunc
	once    sync.Once
	running sync.WaitGroup
}

// New returns a worker without plugins.
func New(o Options) *Worker {
	w := &Worker{
		opts: o, requests: map[*lua.LState]*Request{}, hellos: map[*lua.LState]*Handshake{}, plugins: map[string]*lua.LTable{},
		cacheKey: map[string][]string{}, sockets: newSockets(), procs: map[*proc]bool{}, exiting: make(chan struct{}),
	}
	w.ctx, w.kill = context.WithCancel(context.Background())
	w.state = lua.NewState(lua.Options{RegistrySize: 512, RegistryMaxSize: 1 << 20, MinimizeStackMemory: true})
	L := w.state
	L.SetGlobal("ngx", w.newNgx(L))
	L.SetGlobal("kong", w.newKong(L))
	for name, load := range map[string]lua.LGFunction{
		"cjson": loadCJSON, "cjson.safe": loadCJSON, "lfs": loadLFS, "ngx.pipe": w.loadPipe,
		"ngx.semaphore": w.loadSemaphore, "ngx.ssl": w.loadSSL, "resty.core.request": loadNothing, "resty.lrucache": loadLRUCache,
		"resty.sha256": loadSHA256, "resty.string": loadString, "kong.db.schema.typedefs": loadTypedefs, "kong.runloop.certificate": loadCertificate,
	} {
		L.PreloadModule(name, load)
	}
	L.SetField(L.GetField(L.GetGlobal("package"), "loaded"), "kong.plugins.prometheus.exporter", w.loadExporter(L))
	openRequire(L, o.Files, o.Path)
	return w
}

// Quit ends the worker as kong reload does: timers learn that it is exiting and end by
// themselves. What still runs after grace is ended.
func (w *Worker) Quit(grace time.Duration) {
	w.once.Do(func() { close(w.exiting) })
	ended := make(chan struct{})
	go func() {
		w.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(grace):
	}
	w.Close()
}

// Close ends the worker as kill -9 does: what waits fails, what it started loses its
// stdin.
func (w *Worker) Close() {
	w.once.Do(func() { close(w.exiting) })
	w.kill()
	w.mu.Lock()
	w.sockets.close()
	for p := range w.procs {
		p.close()
	}
	w.mu.Unlock()
	w.running.Wait()
}

// errKilled is what calls that wait raise in a worker that was closed.
var errKilled = errors.New("the worker was killed")

// wait lets other threads of the worker run while f waits.
func (w *Worker) wait(f func()) {
	w.mu.Unlock()
	defer w.mu.Lock()
	f()
}

// thread runs f in a Lua thread of its own. Its request and handshake may be nil.
func (w *Worker) thread(r *Request, h *Handshake, f func(L *lua.LState)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	L, _ := w.state.NewThread()
	if r != nil {
		w.requests[L] = r
		defer delete(w.requests, L)
	}
	if h != nil {
		w.hellos[L] = h
		defer delete(w.hellos, L)
	}
	f(L)
}

// call calls a Lua function. An error of Lua's has a traceback.
func call(L *lua.LState, f lua.LValue, args ...lua.LValue) error {
	return L.CallByParam(lua.P{Fn: f, Protect: true}, args...)
}

// log writes to Kong's log, with what nginx adds about the request.
func (w *Worker) log(L *lua.LState, level errlog.Level, text string) {
	if r := w.requests[L]; r != nil {
		r.Logf(level, "[lua] %s", text)
		return
	}
	w.opts.Log.Printf(level, "[lua] %s, context: ngx.timer", text)
}

// raise raises an error that names what is not emulated.
func raise(L *lua.LState, format string, args ...any) int {
	L.RaiseError("luakong: %s", fmt.Sprintf(format, args...))
	return 0
}

// strict makes a table whose missing fields are errors, but for those that get knows.
func strict(L *lua.LState, name string, functions map[string]lua.LGFunction, get func(L *lua.LState, key string) lua.LValue) *lua.LTable {
	t := L.NewTable()
	L.SetFuncs(t, functions)
	meta := L.NewTable()
	L.SetField(meta, "__index", L.NewFunction(func(L *lua.LState) int {
		key := L.CheckString(2)
		if get != nil {
			if v := get(L, key); v != nil {
				L.Push(v)
				return 1
			}
		}
		return raise(L, "%s.%s is not emulated", name, key)
	}))
	L.SetMetatable(t, meta)
	return t
}
