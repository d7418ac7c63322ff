package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
)

// differential is what a comparison with OpenSSL came to.
type differential struct {
	What, Tuples, Accept, Refuse string
	Differ                       int
}

var (
	tuples  = regexp.MustCompile(`(\d+) tuples: both accept (\d+), both refuse (\d+)`)
	differs = regexp.MustCompile(`\s(\d+) differ: (.+)`)
	ofRight = regexp.MustCompile(`(\d+) of (\d+) right`)
)

// runTests runs the tests that print figures.
func (p *page) runTests(ctx context.Context) error {
	run := func(name, room string) (string, error) {
		out, err := exec.CommandContext(ctx, "go", "test", "-count", "1", "-v", "-run", "^"+name+"$", "./mtlsauth/internal/"+room).CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("%s: %w\n%s", name, err, out)
		}
		return string(out), nil
	}
	out, err := run("TestOpenSSL", "revocation/ocsp")
	if err != nil {
		return err
	}
	p.OpenSSLOCSP = ofRight.FindStringSubmatch(out)
	p.Differing = map[string]int{}
	for _, test := range []struct{ name, what string }{
		{"TestAgainstOpenSSL", "paths made for each rule of RFC 5280, section 6"},
		{"TestMutationsAgainstOpenSSL", "certificates with one element changed"},
		{"TestFieldAgainstOpenSSL", "certificates of 25 public sources, issued again, and paths as they are"},
	} {
		out, err := run(test.name, "certpath")
		if err != nil {
			return err
		}
		d := differential{What: test.what, Tuples: "not run"}
		if m := tuples.FindStringSubmatch(out); m != nil {
			d.Tuples, d.Accept, d.Refuse = m[1], m[2], m[3]
		}
		for _, m := range differs.FindAllStringSubmatch(out, -1) {
			var n int
			fmt.Sscan(m[1], &n)
			if d.Differ += n; n > 0 {
				p.Differing[m[2]] += n
			}
		}
		p.Differential = append(p.Differential, d)
	}
	return nil
}

// readFigures reads what the longer commands have written.
func (p *page) readFigures(folder string) error {
	return errors.Join(
		figuresOf(filepath.Join(folder, "faults-*.json"), &p.Faults),
		figuresOf(filepath.Join(folder, "mutants-*.json"), &p.Mutants),
		figuresOf(filepath.Join(folder, "fuzz-*.json"), &p.Fuzz))
}

func figuresOf[T any](pattern string, all *[]T) error {
	files, err := filepath.Glob(pattern)
	for _, file := range files {
		var one T
		if e := readJSON(file, &one); e != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", file, e))
		}
		*all = append(*all, one)
	}
	return err
}
