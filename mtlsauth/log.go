package mtlsauth

import (
	"encoding/hex"
	"log/slog"
	"strconv"
	"strings"
	"time"

	pdk "github.com/Kong/go-pdk"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/pluginserver"
)

// levelNotice lies between info and warn, as in Kong, whose default level it is.
const levelNotice = slog.LevelInfo + 2

// kongLog writes to Kong's log through kong.log, where a line carries the
// request's id and route. What the process prints is seen there only at info.
//
// A line is the plugin's name in brackets, which Kong does not add for plugin
// servers, and key=value pairs. Values are quoted, escaped and cut; no key,
// token or whole certificate is among them.
type kongLog struct {
	name       string
	level      slog.Level
	background *slog.Logger // for what no request is to blame for
	faults     *faults
	summed     summed
}

// maxValue is where a value in the log is cut, in bytes.
const maxValue = 256

// newKongLog returns a log for the plugin of this name. What is logged in the
// background goes to printed and, from warn on, to Kong with the next event.
func newKongLog(name string, level slog.Level, printed slog.Handler) *kongLog {
	faults := newFaults(printed, level)
	return &kongLog{name: name, level: level, faults: faults, background: slog.New(faults)}
}

// forward sends the background's faults along with an event.
func (l *kongLog) forward(e *pluginserver.Event) {
	for _, fault := range l.faults.due(e.Time()) {
		l.tell(e, fault.level, fault.line)
	}
}

// decision writes the line about a decision, if one is due. Only then is Kong
// asked whether the TLS session was resumed, on which no chain is handed over.
func (l *kongLog) decision(e *pluginserver.Event, d *authn.Decision, chain bool) {
	level := levelOf(d)
	if level < l.level {
		return
	}
	if level > slog.LevelDebug {
		sums, say := l.summed.count(d.Reason, level, e.Time())
		for _, sum := range sums {
			l.tell(e, sum.level, sum.line())
		}
		if !say {
			return
		}
	}
	line := new(line)
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
		line.add("resumed", resumed(e))
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
	l.tell(e, level, line.String())
}

func levelOf(d *authn.Decision) slog.Level {
	switch {
	case d.Status() >= 500:
		return slog.LevelError
	case d.Reason == authn.NoneSent, d.Anonymous: // who goes on was not refused
		return slog.LevelInfo
	case !d.Passed(), len(d.Notes) > 0:
		return levelNotice
	}
	return slog.LevelDebug
}

func resumed(e *pluginserver.Event) string {
	replies, err := e.Ask(askResumed)
	if err != nil {
		return "unknown"
	}
	switch value, _ := stringField(replies[0], stringV); string(value) {
	case "r":
		return "true"
	case ".":
		return "false"
	}
	return "unknown"
}

// fault logs what went wrong in an event and returns the answer to it: a line
// in Kong's log, and the request's end. The stack of a panic is only printed.
func (l *kongLog) fault(err error) pluginserver.Calls {
	what, stack, _ := strings.Cut(err.Error(), "\n")
	l.background.Info("event failed", "error", what, "stack", stack)
	sums, say := l.summed.count(authn.Internal, slog.LevelError, time.Now())
	calls, err := pluginserver.Record(func(kong *pdk.PDK) error {
		for _, sum := range sums {
			if err := l.write(kong, sum.level, sum.line()); err != nil {
				return err
			}
		}
		if say {
			line := new(line)
			line.add("reason", authn.Internal.String())
			line.add("error", what)
			if err := l.write(kong, slog.LevelError, line.String()); err != nil {
				return err
			}
		}
		return carryOut(faultAnswer, kong)
	})
	if err != nil {
		return faultCalls
	}
	return calls
}

// tell sends a line with the event.
func (l *kongLog) tell(e *pluginserver.Event, level slog.Level, text string) {
	calls, err := pluginserver.Record(func(kong *pdk.PDK) error { return l.write(kong, level, text) })
	if err == nil {
		e.Tell(calls)
	}
}

func (l *kongLog) write(kong *pdk.PDK, level slog.Level, text string) error {
	text = "[" + l.name + "] " + strings.ToValidUTF8(text, "\uFFFD")
	switch {
	case level >= slog.LevelError:
		return kong.Log.Err(text)
	case level >= slog.LevelWarn:
		return kong.Log.Warn(text)
	case level >= levelNotice:
		return kong.Log.Notice(text)
	case level >= slog.LevelInfo:
		return kong.Log.Info(text)
	}
	return kong.Log.Debug(text)
}

// line is key=value pairs with quoted values.
type line struct{ strings.Builder }

func (l *line) add(key, value string) {
	if l.Len() > 0 {
		l.WriteByte(' ')
	}
	l.WriteString(key)
	l.WriteByte('=')
	l.WriteString(strconv.Quote(cut(value, maxValue)))
}
