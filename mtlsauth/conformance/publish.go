package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// A verifier is what is asked about vectors.
type verifier struct {
	name string
	says map[string]answer // by the vector's name
}

func newVerifier(name string) *verifier { return &verifier{name: name, says: map[string]answer{}} }

// tally is how a verifier did.
type tally struct{ right, accepted, refused, cannot int }

func (v *verifier) tally(vectors []vector) (t tally) {
	for _, one := range vectors {
		switch a := v.says[one.name]; {
		case a == cannot:
			t.cannot++
		case a.right(one):
			t.right++
		case a == accepts:
			t.accepted++
		default:
			t.refused++
		}
	}
	return t
}

func (t tally) String() string {
	if t.right+t.accepted+t.refused == 0 {
		return "–"
	}
	text := fmt.Sprint(t.right)
	if t.accepted > 0 {
		text += fmt.Sprintf(", **%d passed**", t.accepted)
	}
	if t.refused > 0 {
		text += fmt.Sprintf(", %d refused", t.refused)
	}
	return text
}

// publish measures, and writes the page. It returns what the program has wrong.
func publish(ctx context.Context, o options, page io.Writer) (wrong []string, err error) {
	dir, err := os.MkdirTemp("", "conformance-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ours, err := buildProduct(ctx, dir)
	if err != nil {
		return nil, err
	}
	var reasons = map[string]string{}
	check := func(v *verifier, vectors []vector) {
		for _, one := range vectors {
			switch a := v.says[one.name]; {
			case a == cannot, a.right(one):
			case one.why != "" && a == refuses || one.suite == "x509-limbo" && one.why != "":
				reasons[one.suite+" "+one.name] = one.why
			default:
				wrong = append(wrong, fmt.Sprintf("%s %s: valid is %v", one.suite, one.name, one.valid))
			}
		}
	}
	openssl, nginx, haproxy := version(ctx, "openssl", "version"), version(ctx, "nginx", "-v"), version(ctx, "haproxy", "-v")
	fmt.Fprintf(page, head, time.Now().UTC().Format(time.DateOnly), strings.Join([]string{version(ctx, "go", "version"), openssl, nginx, haproxy}, "; "))

	pkits, err := readPKITS(filepath.Join(o.suites, "pkits"), false)
	if err != nil {
		return nil, err
	}
	issued, err := readPKITS(filepath.Join(o.suites, "pkits"), true)
	if err != nil {
		return nil, err
	}
	all := []*verifier{newVerifier("mtls-auth"), newVerifier("crypto/x509"), newVerifier("openssl verify"), newVerifier("nginx"), newVerifier("HAProxy")}
	if err := errors.Join(askOurs(ctx, ours, all[0], pkits), askStdlib(all[1], pkits), askOpenSSL(ctx, all[2], pkits)); err != nil {
		return nil, err
	}
	if err := errors.Join(askProxy(ctx, all[3], issued, startNginx), askProxy(ctx, all[4], issued, startHAProxy)); err != nil {
		return nil, err
	}
	check(all[0], pkits)
	fmt.Fprintf(page, aboutPKITS, len(pkits))
	table(page, all, pkits, func(section string) string { return section + " " + sections[section] })

	limbo, err := readLimbo(filepath.Join(o.suites, "x509-limbo"))
	if err != nil {
		return nil, err
	}
	all = []*verifier{newVerifier("mtls-auth"), newVerifier("crypto/x509"), newVerifier("openssl verify")}
	var status []vector
	for _, v := range limbo {
		if all[0].says[v.name] = byPaths(v); v.crls != nil {
			status = append(status, v)
		}
	}
	if err := errors.Join(askOurs(ctx, ours, all[0], status), askStdlib(all[1], limbo), askOpenSSL(ctx, all[2], limbo)); err != nil {
		return nil, err
	}
	check(all[0], limbo)
	fmt.Fprintf(page, aboutLimbo, len(limbo))
	table(page, all, limbo, func(section string) string { return section })

	crls := probesOfCRLs()
	all = []*verifier{newVerifier("mtls-auth"), newVerifier("openssl verify"), newVerifier("nginx"), newVerifier("HAProxy")}
	if err := errors.Join(askOurs(ctx, ours, all[0], crls), askOpenSSL(ctx, all[1], crls), askProxy(ctx, all[2], crls, startNginx), askProxy(ctx, all[3], crls, startHAProxy)); err != nil {
		return nil, err
	}
	check(all[0], crls)
	fmt.Fprint(page, aboutCRLs)
	list(page, all, crls)

	ocsp, end := probesOfOCSP()
	defer end()
	all = []*verifier{newVerifier("mtls-auth"), newVerifier("openssl ocsp"), newVerifier("nginx")}
	if err := errors.Join(askOurs(ctx, ours, all[0], ocsp), askProxy(ctx, all[2], ocsp, startNginx), each(ocsp, 2, func(v vector) error {
		a, err := byOpenSSLOCSP(ctx, v)
		all[1].put(v, a)
		return err
	})); err != nil {
		return nil, err
	}
	check(all[0], ocsp)
	fmt.Fprint(page, aboutOCSP)
	list(page, all, ocsp)
	if err := tests(ctx, page); err != nil {
		return nil, err
	}
	fmt.Fprint(page, aboutDeviations)
	for _, name := range sortedKeys(reasons) {
		fmt.Fprintf(page, "| %s | %s |\n", name, reasons[name])
	}
	return wrong, longer(o.figures, page)
}

var putting sync.Mutex

func (v *verifier) put(one vector, a answer) {
	putting.Lock()
	defer putting.Unlock()
	v.says[one.name] = a
}

func askOurs(ctx context.Context, p product, v *verifier, vectors []vector) error {
	return each(vectors, 4, func(one vector) error {
		a, _, err := p.ask(ctx, one)
		v.put(one, a)
		return err
	})
}

func askStdlib(v *verifier, vectors []vector) error {
	for _, one := range vectors {
		v.put(one, byStdlib(one))
	}
	return nil
}

func askOpenSSL(ctx context.Context, v *verifier, vectors []vector) error {
	return each(vectors, 2, func(one vector) error {
		a, err := byOpenSSL(ctx, one)
		v.put(one, a)
		return err
	})
}

// askProxy asks a proxy about the vectors that it can be asked: without a CRL it would not
// check status.
func askProxy(ctx context.Context, v *verifier, vectors []vector, start func(context.Context, []vector) (*proxies, error)) error {
	vectors = slices.DeleteFunc(slices.Clone(vectors), func(one vector) bool { return one.key == nil || one.ocsp == "" && len(one.crls) == 0 })
	p, err := start(ctx, vectors)
	if p != nil {
		defer p.stop()
	}
	if errors.Is(err, exec.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for n, one := range vectors {
		a, err := p.ask(n, one)
		if err != nil {
			return err
		}
		v.put(one, a)
	}
	return nil
}

// table writes a row for each section.
func table(page io.Writer, all []*verifier, vectors []vector, title func(string) string) {
	header(page, "section | vectors", all)
	var order []string
	bySection := map[string][]vector{}
	for _, v := range vectors {
		if bySection[v.section] == nil {
			order = append(order, v.section)
		}
		bySection[v.section] = append(bySection[v.section], v)
	}
	row := func(name string, of []vector) {
		fmt.Fprintf(page, "| %s | %d |", name, len(of))
		for _, v := range all {
			fmt.Fprintf(page, " %s |", v.tally(of))
		}
		fmt.Fprintln(page)
	}
	for _, section := range order {
		row(title(section), bySection[section])
	}
	row("all", vectors)
}

// list writes a row for each vector.
func list(page io.Writer, all []*verifier, vectors []vector) {
	header(page, "probe | right is", all)
	for _, one := range vectors {
		word := func(a answer) string { return [...]string{"–", "pass", "refuse"}[a] }
		fmt.Fprintf(page, "| %s | %s |", one.name, word(saysIf(one.valid)))
		for _, v := range all {
			text := word(v.says[one.name])
			if a := v.says[one.name]; a == accepts && !one.valid {
				text = "**" + text + "**"
			} else if a == refuses && one.valid {
				text = "*" + text + "*"
			}
			fmt.Fprintf(page, " %s |", text)
		}
		fmt.Fprintln(page)
	}
	fmt.Fprintf(page, "| right, of %d | |", len(vectors))
	for _, v := range all {
		fmt.Fprintf(page, " %s |", v.tally(vectors))
	}
	fmt.Fprintln(page)
}

func header(page io.Writer, first string, all []*verifier) {
	names, lines := []string{first}, "|---|---|"
	for _, v := range all {
		names = append(names, v.name)
		lines += "---|"
	}
	fmt.Fprintf(page, "\n| %s |\n%s\n", strings.Join(names, " | "), lines)
}

// version is the first line of what a command says of itself.
func version(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return name + " absent"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	line = strings.TrimPrefix(line, "nginx version: ")
	line = regexp.MustCompile(`\s+(linux/|- https|\(Library|\d{4}/).*$`).ReplaceAllString(line, "")
	return strings.TrimPrefix(line, "go version ")
}

var (
	tuples  = regexp.MustCompile(`(\d+) tuples: both accept (\d+), both refuse (\d+)`)
	differs = regexp.MustCompile(`\s(\d+) differ: (.+)`)
	ofRight = regexp.MustCompile(`(\d+) of (\d+) right`)
)

// tests runs the tests that print figures.
func tests(ctx context.Context, page io.Writer) error {
	run := func(pattern, room string) (string, error) {
		out, err := exec.CommandContext(ctx, "go", "test", "-count", "1", "-v", "-run", pattern, "./mtlsauth/internal/"+room).CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("%s: %w\n%s", pattern, err, out)
		}
		return string(out), nil
	}
	out, err := run("^TestOpenSSL$", "revocation/ocsp")
	if err != nil {
		return err
	}
	if m := ofRight.FindStringSubmatch(out); m != nil {
		fmt.Fprintf(page, aboutOpenSSLOCSP, m[1], m[2])
	}
	fmt.Fprint(page, aboutDifferential)
	reasons := map[string]int{}
	for _, test := range []struct{ name, what string }{
		{"TestAgainstOpenSSL", "paths made for each rule of RFC 5280, section 6"},
		{"TestMutationsAgainstOpenSSL", "certificates with one element changed"},
		{"TestFieldAgainstOpenSSL", "certificates of 25 public sources, issued again, and paths as they are"},
	} {
		out, err := run("^"+test.name+"$", "certpath")
		if err != nil {
			return err
		}
		m := tuples.FindStringSubmatch(out)
		if m == nil {
			fmt.Fprintf(page, "| %s | not run | | | |\n", test.what)
			continue
		}
		differ := 0
		for _, d := range differs.FindAllStringSubmatch(out, -1) {
			var n int
			fmt.Sscan(d[1], &n)
			differ += n
			reasons[d[2]] += n
		}
		fmt.Fprintf(page, "| %s | %s | %s | %s | %d |\n", test.what, m[1], m[2], m[3], differ)
	}
	fmt.Fprint(page, "\n| differ | reason |\n|---|---|\n")
	for _, reason := range sortedKeys(reasons) {
		if reasons[reason] > 0 {
			fmt.Fprintf(page, "| %d | %s |\n", reasons[reason], reason)
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// The figures of the longer commands.
type (
	faultFigures struct {
		Mode, Date                                                  string
		Seeds, First, Faults, Requests, Passes                      int
		Refused                                                     int
		Faulted, Wrong, Unanswered, Descriptors, Memory, Goroutines int
		Longest                                                     float64
	}
	mutantFigures struct {
		Package, Date                       string
		Mutants, Killed, Equivalent, Living int
	}
	fuzzFigures struct {
		Package, Target, Date, Lasted string
		Executions, Failures          int
	}
)

func longer(folder string, page io.Writer) error {
	var faults []faultFigures
	var mutants []mutantFigures
	var fuzz []fuzzFigures
	if err := errors.Join(figuresOf(folder, "faults-*.json", decode(&faults)), figuresOf(folder, "mutants-*.json", decode(&mutants)), figuresOf(folder, "fuzz-*.json", decode(&fuzz))); err != nil {
		return err
	}
	if len(faults) > 0 {
		fmt.Fprint(page, aboutFaults)
		for _, f := range faults {
			fmt.Fprintf(page, "| %s | %d, from %d on | %d | %d | %d | %d | %d | %d | %d | %.1f s |\n", f.Mode, f.Seeds, f.First, f.Faults, f.Requests, f.Passes, f.Refused, f.Faulted, f.Wrong, f.Unanswered, f.Longest)
		}
	}
	if len(mutants) > 0 {
		fmt.Fprint(page, aboutMutants)
		for _, m := range mutants {
			fmt.Fprintf(page, "| `%s` | %d | %d | %d | %d |\n", m.Package, m.Mutants, m.Killed, m.Equivalent, m.Living)
		}
	}
	if len(fuzz) > 0 {
		fmt.Fprint(page, aboutFuzz)
		for _, f := range fuzz {
			fmt.Fprintf(page, "| `%s` | %s | %s | %d | %d |\n", f.Package, f.Target, f.Lasted, f.Executions, f.Failures)
		}
	}
	return nil
}
