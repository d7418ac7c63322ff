package mtlsauth_test

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"mtls-auth/mtlsauth/cli"
	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/metrics"
)

// pages returns what users read, by path from the repository's root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	texts := make(map[string]string)
	for _, file := range append(files, "../README.md", "../CONTRIBUTING.md", "../SECURITY.md", "../CHANGELOG.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[strings.TrimPrefix(filepath.ToSlash(file), "../")] = string(text)
	}
	return texts
}

var (
	fenced = regexp.MustCompile("(?ms)^ *```(\\w*)\n(.*?)^ *```$")
	inCode = regexp.MustCompile("`[^`\n]*`")
)

// prose returns a page without code.
func prose(text string) string {
	return inCode.ReplaceAllString(fenced.ReplaceAllString(text, ""), "`code`")
}

// anchors are the names by which links reach the headings of a page.
func anchors(text string) (found []string) {
	for line := range strings.Lines(fenced.ReplaceAllString(text, "")) {
		title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if !ok || !strings.HasPrefix(line, "#") {
			continue
		}
		found = append(found, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(title)))
	}
	return found
}

func TestLinksResolve(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	texts, found := pages(t), 0
	for page, text := range texts {
		for _, m := range link.FindAllStringSubmatch(prose(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			found++
			file, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(page), file))
			}
			if _, err := os.Stat(filepath.Join("..", target)); err != nil {
				t.Errorf("%s: %s: %v", page, m[1], err)
			}
			if anchor != "" && !slices.Contains(anchors(texts[target]), anchor) {
				t.Errorf("%s: %s: %s has no such heading", page, m[1], target)
			}
		}
	}
	if found < 50 {
		t.Errorf("found %d links", found)
	}
}

// The front page is read in a minute.
func TestReadmeIsShort(t *testing.T) {
	text := pages(t)["README.md"]
	if lines := strings.Count(text, "\n"); lines > 170 {
		t.Errorf("README.md has %d lines, must be at most 170", lines)
	}
	var b strings.Builder // paragraphs and list items
	for line := range strings.Lines(prose(text)) {
		if trimmed := strings.TrimSpace(line); strings.HasPrefix(trimmed, "|") || strings.HasPrefix(trimmed, "#") {
			continue
		} else if trimmed == "" || regexp.MustCompile(`^([-*]|\d+\.|\[\d+\]) `).MatchString(trimmed) {
			b.WriteString("\n\n")
		}
		b.WriteString(line)
	}
	for paragraph := range strings.SplitSeq(b.String(), "\n\n") {
		for _, sentence := range regexp.MustCompile(`[.:;](\*\*)?\s`).Split(paragraph, -1) {
			if words := len(strings.Fields(sentence)); words > 25 {
				t.Errorf("%d words, must be at most 25: %s", words, strings.Join(strings.Fields(sentence), " "))
			}
		}
	}
}

// Words that are ours alone, or not English: CONTRIBUTING.md has those to use.
func TestWordsOfTheDocs(t *testing.T) {
	banned := regexp.MustCompile(`(?i)\b(doors?|engines?|stand-ins?|nobody('s)?|somebody('s)?|whoever|whichever|anew|can not|is none|turnarounds?)\b`)
	for page, text := range pages(t) {
		for line := range strings.Lines(prose(text)) {
			if word := banned.FindString(line); word != "" {
				t.Errorf("%s: %q in: %s", page, word, strings.TrimSpace(line))
			}
		}
	}
}

// rows are the first cells of the tables of a page, each as often as it is there.
func rows(text string) (cells []string) {
	for line := range strings.Lines(text) {
		if cell, ok := strings.CutPrefix(line, "| "); ok {
			first, _, _ := strings.Cut(cell, " | ")
			for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(first, -1) {
				cells = append(cells, m[1])
			}
		}
	}
	return cells
}

func TestFlagsAreDocumentedOnce(t *testing.T) {
	var help, wrong bytes.Buffer
	if code := cli.Run([]string{"mtls-auth", "-help"}, os.Stdin, &help, &wrong); code != 0 {
		t.Fatalf("-help: exit code %d, %s", code, wrong.Bytes())
	}
	var known []string
	for _, m := range regexp.MustCompile(`(?m)^  -(\S+)`).FindAllStringSubmatch(help.String(), -1) {
		known = append(known, m[1])
	}
	slices.Sort(known)
	var documented []string
	texts := pages(t)
	for _, page := range []string{"docs/configuration.md", "docs/plugin-server.md"} {
		for _, cell := range rows(texts[page]) {
			if name, ok := strings.CutPrefix(cell, "-"); ok {
				name, _, _ = strings.Cut(name, " ")
				documented = append(documented, name)
			}
		}
	}
	slices.Sort(documented)
	if !slices.Equal(known, documented) {
		t.Errorf("the program has the flags\n%q, the docs\n%q", known, documented)
	}
}

func TestMetricsAreDocumentedOnce(t *testing.T) {
	_, section, _ := strings.Cut(pages(t)["docs/monitoring.md"], "## Metrics\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var known, documented []string
	for _, m := range metrics.All {
		labels := make([]string, len(m.Labels))
		for i, label := range m.Labels {
			labels[i] = "`" + label + "`"
		}
		known = append(known, fmt.Sprintf("`%s` | %s | %s", m.Name, m.Type, cmp.Or(strings.Join(labels, ", "), "–")))
	}
	for line := range strings.Lines(section) {
		if cells := strings.SplitN(strings.TrimPrefix(line, "| "), " | ", 4); strings.HasPrefix(line, "| `") {
			documented = append(documented, strings.Join(cells[:3], " | "))
		}
	}
	if !slices.Equal(known, documented) {
		t.Errorf("the program has the metrics\n%s\ndocs/monitoring.md\n%s", strings.Join(known, "\n"), strings.Join(documented, "\n"))
	}
}

func TestReasonsAreDocumentedOnce(t *testing.T) {
	var known []string
	for reason := authn.Internal; ; reason++ {
		if code := reason.String(); slices.Contains(known, code) {
			break // what is past the last one reads as the first
		} else {
			known = append(known, code)
		}
	}
	known = slices.DeleteFunc(known, func(code string) bool { return code == authn.Passed.String() })
	_, section, _ := strings.Cut(pages(t)["docs/troubleshooting.md"], "## Reason codes\n")
	documented := rows(section)
	slices.Sort(known)
	slices.Sort(documented)
	if !slices.Equal(known, documented) {
		t.Errorf("the program has the reason codes\n%q, docs/troubleshooting.md\n%q", known, documented)
	}
}

// Tests that the docs name are there.
func TestTestsInTheDocs(t *testing.T) {
	var source []byte
	for _, dir := range []string{"e2e", "internal/revocation"} {
		err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(name, "_test.go") {
				var text []byte
				text, err = os.ReadFile(filepath.Join(dir, name))
				source = append(source, text...)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for page, text := range pages(t) {
		for _, m := range regexp.MustCompile("`(Test[A-Z]\\w*)(…?)`").FindAllStringSubmatch(text, -1) {
			if m[2] == "" {
				m[1] += "("
			}
			if !bytes.Contains(source, []byte("func "+m[1])) {
				t.Errorf("%s names %s, which does not exist", page, m[0])
			}
		}
	}
}

// Commands are at least what a shell can read. What also runs them: e2e (Docker's, the
// demo), deploy (the settings), goplugin (the guard).
func TestShellBlocks(t *testing.T) {
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("NO BASH HERE: the commands of the docs were not read by a shell")
	}
	for page, text := range pages(t) {
		for _, m := range fenced.FindAllStringSubmatch(text, -1) {
			if m[1] != "sh" {
				continue
			}
			cmd := exec.Command(shell, "-n")
			cmd.Stdin = strings.NewReader(m[2])
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s in\n%s", page, err, out, m[2])
			}
		}
	}
}
