package doctor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// checkRunning checks that Kong runs with this prefix. Where it does not, that is said
// once, and what only a running Kong tells is left out.
func (n *node) checkRunning(ctx context.Context) {
	if n.env == nil {
		return // said before
	}
	if pid := n.master(); pid > 0 && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return
	}
	// The process may be in another container.
	address, err := n.listener()
	if err != nil || address == "" || n.settings["role"] == "control_plane" {
		return // unknown: a control plane takes no requests
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err == nil {
		conn.Close()
		return
	}
	n.stopped = true
	n.fail("Kong", "kong start, which says what keeps it from starting. \"enabled but not installed\": lua_package_path must name the folder that has kong/plugins/"+n.Name,
		"it does not run with the prefix %s: %v", n.Admin.Prefix, err)
}

// master is the process id of nginx's master; 0 where none is known.
func (n *node) master() int {
	text, err := os.ReadFile(filepath.Join(n.Admin.Prefix, "pids", "nginx.pid"))
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// givenProgram is MTLS_AUTH_BIN as the running Kong was started with it; "" where it has
// none, or its environment cannot be read.
func (n *node) givenProgram() string {
	environment, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(n.master()), "environ"))
	if err != nil {
		return ""
	}
	for variable := range bytes.SplitSeq(environment, []byte{0}) {
		if value, ok := bytes.CutPrefix(variable, []byte("MTLS_AUTH_BIN=")); ok {
			return string(value)
		}
	}
	return ""
}

// logTail is how much of the error log is read.
const logTail = 256 << 10

// errorLog is the path of Kong's error log.
func (n *node) errorLog() string {
	path := n.settings["proxy_error_log"]
	if path == "" || strings.HasPrefix(path, "syslog:") {
		path = "logs/error.log"
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(n.Admin.Prefix, path)
	}
	return path
}

// lastEnd is how the server ended most recently, as the Lua plugin has logged it; "" where
// the log does not tell.
func (n *node) lastEnd() string {
	info, err := os.Stat(n.errorLog())
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	file, err := os.Open(n.errorLog())
	if err != nil {
		return ""
	}
	defer file.Close()
	tail, err := io.ReadAll(io.NewSectionReader(file, max(0, info.Size()-logTail), logTail))
	if err != nil {
		return ""
	}
	at := bytes.LastIndex(tail, []byte("["+n.Name+`] server="ended" `))
	if at < 0 {
		return ""
	}
	line, _, _ := bytes.Cut(tail[at:], []byte("\n"))
	line, _, _ = bytes.Cut(line, []byte(", context: ngx.timer"))
	return string(line)
}
