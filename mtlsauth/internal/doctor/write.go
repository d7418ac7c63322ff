package doctor

import (
	"fmt"
	"io"

	"mtls-auth/mtlsauth/internal/config"
	"mtls-auth/mtlsauth/internal/verify"
)

// Writer writes checks as they end, for people; or with JSON one object at the end.
type Writer struct {
	Out    io.Writer
	Colour bool
	JSON   bool

	count  [Fail + 1]int
	checks []Check
}

var colours = [...]string{OK: "32", Warn: "33", Fail: "31"}

// Write writes a check: its grade, its name, what was found, and the cure below.
func (w *Writer) Write(c Check) {
	w.count[c.Grade]++
	if w.JSON {
		w.checks = append(w.checks, c)
		return
	}
	grade := fmt.Sprintf("%-4s", c.Grade)
	if w.Colour {
		grade = "\x1b[" + colours[c.Grade] + "m" + grade + "\x1b[0m"
	}
	fmt.Fprintf(w.Out, "%s  %-16s  %s\n", grade, verify.Printable(c.Name), verify.Printable(c.Text))
	if c.Cure != "" {
		fmt.Fprintf(w.Out, "%4s  %-16s  cure: %s\n", "", "", verify.Printable(c.Cure))
	}
}

// Summary writes how many checks ended how, and reports that none failed.
func (w *Writer) Summary() (fine bool, err error) {
	fine = w.count[Fail] == 0
	if !w.JSON {
		_, err = fmt.Fprintf(w.Out, "\n%d ok, %d warn, %d FAIL\n", w.count[OK], w.count[Warn], w.count[Fail])
		return fine, err
	}
	return fine, verify.WriteJSON(w.Out, struct {
		Version string  `json:"version"` // of the program
		OK      int     `json:"ok"`
		Warn    int     `json:"warn"`
		Fail    int     `json:"fail"`
		Checks  []Check `json:"checks"`
	}{config.Version, w.count[OK], w.count[Warn], w.count[Fail], w.checks})
}
