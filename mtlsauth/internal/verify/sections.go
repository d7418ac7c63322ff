package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

func (w *writer) certificate(r *Report) {
	c := r.Certificate
	if c == nil {
		return
	}
	w.section("Certificate")
	w.row("subject", orEmpty(c.Subject))
	w.row("issuer", orEmpty(c.Issuer))
	w.row("SANs", orNone(strings.Join(c.SANs, ", ")))
	w.row("valid", w.until(*c))
	w.row("serial", c.Serial)
	w.row("SHA-256", c.Fingerprint)
	for i, sent := range r.Chain {
		w.row(fmt.Sprintf("sent above %d", i+1), fmt.Sprintf("%s, issued by %s", orEmpty(sent.Subject), orEmpty(sent.Issuer)))
	}
	if r.LeftOut > 0 {
		w.row("not read", fmt.Sprintf("%d certificates that came with it", r.LeftOut))
	}
}

func orEmpty(name string) string {
	if name == "" {
		return "(empty)"
	}
	return name
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

func (w *writer) trusted(r *Report) {
	if len(r.CACertificates)+len(r.Missing) == 0 {
		return
	}
	w.section("CA certificates")
	for _, ca := range r.CACertificates {
		kind := "intermediate"
		if ca.TrustAnchor {
			kind = "trust anchor"
		}
		w.line("  %s  %s", ca.ID, orEmpty(ca.Subject))
		w.line("  %-36s  %s, %s", "", kind, w.until(ca.Certificate))
	}
	for _, id := range r.Missing {
		w.line("  %s  %s", id, w.paint(red, "missing"))
	}
}

// may is the first check of each certificate above the leaf.
const may = "may issue"

// path writes the checks as the tree that they were made on.
func (w *writer) path(r *Report) {
	if len(r.Steps) == 0 {
		return
	}
	w.section("Path")
	var shown []string // the path that is being written
	var passed []string
	flush := func() {
		if len(passed) > 0 {
			w.line("%s  %s    %s", strings.Repeat("  ", len(shown)), w.paint(green, "ok"), strings.Join(passed, ", "))
			passed = nil
		}
	}
	for _, s := range r.Steps {
		if !slices.Equal(shown, s.Path) {
			flush()
			shown = s.Path
			if len(s.Path) == 1 || s.Check == may {
				w.line("%s%s  %s", strings.Repeat("  ", len(shown)), w.paint(bold, s.Path[len(s.Path)-1]), w.paint(dim, "("+from(s.From)+")"))
			}
		}
		if s.Error == "" {
			passed = append(passed, s.Check)
			continue
		}
		flush()
		w.line("%s  %s  %s: %s", strings.Repeat("  ", len(shown)), w.paint(red, "FAIL"), s.Check, s.Error)
	}
	flush()
	for _, path := range r.Paths {
		w.line("  %s  %s", w.paint(green, "valid path:"), strings.Join(path, "  <  "))
	}
}

func from(where string) string {
	switch where {
	case "leaf":
		return "the client's"
	case "sent":
		return "sent by the client"
	}
	return "configured, " + where
}

func (w *writer) revocation(r *Report) {
	v := r.Revocation
	mode, how := v.Mode, "by -crl-dir alone"
	if v.Network {
		how = "with the network"
	}
	switch {
	case len(v.Certificates) > 0:
	case v.Mode == "SKIP" && v.Configured != "SKIP" && !v.Network:
		mode, how = v.Configured, fmt.Sprintf("not checked here: give -revocation %s to fetch OCSP responses and CRLs, or -crl-dir", v.Configured)
	case v.Mode == "SKIP" && v.CRLDir:
		how = "not checked: with SKIP -crl-dir is not used"
	case v.Mode == "SKIP":
		how = "not checked"
	default:
		how = "not reached"
	}
	w.section("Revocation")
	w.row(mode, how)
	if mode != v.Configured {
		w.row("configured", v.Configured)
	}
	for _, s := range v.Certificates {
		state := map[string]string{
			"good": "good", "revoked": "REVOKED", "unknown": "not known to its OCSP responder", "unusable": "not known",
			"unnamed": "not known: it names no OCSP responder and no CRL", "limit": "a limit was reached",
		}[s.State]
		state = w.paint(map[string]string{"good": green, "revoked": red}[s.State]+"", state)
		if s.From != "" {
			state += ", by " + s.From
		}
		if s.ThisUpdate != nil {
			state += " of " + s.ThisUpdate.Format(time.DateTime+" MST")
		}
		if s.Until != nil && (s.State == "good" || s.State == "revoked") {
			state += ", good for use until " + s.Until.Format(time.DateTime+" MST")
		}
		w.line("  %s: %s", orEmpty(s.Subject), state)
		if s.Error != "" && s.State != "unnamed" {
			for _, line := range wrap(s.Error, 100) {
				w.line("    %s", line)
			}
		}
	}
}

func (w *writer) consumer(r *Report) {
	if r.Names == nil && r.Consumer == nil && len(r.Groups) == 0 {
		return
	}
	w.section("Consumer")
	if r.Names != nil {
		w.row("names", orNone(strings.Join(r.Names.Values, ", ")))
		if r.Names.More {
			w.row("", "and more, which are not used")
		}
		if r.Names.LeftOut != "" {
			w.row("left out", r.Names.LeftOut)
		}
	}
	if c := r.Consumer; c != nil {
		who := c.Username
		if who == "" {
			who = c.CustomID
		}
		how := c.Rule
		if c.By != "" {
			how += " " + c.By
		}
		w.row("found", fmt.Sprintf("%s (id %s) by %s", orEmpty(who), c.ID, how))
		if c.Credential != "" {
			w.row("credential", c.Credential)
		}
	} else if r.Names != nil {
		w.row("found", w.paint(red, "none"))
	}
	w.row("groups", orNone(strings.Join(r.Groups, ", ")))
}

func (w *writer) upstream(r *Report) {
	if len(r.Headers) == 0 {
		return
	}
	w.section("Headers for the upstream")
	var removed []string
	for _, h := range r.Headers {
		if h.Value == "" {
			removed = append(removed, h.Name)
			continue
		}
		w.line("  %s: %s", h.Name, h.Value)
	}
	if len(removed) > 0 {
		w.line("  %s", w.paint(dim, "removed if the client sends them: "+strings.Join(removed, ", ")))
	}
}

func (w *writer) list(title string, texts []string) {
	if len(texts) == 0 {
		return
	}
	w.section(title)
	for _, text := range texts {
		for i, line := range wrap(text, 110) {
			w.line("  %s%s", map[bool]string{true: "- ", false: "  "}[i == 0], line)
		}
	}
}
