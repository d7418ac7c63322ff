package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"mtls-auth/mtlsauth/internal/filewatch"
	"mtls-auth/mtlsauth/internal/kongenv"
)

// settings are those of .kong_env that are read: none is a secret.
var settings = []string{
	"admin_listen", "database", "log_level", "lua_package_path", "nginx_http_large_client_header_buffers", "nginx_main_user",
	"nginx_proxy_large_client_header_buffers", "nginx_user", "plugins", "pluginserver_names", "prefix", "proxy_error_log", "proxy_listen", "role",
	"router_flavor", "ssl_session_tickets", "trusted_ips",
}

// checkPrefix checks Kong's prefix and reads .kong_env.
func (n *node) checkPrefix() {
	const name = "prefix"
	prefix := n.Admin.Prefix
	info, err := os.Stat(prefix)
	switch {
	case err != nil && n.Admin.AdminURL != "": // beside Kong
		n.warn(name, "give -kong-prefix DIR where Kong's prefix can be seen, for the checks of the socket, the server and the Lua files", "%s cannot be seen from here: %v", prefix, err)
		return
	case err != nil || !info.IsDir():
		n.fail(name, "give Kong's prefix: -kong-prefix DIR (\"prefix\" in kong.conf; /usr/local/kong by default)", "%s is not a folder that can be read: %v", prefix, cause(err))
		return
	case info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0:
		n.fail(name, "chmod o-w "+prefix, "any user of this machine can replace the socket in %s (%s): a process of theirs could then let requests in", prefix, owner(info))
	default:
		n.ok(name, "%s, %s", prefix, owner(info))
	}
	path := kongenv.Path(prefix)
	data, _, err := filewatch.ReadFile(path, kongenv.MaxBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		n.warn(".kong_env", "start Kong, or correct -kong-prefix", "%s is not there: Kong does not run with this prefix, or in another container", path)
		return
	case err != nil:
		text := err.Error()
		if info, statErr := os.Stat(path); statErr == nil {
			text += "; " + owner(info)
		}
		n.warn(".kong_env", "run doctor as Kong's user or root, or give -admin-url", "Kong's settings cannot be read: %s", text)
		return
	}
	n.settings = kongenv.Values(data, settings...)
	if n.env, err = kongenv.Parse(data); err != nil {
		n.warn(".kong_env", "start Kong again", "%s: %v", path, err)
		return
	}
	n.ok(".kong_env", "role %s, database %s", n.settings["role"], n.settings["database"])
	if level := n.settings["log_level"]; slices.Contains([]string{"warn", "error", "crit", "alert", "emerg"}, level) {
		n.warn("log level", "log_level = notice, Kong's default", "log_level = %s hides the reasons of refusals, which are logged at notice", level)
	}
}

func cause(err error) error {
	if err == nil {
		return errors.New("it is a file")
	}
	return err
}

// owner says whose a file is.
func owner(info fs.FileInfo) string {
	uid, ok := ownerID(info)
	if !ok {
		return fmt.Sprintf("mode %04o", info.Mode().Perm())
	}
	return fmt.Sprintf("of user %s, mode %04o", userName(uid), info.Mode().Perm())
}

func ownerID(info fs.FileInfo) (int, bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}

func userName(uid int) string {
	text := strconv.Itoa(uid)
	if u, err := user.LookupId(text); err == nil {
		return u.Username
	}
	return text
}

// workerUser is the user of Kong's workers, as a running one has it, else as the settings
// say; false where neither tells.
func (n *node) workerUser() (uid int, known bool) {
	master := strconv.Itoa(n.master())
	processes, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, file := range processes {
		status, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if statusField(status, "PPid") != master {
			continue
		}
		title, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		if !strings.HasPrefix(string(title), "nginx: worker process") || strings.Contains(string(title), "shutting down") {
			continue
		}
		if uid, err := strconv.Atoi(statusField(status, "Uid")); err == nil {
			return uid, true
		}
	}
	return 0, false
}

// statusField is the last number of a line of /proc/PID/status, the effective one of Uid.
func statusField(status []byte, key string) string {
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			fields := strings.Fields(rest)
			if key == "Uid" && len(fields) > 1 {
				return fields[1]
			}
			if len(fields) > 0 {
				return fields[0]
			}
		}
	}
	return ""
}
