package realkong

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/errlog"
)

// files are what Kong writes.
type files struct{ errors, access string }

// Texts of Kong's log by which it tells what happens. takesOver is of worker 0,
// once for a start or a reload, since Kong 3.9, listens of the server; refuses is of
// nginx's master.
const (
	takesOver = "[pluginserver] started, pid "
	listens   = "level=INFO msg=listening "
	refuses   = "init_by_lua error"
	madeByUs  = "[mtls-auth"
)

// logLine is a line of nginx's error log: time, level, process and text. Text
// over several lines goes on in lines without that beginning.
var logLine = regexp.MustCompile(`^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(\w+)\] \d+#\d+: (?:\*\d+ )?(.*)$`)

// Log returns Kong's error log as it is now. Of what Kong says at debug only the
// lines of the plugin are in it.
func (k *Kong) Log() *errlog.Log {
	log := errlog.New(errlog.Debug, nil)
	for _, line := range k.files.lines() {
		if line.Level != errlog.Debug || strings.Contains(line.Text, madeByUs) {
			log.Printf(line.Level, "%s", line.Text)
		}
	}
	return log
}

func (f files) lines() []errlog.Line {
	text, err := os.ReadFile(f.errors)
	if err != nil {
		return nil // not there yet
	}
	return parseLog(text)
}

func parseLog(text []byte) []errlog.Line {
	var lines []errlog.Line
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		m := logLine.FindStringSubmatch(line)
		if m == nil {
			if n := len(lines); n > 0 {
				lines[n-1].Text += "\n" + line
			}
			continue
		}
		level, err := errlog.ParseLevel(levelOf(m[2]))
		if err != nil {
			continue
		}
		at, err := time.ParseInLocation("2006/01/02 15:04:05", m[1], time.Local)
		if err != nil {
			continue
		}
		lines = append(lines, errlog.Line{Time: at, Level: level, Text: m[3]})
	}
	return lines
}

// levelOf gives nginx's emerg, which kong.conf does not know, its neighbour.
func levelOf(name string) string {
	if name == "emerg" {
		return "alert"
	}
	return name
}

func (f files) count(text string) int {
	n := 0
	for _, line := range f.lines() {
		if strings.Contains(line.Text, text) {
			n++
		}
	}
	return n
}

// tail returns the last lines of the log as an error, nil when there are none.
func (f files) tail(n int) error {
	lines := f.lines()
	var out []error
	for _, line := range lines[max(0, len(lines)-n):] {
		out = append(out, errors.New("["+line.Level.String()+"] "+line.Text))
	}
	return errors.Join(out...)
}

// Access returns the access log's records, oldest first.
func (k *Kong) Access() []anykong.Record {
	text, err := os.ReadFile(k.files.access)
	if err != nil {
		return nil // no request yet
	}
	return parseAccess(text)
}

func parseAccess(text []byte) []anykong.Record {
	var records []anykong.Record
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r anykong.Record
		if json.Unmarshal(lines.Bytes(), &r) == nil { // the last may be half written
			records = append(records, r)
		}
	}
	return records
}

// starts counts the servers that were started.
func (k *Kong) starts() int { return k.files.count(takesOver) + k.files.count(listens) }

// Process returns the process that listens on the server's socket.
func (k *Kong) Process() Process {
	socket := filepath.Join(k.opts.Prefix, "mtls-auth.socket")
	if servers := k.servers(); len(servers) > 0 {
		socket = servers[0].Socket
	}
	return Process{listener(socket)}
}

// listener returns the process that listens on a Unix socket, 0 where none does.
func listener(socket string) (pid int) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return 0
	}
	defer c.Close()
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0
	}
	raw.Control(func(fd uintptr) {
		if peer, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			pid = int(peer.Pid)
		}
	})
	return pid
}

// Process is a plugin server's process.
type Process struct{ pid int }

// PID returns the process id, 0 when there was none.
func (p Process) PID() int { return p.pid }

// Kill is kill -9.
func (p Process) Kill() { p.signal(syscall.SIGKILL) }

// Terminate sends SIGTERM.
func (p Process) Terminate() { p.signal(syscall.SIGTERM) }

func (p Process) signal(s syscall.Signal) {
	if p.pid > 0 {
		_ = syscall.Kill(p.pid, s) // gone already is as good
	}
}
