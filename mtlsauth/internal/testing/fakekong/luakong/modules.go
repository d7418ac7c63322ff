package luakong

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"os"
	"slices"
	"syscall"
	"time"

	lua "github.com/yuin/gopher-lua"

	"mtls-auth/mtlsauth/internal/lru"
)

// module pushes a table of functions.
func module(L *lua.LState, name string, functions map[string]lua.LGFunction) int {
	L.Push(strict(L, name, functions, nil))
	return 1
}

// loadNothing is a module of which plugins use only what may be missing.
func loadNothing(L *lua.LState) int {
	L.Push(L.NewTable())
	return 1
}

func loadSHA256(L *lua.LState) int {
	return module(L, "resty.sha256", map[string]lua.LGFunction{"new": func(L *lua.LState) int {
		L.Push(object(L, sha256.New(), map[string]lua.LGFunction{
			"update": func(L *lua.LState) int {
				self[hash.Hash](L).Write([]byte(L.CheckString(2)))
				L.Push(lua.LTrue)
				return 1
			},
			"final": func(L *lua.LState) int {
				L.Push(lua.LString(self[hash.Hash](L).Sum(nil)))
				return 1
			},
		}))
		return 1
	}})
}

func loadString(L *lua.LState) int {
	return module(L, "resty.string", map[string]lua.LGFunction{"to_hex": func(L *lua.LState) int {
		L.Push(lua.LString(hex.EncodeToString([]byte(L.CheckString(1)))))
		return 1
	}})
}

type lruCache struct {
	*lru.Cache[lua.LValue, lua.LValue]
}

func loadLRUCache(L *lua.LState) int {
	return module(L, "resty.lrucache", map[string]lua.LGFunction{"new": func(L *lua.LState) int {
		L.Push(object(L, lruCache{lru.New[lua.LValue, lua.LValue](L.CheckInt(1), 0, nil)}, map[string]lua.LGFunction{
			"get": func(L *lua.LState) int {
				v, ok := self[lruCache](L).Get(L.Get(2))
				if !ok {
					v = lua.LNil
				}
				L.Push(v)
				return 1
			},
			"set": func(L *lua.LState) int {
				self[lruCache](L).Put(L.Get(2), L.Get(3), 0)
				return 0
			},
		}))
		return 1
	}})
}

// loadLFS is LuaFileSystem's attributes.
func loadLFS(L *lua.LState) int {
	return module(L, "lfs", map[string]lua.LGFunction{"attributes": func(L *lua.LState) int {
		info, err := os.Stat(L.CheckString(1))
		if err != nil {
			return failed(L, err.Error())
		}
		stat := info.Sys().(*syscall.Stat_t) //nolint:forcetypeassert // on Linux
		all := map[string]any{"uid": int(stat.Uid), "gid": int(stat.Gid), "size": int(stat.Size)}
		L.Push(toLua(L, all[L.CheckString(2)]))
		return 1
	}})
}

// semaphore is ngx.semaphore's.
type semaphore struct {
	count   int
	waiting []chan struct{}
}

func (w *Worker) loadSemaphore(L *lua.LState) int {
	return module(L, "ngx.semaphore", map[string]lua.LGFunction{"new": func(L *lua.LState) int {
		L.Push(object(L, &semaphore{count: L.OptInt(1, 0)}, map[string]lua.LGFunction{
			"post": func(L *lua.LState) int {
				s := self[*semaphore](L)
				s.count += L.OptInt(2, 1)
				for ; s.count > 0 && len(s.waiting) > 0; s.count-- {
					close(s.waiting[0])
					s.waiting = s.waiting[1:]
				}
				return 0
			},
			"wait": func(L *lua.LState) int {
				s, timeout := self[*semaphore](L), time.Duration(float64(L.CheckNumber(2))*float64(time.Second))
				ok := w.acquire(s, timeout)
				if w.ctx.Err() != nil {
					L.RaiseError("%v", errKilled)
				}
				if !ok {
					return failed(L, "timeout")
				}
				L.Push(lua.LTrue)
				return 1
			},
		}))
		return 1
	}})
}

func (w *Worker) acquire(s *semaphore, timeout time.Duration) bool {
	if s.count > 0 {
		s.count--
		return true
	}
	mine := make(chan struct{})
	s.waiting = append(s.waiting, mine)
	w.wait(func() {
		select {
		case <-mine:
		case <-time.After(timeout):
		case <-w.ctx.Done():
		}
	})
	i := slices.Index(s.waiting, mine)
	if i < 0 {
		return true // posted, if only just
	}
	s.waiting = slices.Delete(s.waiting, i, i+1)
	return false
}
