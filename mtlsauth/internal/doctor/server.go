package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mtls-auth/mtlsauth/internal/config"
)

// pingTime is how long a server may take to answer.
const pingTime = 3 * time.Second

// checkProgram checks the program that the Lua plugin starts.
func (n *node) checkProgram() {
	if n.program == "" || n.settings["role"] == "control_plane" {
		return
	}
	const name = "program"
	shown := n.program
	if given := n.givenProgram(); given != "" {
		n.program, shown = given, given+" (MTLS_AUTH_BIN)"
	}
	info, err := os.Stat(n.program)
	report, more := n.fail, ""
	if n.server != nil { // of another path, or started beside Kong
		report, more = n.warn, "; the server that answers was started by other means"
	}
	cure := "install the program there, or run mtls-auth lua -out again from where it is, or set MTLS_AUTH_BIN; then restart Kong"
	switch {
	case err != nil:
		report(name, cure, "the Lua plugin starts %s: %v%s", shown, errors.Unwrap(err), more)
	case info.IsDir() || info.Mode().Perm()&0o111 == 0:
		report(name, "chmod 755 "+n.program, "the Lua plugin starts %s, which is not executable (%s)%s", shown, owner(info), more)
	default:
		n.ok(name, "%s", shown)
	}
}

// checkServer checks the socket and who answers there.
func (n *node) checkServer() {
	if n.settings["role"] == "control_plane" {
		return // it runs none
	}
	socket := filepath.Join(n.Admin.Prefix, n.Name+".socket")
	prefix, err := os.Stat(n.Admin.Prefix)
	if err != nil {
		return // said before
	}
	worker, known := n.workerUser()
	info, err := os.Lstat(socket)
	if err == nil {
		n.checkSocketOwner(socket, info, prefix, worker, known)
	}
	server, err := n.Ping(socket, pingTime)
	if err != nil {
		if n.stopped {
			return // said before
		}
		cure := "the Lua plugin starts it with Kong, and Kong's error log says what keeps it from starting: grep " + n.Name + " in " + n.errorLog()
		if ended := n.lastEnd(); ended != "" {
			cure += ". Its last line about that: " + ended
		}
		if owned, ok := ownerID(prefix); known && ok && worker != 0 && owned != worker && prefix.Mode().Perm()&0o022 == 0 {
			cure = "chown " + userName(worker) + " " + n.Admin.Prefix + ": the server runs as Kong's workers, user " + userName(worker) + ", and must be able to write there (" + owner(prefix) + ")"
		} else if strings.Contains(err.Error(), "its own user") || strings.Contains(err.Error(), "must not use") {
			n.warn("server", "run doctor as the server's user or root", "%v", err)
			return
		}
		n.fail("server", cure, "%v", err)
		return
	}
	n.server = &server
	switch how := map[bool]string{true: "started by the Lua plugin", false: "started beside Kong, or by it"}[server.LuaMode]; {
	case server.Version != config.Version:
		n.fail("server", "restart it after an upgrade (kong reload, where the Lua plugin starts it), and write the Lua files with the same program", "pid %d is of version %s, this program of %s", server.PID, server.Version, config.Version)
	default:
		n.ok("server", "answers, version %s, pid %d, %s", server.Version, server.PID, how)
	}
}

// checkSocketOwner is what the Lua plugin checks before it connects, and the server when it
// is asked.
func (n *node) checkSocketOwner(socket string, info, prefix os.FileInfo, worker int, known bool) {
	owned, ok := ownerID(info)
	folder, ok2 := ownerID(prefix)
	if !ok || !ok2 || !known {
		return
	}
	cure := "run the server as the user of Kong's workers, " + userName(worker)
	switch {
	case info.Mode()&os.ModeSocket == 0:
		n.fail("socket", "remove it and restart the server", "%s is not a socket", socket)
	case owned != 0 && owned != folder && owned != worker:
		n.fail("socket", cure, "%s belongs to user %s, and Kong's workers are user %s: they do not trust it, and requests get 500", socket, userName(owned), userName(worker))
	case worker != 0 && worker != owned && info.Mode().Perm()&0o066 == 0:
		n.fail("socket", cure+", or give it -socket-mode 0660 and a common group", "%s is for user %s alone, and Kong's workers are user %s: requests get 500", socket, userName(owned), userName(worker))
	default:
		n.ok("socket", "%s, %s; Kong's workers are user %s", socket, owner(info), userName(worker))
	}
}
