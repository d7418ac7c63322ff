package verify

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Write writes the report for people; with colour for a terminal.
func (r *Report) Write(out io.Writer, colour bool) error {
	r, err := r.printable()
	if err != nil {
		return err
	}
	w := &writer{colour: colour, at: r.At}
	w.verdict(r)
	w.section("Read")
	for _, in := range r.Inputs {
		w.row(in.File, in.What)
	}
	w.row("configuration", strings.TrimSuffix(r.Configuration.From+", for "+r.Configuration.Plugin, ", for "))
	w.certificate(r)
	w.trusted(r)
	w.path(r)
	w.revocation(r)
	w.consumer(r)
	w.upstream(r)
	w.list("Notes", append(slices.Clone(r.Notes), r.Warnings...))
	if len(r.Log) > 0 {
		w.section("Kong's log")
		for _, line := range r.Log {
			w.line("  %s %s", w.paint(dim, line.Level), line.Text)
		}
	}
	_, err = io.WriteString(out, w.text.String())
	return err
}

// Colours, as terminals have them.
const (
	bold  = "1"
	dim   = "2"
	red   = "31"
	green = "32"
	amber = "33"
)

type writer struct {
	text   strings.Builder
	colour bool
	at     time.Time
}

func (w *writer) paint(how, text string) string {
	if !w.colour {
		return text
	}
	return "\x1b[" + how + "m" + text + "\x1b[0m"
}

func (w *writer) line(format string, args ...any) { fmt.Fprintf(&w.text, format+"\n", args...) }

// printable returns the report with control characters replaced: what files and
// certificates have must not steer a terminal.
func (r *Report) printable() (*Report, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	clean := new(Report)
	if err := json.Unmarshal(text, clean); err != nil {
		return nil, err
	}
	replaceUnprintable(reflect.ValueOf(clean).Elem())
	return clean, nil
}

// Printable replaces what a terminal would not show as a character: control characters, and
// those that turn the direction of text, so that a name could look like another.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

func replaceUnprintable(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(Printable(v.String()))
	case reflect.Slice:
		for i := range v.Len() {
			replaceUnprintable(v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			replaceUnprintable(v.Elem())
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			replaceUnprintable(v.Field(i))
		}
	}
}

func (w *writer) section(title string) { w.line("\n%s", w.paint(bold, title)) }

// labels are padded to this width.
const labels = 14

func (w *writer) row(label, value string) {
	lines := wrap(value, 100)
	w.line("  %-*s  %s", labels, label, lines[0])
	for _, more := range lines[1:] {
		w.line("  %-*s  %s", labels, "", more)
	}
}

// wrap breaks a text at spaces; a word may be longer than the width.
func wrap(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

func (w *writer) verdict(r *Report) {
	switch r.Verdict {
	case "pass":
		w.line("%s  the request goes on%s", w.paint(green, "PASS"), map[bool]string{true: ", if what it assumes is so"}[len(r.Assumes) > 0])
	case "anonymous":
		w.line("%s  the certificate is refused, and the request goes on as the anonymous consumer", w.paint(amber, "ANONYMOUS"))
	default:
		w.line("%s  %d {\"message\":%q}", w.paint(red, "REFUSED"), r.Answer.Status, r.Answer.Message)
	}
	reason := r.Reason
	if r.Detail != "" {
		reason += ": " + strings.TrimPrefix(r.Detail, "validating client certificate: ")
	}
	if r.About != "" {
		reason += " (about: " + r.About + ")"
	}
	w.row("reason", reason)
	for _, text := range r.Assumes {
		w.row("assumes", text)
	}
	if r.Reason != "passed" {
		w.row("what to do", r.Advice)
	}
}

const day = 24 * time.Hour

// until says when a certificate ends, seen from the instant of the report.
func (w *writer) until(c Certificate) string {
	text := fmt.Sprintf("%s to %s", c.NotBefore.Format(time.DateTime), c.NotAfter.Format(time.DateTime+" MST"))
	switch left := c.NotAfter.Sub(w.at); {
	case left < 0:
		return text + w.paint(red, " (expired)")
	case c.NotBefore.After(w.at):
		return text + w.paint(red, " (not yet)")
	case left < 2*day:
		return text + w.paint(amber, fmt.Sprintf(" (%d hours left)", left/time.Hour))
	case left < 30*day:
		return text + w.paint(amber, fmt.Sprintf(" (%d days left)", left/day))
	default:
		return text + fmt.Sprintf(" (%d days left)", left/day)
	}
}
