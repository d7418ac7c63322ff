package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mtls-auth/mtlsauth/internal/kongdata"
)

// checkAdmin connects to the Admin API, and asks Kong about itself.
func (n *node) checkAdmin(ctx context.Context) {
	const name = "Admin API"
	admin, err := kongdata.NewAdmin(n.Admin, n.env)
	if n.stopped && n.Admin.AdminURL == "" {
		return // said before
	}
	if errors.Is(err, kongdata.ErrNoAdmin) {
		n.noAdmin()
		return
	}
	if err != nil {
		n.fail(name, "correct the flag", "%v", err)
		return
	}
	status, server, body, err := admin.Get(ctx, "/")
	switch {
	case err != nil:
		cure := "start Kong: \"kong start\" says what keeps it from starting"
		if n.Admin.AdminURL != "" {
			cure = "correct -admin-url, or start Kong"
		}
		n.fail(name, cure+". New migrations: kong migrations up. \"enabled but not installed\": lua_package_path must name the folder that has kong/plugins/"+n.Name, "%s does not answer: %v", admin.URL, err)
		return
	case status == 401 || status == 403:
		n.fail(name, "give -admin-token-file FILE", "%s answers %d: it wants a token", admin.URL, status)
		return
	}
	n.admin = admin
	// "kong/3.9.1", and with "-enterprise-edition" behind it.
	_, text, _ := strings.Cut(server, "/")
	n.version = parseVersion(text)
	enterprise := strings.Contains(server, "enterprise")
	var root struct {
		Version string `json:"version"`
		Edition string `json:"edition"`
		Plugins struct {
			Available json.RawMessage `json:"available_on_server"`
		} `json:"plugins"`
		Configuration map[string]any `json:"configuration"`
	}
	switch {
	case status == 500 && !n.version.before(3, 9) && n.version.before(3, 10):
		n.fail("GET /", "take the pluginserver_ lines for "+n.Name+" out of kong.conf: the Lua plugin starts the server itself. Or start it beside Kong (systemd, a sidecar)",
			"%s answers 500: Kong 3.9.0 to 3.9.3 does so in a worker that has started a plugin server; decK, the ingress controller and Kong Manager then fail", admin.URL)
	case status != 200:
		n.fail("GET /", "read Kong's error log", "%s answers %d", admin.URL, status)
	default:
		if err := json.Unmarshal(body, &root); err != nil || root.Version == "" {
			n.fail(name, "correct -admin-url: it must be Kong's Admin API", "%s is not a Kong Admin API", admin.URL)
			n.admin = nil
			return
		}
		n.version = parseVersion(root.Version)
		enterprise = enterprise || root.Edition == "enterprise" || strings.Contains(root.Version, "enterprise")
		n.ok(name, "%s, GET / answers 200", admin.URL)
	}
	n.takeSettings(root.Configuration)
	n.checkVersion(enterprise)
	n.readLoaded(ctx, root.Plugins.Available)
}

// noAdmin is the check of a node without an Admin API.
func (n *node) noAdmin() {
	const name = "Admin API"
	what := "give -admin-url URL for the checks of plugins, CA certificates and consumers"
	switch {
	case n.env != nil && n.env.DataPlane:
		what = "a data plane has none: give -admin-url URL of its control plane for the checks of plugins, CA certificates and consumers"
	case n.env != nil && n.env.DeclarativeConfig+n.env.DeclarativeString != "":
		n.ok(name, "none: the checks go by the declarative file, as it is now")
		return
	}
	n.warn(name, what, "not asked: none is known")
}

// takeSettings takes settings that .kong_env did not tell from Kong's own answer.
func (n *node) takeSettings(configuration map[string]any) {
	for _, key := range settings {
		if n.settings[key] != "" {
			continue
		}
		switch value := configuration[key].(type) {
		case string:
			n.settings[key] = value
		case []any:
			var items []string
			for _, item := range value {
				items = append(items, fmt.Sprint(item))
			}
			n.settings[key] = strings.Join(items, ",")
		}
	}
}

func (n *node) checkVersion(enterprise bool) {
	const name = "Kong's version"
	switch {
	case !n.version.known():
		n.warn(name, "", "unknown")
	case enterprise && entities[n.Name] != "":
		n.fail(name, "install this plugin under another name, such as mtls-auth-go (docs/migrate.md)", "Kong Enterprise %v has a plugin of its own called %s, and finds that one first", n.version, n.Name)
	case n.version.before(3, 4):
		n.fail(name, "use Kong 3.4 or later, or go-pluginserver mode (docs/go-pluginserver.md)", "%v: Lua mode needs 3.4, plugin-server mode 3.8", n.version)
	default:
		n.ok(name, "%v", n.version)
	}
}

// readLoaded asks Kong which plugins it has loaded.
func (n *node) readLoaded(ctx context.Context, available json.RawMessage) {
	n.loaded = []string{}
	loaded := map[string]json.RawMessage{}
	if json.Unmarshal(available, &loaded) != nil { // GET / had no answer
		_, _, body, err := n.admin.Get(ctx, "/plugins/enabled")
		var enabled struct {
			Names []string `json:"enabled_plugins"`
		}
		if err == nil {
			err = json.Unmarshal(body, &enabled)
		}
		if err != nil {
			n.warn("plugin "+n.Name, "", "whether Kong has loaded it is unknown: %v", err)
			n.loaded = n.Names
			return
		}
		for _, one := range enabled.Names {
			loaded[one] = nil
		}
	}
	for _, one := range n.Names {
		if _, ok := loaded[one]; ok {
			n.loaded = append(n.loaded, one)
		}
	}
}

// checkEnabled checks that Kong has loaded, or is to load, each plugin that is configured,
// switched off or not: else Kong refuses the configuration, or does not start.
func (n *node) checkEnabled() {
	setting, asked := list(n.settings["plugins"]), n.loaded != nil
	if !asked && n.settings["prefix"] == "" {
		return // neither Kong nor kong.conf tells
	}
	var absent []string
	for _, one := range n.Names {
		name, enabled := "plugin "+one, slices.Contains(setting, one)
		switch {
		case asked && slices.Contains(n.loaded, one):
			n.ok(name, "loaded")
		case asked && enabled:
			n.fail(name, "restart Kong, which says what keeps it from loading the plugin (New migrations: kong migrations up)", "kong.conf enables it, and the running Kong has not loaded it")
		case enabled:
			n.loaded = append(n.loaded, one)
			n.ok(name, "enabled in kong.conf")
		case n.setup != nil && slices.ContainsFunc(n.setup.plugins, func(p kongdata.Plugin) bool { return p.Name == one }):
			absent = append(absent, one)
		}
	}
	if len(absent) == 0 && len(n.loaded) == 0 && !slices.ContainsFunc(n.Names, func(one string) bool { return slices.Contains(setting, one) }) {
		absent = []string{n.Name}
	}
	if len(setting) == 0 {
		setting = []string{"bundled"}
	}
	for _, one := range absent {
		n.fail("plugin "+one, "plugins = "+strings.Join(slices.Concat(setting, absent), ",")+" in kong.conf (or KONG_PLUGINS), then restart Kong",
			"not enabled: plugins = %s", n.settings["plugins"])
	}
}
