// Package konglog makes the lines for Kong's log: about decisions, summed up where
// there are too many, and about faults of the background, each once a minute.
//
// A line is the plugin's name in brackets, which Kong does not add for plugin servers,
// and key=value pairs. Values are quoted, escaped and cut; no key, token or whole
// certificate is among them.
package konglog

import (
	"encoding/hex"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
)

// LevelNotice lies between info and warn, as in Kong, whose default level it is.
const LevelNotice = slog.LevelInfo + 2

// Line is a line for Kong's log.
type Line struct {
	Level slog.Level
	Text  string
}

// Severity is the name of Kong's kong.log function for the line.
func (l Line) Severity() string {
	switch {
	case l.Level >= slog.LevelError:
		return "err"
	case l.Level >= slog.LevelWarn:
		return "warn"
	case l.Level >= LevelNotice:
		return "notice"
	case l.Level >= slog.LevelInfo:
		return "info"
	}
	return "debug"
}

// Log makes the lines for Kong's log, which go there through kong.log, where a
// line carries the request's id and route. It is safe for concurrent use.
type Log struct {
	// Background is for what no request is to blame for, Sources for what is wrong with
	// sources of CA certificates and consumers, which not every mode uses.
	Background, Sources *Faults

	name   string
	level  slog.Level
	summed summed
}

// maxValue is where a value in the log is cut, in bytes.
const maxValue = 256

// New returns a log for the plugin of this name, of lines from level on. printed is
// for what the process prints.
func New(name string, level slog.Level, printed slog.Handler) *Log {
	return &Log{name: name, level: level, Background: newFaults(printed, level), Sources: newFaults(printed, level)}
}

// As returns a log for another plugin of the same process, with lines and sums of its own
// and the same faults.
func (l *Log) As(name string) *Log {
	return &Log{name: name, level: l.level, Background: l.Background, Sources: l.Sources}
}

// Faults are both.
func (l *Log) Faults() []*Faults { return []*Faults{l.Background, l.Sources} }

// Due returns the lines about faults that are due at an instant.
func (l *Log) Due(now time.Time, faults ...*Faults) []Line {
	var due []Line
	for _, f := range faults {
		for _, line := range f.due(now) {
			due = append(due, l.line(line.Level, line.Text))
		}
	}
	return due
}

// Context is what the lines about a decision tell besides.
type Context struct {
	Chain bool // certificates came with the client's
	// Resumed returns nginx's variable ssl_session_reused: "r" for a resumed TLS
	// session, "." for another one, anything else when it cannot be had. It is called
	// only when a line tells it; nil where the certificate came in a header.
	Resumed func() string
	// Peer is the address that sent the certificate in a header; "" for none.
	Peer string
}

// Decision returns the lines about a decision that are due at an instant.
func (l *Log) Decision(d *authn.Decision, c Context, now time.Time) []Line {
	level := levelOf(d)
	if level < l.level {
		return nil
	}
	var lines []Line
	if level > slog.LevelDebug {
		var write bool
		if lines, write = l.sums(d.Reason, level, now); !write {
			return lines
		}
	}
	return append(lines, l.about(d, level, c))
}

// Again returns the line for each further use of a decision that is cached
// elsewhere; false for none.
func (l *Log) Again(d *authn.Decision, c Context) (Line, bool) {
	level := levelOf(d)
	if level < l.level {
		return Line{}, false
	}
	return l.about(d, level, c), true
}

// Fault prints what went wrong in an event and returns the lines about it. The stack
// of a panic, what follows the error's first line, is only printed.
func (l *Log) Fault(err error, now time.Time) []Line {
	what, stack, _ := strings.Cut(err.Error(), "\n")
	l.Background.Info("event failed", "error", what, "stack", stack)
	lines, write := l.sums(authn.Internal, slog.LevelError, now)
	if write {
		line := new(pairs)
		line.add("reason", authn.Internal.String())
		line.add("error", what)
		lines = append(lines, l.line(slog.LevelError, line.String()))
	}
	return lines
}

// sums counts a line, tells whether to write it, and returns the sums of those that
// were not written before.
func (l *Log) sums(r authn.Reason, level slog.Level, now time.Time) (lines []Line, write bool) {
	sums, write := l.summed.count(r, level, now)
	for _, sum := range sums {
		lines = append(lines, l.line(sum.level, sum.line()))
	}
	return lines, write
}

// about is the line about a decision.
func (l *Log) about(d *authn.Decision, level slog.Level, c Context) Line {
	line := new(pairs)
	line.add("reason", d.Reason.String())
	if d.Subject.Serial != "" { // else it could not be read
		line.add("subject", d.Subject.Name)
		line.add("issuer", d.Subject.Issuer)
		line.add("serial", d.Subject.Serial)
	}
	if d.Subject != (authn.Subject{}) {
		line.add("fingerprint", hex.EncodeToString(d.Subject.Fingerprint[:]))
	}
	if d.About != "" {
		line.add("about", d.About)
	}
	if len(d.CAIDs) > 0 {
		line.add("ca_certificates", strings.Join(d.CAIDs, ","))
	}
	if len(d.Missing) > 0 {
		line.add("missing", strings.Join(d.Missing, ","))
	}
	if d.Reason != authn.NoneSent && d.Reason != authn.BadConfig {
		line.add("chain", strconv.FormatBool(c.Chain))
		if d.LeftOut > 0 {
			line.add("chain_left_out", strconv.Itoa(d.LeftOut))
		}
		if c.Resumed != nil {
			line.add("resumed", resumed(c.Resumed()))
		}
	}
	if c.Peer != "" {
		line.add("peer", c.Peer)
	}
	if d.Detail != "" {
		line.add("error", strings.ReplaceAll(d.Detail, "\n", "; "))
	}
	if d.Consumer != nil {
		line.add("consumer", d.Consumer.ID)
	}
	if d.Anonymous {
		line.add("anonymous", "true")
	}
	for _, note := range d.Notes {
		line.add("note", note)
	}
	return l.line(level, line.String())
}

func levelOf(d *authn.Decision) slog.Level {
	switch {
	case d.Status() >= 500:
		return slog.LevelError
	case d.Anonymous, d.Reason == authn.NoneSent && d.Detail == "": // who goes on was not refused
		return slog.LevelInfo
	case !d.Passed(), len(d.Notes) > 0:
		return LevelNotice
	}
	return slog.LevelDebug
}

// resumed says whether the TLS session was resumed, by ssl_session_reused.
func resumed(variable string) string {
	switch variable {
	case "r":
		return "true"
	case ".":
		return "false"
	}
	return "unknown"
}

// line completes a line.
func (l *Log) line(level slog.Level, text string) Line {
	return Line{level, "[" + l.name + "] " + strings.ToValidUTF8(text, "\uFFFD")}
}

// pairs are key=value pairs with quoted values.
type pairs struct{ strings.Builder }

func (l *pairs) add(key, value string) {
	if l.Len() > 0 {
		l.WriteByte(' ')
	}
	l.WriteString(key)
	l.WriteByte('=')
	l.WriteString(strconv.Quote(cut(value, maxValue)))
}

// cut shortens a text.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
