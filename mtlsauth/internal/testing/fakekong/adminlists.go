package fakekong

import "path/filepath"

// available are the plugins that are not Kong's own, as GET / has them.
func (k *Kong) available() map[string]any {
	found := map[string]any{}
	if k.info != nil {
		found[k.info.Name] = map[string]any{"version": k.info.Version, "priority": k.info.Priority}
	}
	if k.opts.LuaPath != "" {
		handlers, _ := filepath.Glob(filepath.Join(k.opts.LuaPath, "kong", "plugins", "*", "handler.lua"))
		for _, handler := range handlers {
			found[filepath.Base(filepath.Dir(handler))] = map[string]any{}
		}
	}
	return found
}
