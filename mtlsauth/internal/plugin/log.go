package plugin

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

// log makes the lines for Kong's log, which go there through kong.log, where a
// line carries the request's id and route. What the process prints is seen
// there only at info.
//
// A line is the plugin's name in brackets, which Kong adds through go-pluginserver
// alone (that door takes it off), and key=value pairs. Values are quoted, escaped and cut; no key,
// token or whole certificate is among them.
type log struct {
	name       string
	level      slog.Level
	background *slog.Logger // for what no request is to blame for
	sources    *slog.Logger // the same of sources, which not every door uses
	faults     *faults
	ofSources  *faults
	summed     summed
}

// maxValue is where a value in the log is cut, in bytes.
const maxValue = 256

// newLog returns a log for the plugin of this name. What is logged in the
// background goes to printed and, from warn on, to Kong with the next event.
func newLog(name string, level slog.Level, printed slog.Handler) *log {
	l := &log{name: name, level: level, faults: newFaults(printed, level), ofSources: newFaults(printed, level)}
	l.background, l.sources = slog.New(l.faults), slog.New(l.ofSources)
	return l
}

// forward sends the background's faults along with an event, those of sources to
// who uses them.
func (l *log) forward(door Door, sources bool) {
	due := l.faults.due(door.Time())
	if sources {
		due = append(due, l.ofSources.due(door.Time())...)
	}
	for _, fault := range due {
		door.Log(l.line(fault.Level, fault.Text))
	}
}

// decision writes the line about a decision, if one is due. Only then is Kong
// asked whether the TLS session was resumed, on which no chain is handed over.
func (l *log) decision(door Door, d *authn.Decision, chain bool) {
	level := levelOf(d)
	if level < l.level {
		return
	}
	if level > slog.LevelDebug {
		sums, say := l.summed.count(d.Reason, level, door.Time())
		for _, sum := range sums {
			door.Log(l.line(sum.level, sum.line()))
		}
		if !say {
			return
		}
	}
	door.Log(l.about(door, d, level, chain))
}

// about is the line about a decision.
func (l *log) about(door Door, d *authn.Decision, level slog.Level, chain bool) Line {
	line := new(pairs)
	line.add("reason", d.Reason.String())
	if d.Subject != (authn.Subject{}) {
		line.add("subject", d.Subject.Name)
		line.add("issuer", d.Subject.Issuer)
		line.add("serial", d.Subject.Serial)
		line.add("fingerprint", hex.EncodeToString(d.Subject.Fingerprint[:]))
	}
	if len(d.CAIDs) > 0 {
		line.add("ca_certificates", strings.Join(d.CAIDs, ","))
	}
	if len(d.Missing) > 0 {
		line.add("missing", strings.Join(d.Missing, ","))
	}
	if d.Reason != authn.NoneSent && d.Reason != authn.BadConfig {
		line.add("chain", strconv.FormatBool(chain))
		line.add("resumed", resumed(door))
	}
	if d.Detail != "" {
		line.add("error", strings.ReplaceAll(d.Detail, "\n", "; "))
	}
	if c := d.Consumer; c != nil {
		line.add("consumer", c.ID)
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
	case d.Reason == authn.NoneSent, d.Anonymous: // who goes on was not refused
		return slog.LevelInfo
	case !d.Passed(), len(d.Notes) > 0:
		return LevelNotice
	}
	return slog.LevelDebug
}

// resumed is nginx's word for whether the TLS session was resumed in ours.
func resumed(door Door) string {
	switch door.SessionReused() {
	case "r":
		return "true"
	case ".":
		return "false"
	}
	return "unknown"
}

// Fault logs what went wrong in an event and returns the lines about it for
// Kong's log. The stack of a panic, what follows the error's first line, is only
// printed.
func (p *Plugin) Fault(err error) []Line {
	l := p.log
	what, stack, _ := strings.Cut(err.Error(), "\n")
	l.background.Info("event failed", "error", what, "stack", stack)
	sums, say := l.summed.count(authn.Internal, slog.LevelError, time.Now())
	var lines []Line
	for _, sum := range sums {
		lines = append(lines, l.line(sum.level, sum.line()))
	}
	if say {
		line := new(pairs)
		line.add("reason", authn.Internal.String())
		line.add("error", what)
		lines = append(lines, l.line(slog.LevelError, line.String()))
	}
	return lines
}

// line completes a line.
func (l *log) line(level slog.Level, text string) Line {
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
