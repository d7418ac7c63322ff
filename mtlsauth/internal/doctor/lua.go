package doctor

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"mtls-auth/mtlsauth/internal/config"
)

// luaFolders are the folders of Kong's plugins in lua_package_path. Kong searches those of
// LuaRocks besides.
func luaFolders(path, prefix string) (folders []string) {
	for pattern := range strings.SplitSeq(path, ";") {
		dir, ok := strings.CutSuffix(strings.TrimSpace(pattern), "/?.lua")
		if !ok {
			continue
		}
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(prefix, dir)
		}
		folders = append(folders, dir)
	}
	return append(folders, "/usr/local/share/lua/5.1", "/usr/share/lua/5.1")
}

var (
	luaVersion = regexp.MustCompile(`VERSION = "([^"]+)"`)
	luaProgram = regexp.MustCompile(`(?m)^return "(.*)"$`)
)

// checkLua checks the Lua plugin's files, and in which mode Kong runs the plugin.
func (n *node) checkLua(ctx context.Context) {
	const name = "Lua files"
	path := n.settings["lua_package_path"]
	folder := ""
	for _, dir := range luaFolders(path, n.Admin.Prefix) {
		below := filepath.Join(dir, "kong", "plugins", n.Name)
		if _, err := os.Stat(filepath.Join(below, "handler.lua")); err == nil {
			folder = below
			break
		}
	}
	n.checkMigrations(ctx)
	external := slices.Contains(list(n.settings["pluginserver_names"]), n.Name)
	others := strings.Trim(path, ";")
	if others != "" {
		others = ";" + others
	}
	write := fmt.Sprintf("mtls-auth lua -out DIR, then \"lua_package_path = DIR/?.lua%s;;\", and restart Kong", others)
	switch {
	case folder != "":
		n.lua = true
		for _, plugin := range n.Names {
			below := filepath.Join(filepath.Dir(folder), plugin)
			if _, err := os.Stat(below); plugin == n.Name || err == nil {
				n.checkFiles(below, plugin)
			}
		}
	case n.lua:
		n.warn(name, "run doctor in the container or on the machine of Kong to check them", "Kong runs them, and they cannot be seen from here (lua_package_path = %s)", path)
	case external && n.setup != nil:
		n.checkPluginServer(write)
	case external:
		n.warn(name, write, "not found (lua_package_path = %s): Kong runs plugin-server mode, where it asks no client for a certificate without the pre-function", path)
	case path == "" && n.env == nil:
		n.warn(name, "give -kong-prefix DIR, where .kong_env can be read", "not checked: lua_package_path is unknown")
	default:
		n.fail(name, write, "not found: lua_package_path = %s leads to no kong/plugins/%s/handler.lua", path, n.Name)
	}
}

// checkFiles compares a plugin's Lua files with those of this program.
func (n *node) checkFiles(folder, plugin string) {
	const name = "Lua files"
	again := "mtls-auth lua -out " + strings.TrimSuffix(folder, filepath.Join("/kong/plugins", plugin)) + " with the program that runs as the server, then kong reload"
	files, err := n.Files(plugin)
	if err != nil {
		n.fail(name, again, "%v", err)
		return
	}
	if files["server.lua"] != nil { // it has the version
		text, err := os.ReadFile(filepath.Join(folder, "server.lua"))
		if err != nil {
			n.fail(name, again, "%s is not complete: %v", folder, err)
			return
		}
		if m := luaVersion.FindSubmatch(text); m == nil || string(m[1]) != config.Version {
			found := "unknown"
			if m != nil {
				found = string(m[1])
			}
			n.fail(name, again, "%s is of version %s, this program of %s", folder, found, config.Version)
			return
		}
	}
	var differ []string
	for file, want := range files {
		got, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(file)))
		if file == "binary.lua" && err == nil {
			if m := luaProgram.FindSubmatch(got); m != nil {
				n.program = string(m[1])
			}
			continue
		}
		if err != nil || !bytes.Equal(got, want) {
			differ = append(differ, file)
		}
	}
	if len(differ) > 0 {
		slices.Sort(differ)
		n.fail(name, again, "%s: not as version %s has them: %s", folder, config.Version, strings.Join(differ, ", "))
		return
	}
	n.ok(name, "%s, version %s", folder, config.Version)
}

// entities are the paths of the credentials of the plugins that have an entity: those of
// these names alone.
var entities = map[string]string{"mtls-auth": "/mtls-auths", "header-cert-auth": "/header-cert-auths"}

// checkMigrations asks for the credentials: a Kong that runs the Lua plugin has them, and
// their table once migrations were run.
func (n *node) checkMigrations(ctx context.Context) {
	if n.admin == nil {
		return
	}
	const name = "migrations"
	done := 0
	for _, plugin := range n.loaded {
		path := entities[plugin]
		if path == "" {
			continue
		}
		status, _, _, err := n.admin.Get(ctx, path+"?size=1")
		switch {
		case err != nil:
			n.warn(name, "", "not checked: %v", err)
		case status == 200:
			n.lua = true
			done++
		case status == 404: // no Lua plugin
		default:
			n.lua = true
			n.fail(name, "kong migrations up, then kong reload", "the table of %s's credentials cannot be read: GET %s answers %d", plugin, path, status)
		}
	}
	if done > 0 && done == len(n.loaded) && n.settings["database"] != "off" {
		n.ok(name, "done")
	}
}

// checkPluginServer checks what plugin-server mode needs of Kong.
func (n *node) checkPluginServer(write string) {
	asks, guards := n.preFunctions()
	switch {
	case !asks:
		n.fail("Lua files", write+" without pluginserver_ lines. Or, to stay in this mode, add deploy/pre-function.yaml (docs/plugin-server.md)",
			"not found, so Kong runs plugin-server mode, and no global pre-function asks clients for a certificate: every client gets 401")
	default:
		n.ok("mode", "plugin-server mode, with a pre-function that asks for certificates")
	}
	if n.version.before(3, 8) {
		if guards {
			n.ok("guard", "there, as Kong %v needs it", n.version)
		} else {
			n.fail("guard", "use Lua mode, or Kong 3.8 or later, or add the guard (docs/plugin-server.md)", "Kong %v lets requests pass while the server gives no answer, and no guard refuses them", n.version)
		}
	}
}

// preFunctions tells of the global pre-functions whether one asks for certificates and one
// is the guard.
func (n *node) preFunctions() (asks, guards bool) {
	for _, p := range n.plugins("pre-function", "post-function") {
		if p.Route == "" && p.Service == "" {
			asks = asks || bytes.Contains(p.Config, []byte("request_client_certificate"))
			guards = guards || bytes.Contains(p.Config, []byte("mtls_auth_passed"))
		}
	}
	return asks, guards
}
