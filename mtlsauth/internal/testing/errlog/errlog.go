// Package errlog is the fake Kong's error log: lines with nginx's levels, kept
// in memory so that tests and the demo can read them, and written on where
// they are wanted. What is below the configured level is dropped, as
// nginx drops it: at Kong's default, notice, what a plugin process prints (info)
// is not to be seen.
package errlog

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Level is a level of nginx's error_log; a smaller one is more serious. The
// zero value stands for Kong's default, notice.
type Level int

// The levels of nginx's error_log directive.
const (
	Default Level = iota
	Alert
	Crit
	Error
	Warn
	Notice
	Info
	Debug
)

var names = [...]string{"notice", "alert", "crit", "error", "warn", "notice", "info", "debug"}

// String returns the level's name as nginx writes it.
func (l Level) String() string {
	if l < 0 || int(l) >= len(names) {
		return fmt.Sprintf("level %d", int(l))
	}
	return names[l]
}

// ParseLevel reads a value of kong.conf's log_level; empty is Default.
func ParseLevel(s string) (Level, error) {
	if s == "" {
		return Default, nil
	}
	for i := Alert; i <= Debug; i++ {
		if names[i] == s {
			return i, nil
		}
	}
	return 0, fmt.Errorf("log_level %q: expected one of alert, crit, error, warn, notice, info, debug", s)
}

// Line is one line of the log.
type Line struct {
	Time  time.Time
	Level Level
	Text  string
}

// maxLines bounds what is kept: a plugin that closes in the middle of every
// event makes thousands of lines a second.
const maxLines = 10_000

// Log is an error log. The zero value keeps lines up to notice and writes them
// nowhere. Its methods may be called at the same time.
type Log struct {
	level Level
	out   io.Writer

	mu    sync.Mutex
	lines []Line
}

// New makes a log that keeps lines up to level and writes them to out, which
// may be nil.
func New(level Level, out io.Writer) *Log {
	return &Log{level: level, out: out}
}

// Keeps says whether a line of this level would be kept. A nil Log keeps none.
func (l *Log) Keeps(level Level) bool {
	if l == nil {
		return false
	}
	limit := l.level
	if limit == Default {
		limit = Notice
	}
	return level <= limit
}

// Printf adds a line. A nil Log takes and forgets it.
func (l *Log) Printf(level Level, format string, args ...any) {
	if !l.Keeps(level) {
		return
	}
	line := Line{Time: time.Now(), Level: level, Text: fmt.Sprintf(format, args...)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == maxLines {
		l.lines = l.lines[1:]
	}
	l.lines = append(l.lines, line)
	if l.out != nil {
		fmt.Fprintf(l.out, "%s [%s] %d#0: %s\n", line.Time.Format("2006/01/02 15:04:05"), level, os.Getpid(), line.Text)
	}
}

// Lines returns what is kept, oldest first.
func (l *Log) Lines() []Line {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

// Count returns how many kept lines of this level contain text.
func (l *Log) Count(level Level, text string) int {
	n := 0
	for _, line := range l.Lines() {
		if line.Level == level && strings.Contains(line.Text, text) {
			n++
		}
	}
	return n
}
