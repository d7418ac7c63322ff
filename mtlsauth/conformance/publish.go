package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
	"time"
)

// page is what the template has.
type page struct {
	Date, Versions           string
	PKITS, Limbo, CRLs, OCSP section
	OpenSSLOCSP              []string // how many are right, of how many, after the whole match
	Differential             []differential
	Differing                map[string]int    // how many differ, by reason
	Deviations               map[string]string // the reason, by vector

	// What the longer commands have written.
	Faults []struct {
		Mode                                                     string
		Seeds, First, Faults, Requests, Passes, Refused, Faulted int
		Wrong, Unanswered                                        int
		Longest                                                  float64
	}
	Mutants []struct {
		Package                             string
		Mutants, Killed, Equivalent, Living int
	}
	Fuzz []struct {
		Package, Target, Lasted string
		Executions, Failures    int
	}
}

// section is a table about vectors.
type section struct {
	Vectors int
	Table   string
}

//go:embed page.md
var pageText string

// publish measures, and writes the page. It returns what the program has wrong.
func publish(ctx context.Context, o options, out io.Writer) (wrong []string, err error) {
	dir, err := os.MkdirTemp("", "conformance-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ours, err := buildProduct(ctx, dir)
	if err != nil {
		return nil, err
	}
	m := measuring{ours: ours, page: &page{
		Date:       time.Now().UTC().Format(time.DateOnly),
		Versions:   strings.Join([]string{version(ctx, "go", "version"), version(ctx, "openssl", "version"), version(ctx, "nginx", "-v"), version(ctx, "haproxy", "-v")}, "; "),
		Deviations: map[string]string{},
	}}
	if err := errors.Join(m.pkits(ctx, o.suites), m.limbo(ctx, o.suites), m.crls(ctx), m.ocsp(ctx), m.page.runTests(ctx), m.page.readFigures(o.figures)); err != nil {
		return nil, err
	}
	return m.wrong, template.Must(template.New("page.md").Parse(pageText)).Execute(out, m.page)
}

type measuring struct {
	*page
	ours  product
	wrong []string
}

// check notes what the program has wrong, and what it answers otherwise on purpose.
func (m *measuring) check(v *verifier, vectors []vector) {
	for _, one := range vectors {
		switch a := v.says[one.name]; {
		case a == cannot, a.right(one):
		case one.why != "" && (a == refuses || one.suite == "x509-limbo"):
			m.Deviations[one.suite+" "+one.name] = one.why
		default:
			m.wrong = append(m.wrong, fmt.Sprintf("%s %s: valid is %v", one.suite, one.name, one.valid))
		}
	}
}

func (m *measuring) pkits(ctx context.Context, suites string) error {
	vectors, err := readPKITS(filepath.Join(suites, "pkits"), false)
	if err != nil {
		return err
	}
	issued, err := readPKITS(filepath.Join(suites, "pkits"), true)
	if err != nil {
		return err
	}
	all := verifiers("mtls-auth", "crypto/x509", "openssl verify", "nginx", "HAProxy")
	err = errors.Join(all[0].askOurs(ctx, m.ours, vectors), all[2].askOpenSSL(ctx, vectors),
		all[3].askProxy(ctx, issued, startNginx), all[4].askProxy(ctx, issued, startHAProxy))
	all[1].askStdlib(vectors)
	m.check(all[0], vectors)
	m.PKITS = section{len(vectors), table(all, vectors, func(section string) string { return section + " " + sections[section] })}
	return err
}

func (m *measuring) limbo(ctx context.Context, suites string) error {
	vectors, err := readLimbo(filepath.Join(suites, "x509-limbo"))
	if err != nil {
		return err
	}
	all := verifiers("mtls-auth", "crypto/x509", "openssl verify")
	var status []vector
	for _, v := range vectors {
		if all[0].says[v.name] = byPaths(v); v.crls != nil {
			status = append(status, v)
		}
	}
	err = errors.Join(all[0].askOurs(ctx, m.ours, status), all[2].askOpenSSL(ctx, vectors))
	all[1].askStdlib(vectors)
	m.check(all[0], vectors)
	m.Limbo = section{len(vectors), table(all, vectors, func(section string) string { return section })}
	return err
}

func (m *measuring) crls(ctx context.Context) error {
	vectors := probesOfCRLs()
	all := verifiers("mtls-auth", "openssl verify", "nginx", "HAProxy")
	err := errors.Join(all[0].askOurs(ctx, m.ours, vectors), all[1].askOpenSSL(ctx, vectors),
		all[2].askProxy(ctx, vectors, startNginx), all[3].askProxy(ctx, vectors, startHAProxy))
	m.check(all[0], vectors)
	m.CRLs = section{len(vectors), list(all, vectors)}
	return err
}

func (m *measuring) ocsp(ctx context.Context) error {
	vectors, end := probesOfOCSP()
	defer end()
	all := verifiers("mtls-auth", "openssl ocsp", "nginx")
	err := errors.Join(all[0].askOurs(ctx, m.ours, vectors), all[2].askProxy(ctx, vectors, startNginx), each(vectors, 2, func(v vector) error {
		a, err := byOpenSSLOCSP(ctx, v)
		all[1].put(v, a)
		return err
	}))
	m.check(all[0], vectors)
	m.OCSP = section{len(vectors), list(all, vectors)}
	return err
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
