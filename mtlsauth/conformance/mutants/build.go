package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// built are the test binaries of a package with its mutants in it.
type built struct {
	dir      string
	binaries []binary
	tests    []*test
}

type binary struct{ path, dir string }

// test is a test with what it takes and which mutants it reaches.
type test struct {
	binary
	name    string
	long    bool // without -short
	took    time.Duration
	reaches map[int]bool
}

// theSwitch is the file that is added to a package.
const theSwitch = `package %s

import (
	"os"
	"strconv"
	"sync/atomic"
)

var (
	mutantOn      = func() int { n, err := strconv.Atoi(os.Getenv("MUTANT")); if err != nil { return -1 }; return n }()
	mutantsHit    [%d]atomic.Bool
	mutantsToFile = os.Getenv("MUTANTS_HIT")
)

func mutantIs(n int) bool {
	if mutantsToFile != "" && !mutantsHit[n].Swap(true) {
		if f, err := os.OpenFile(mutantsToFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
			f.WriteString(strconv.Itoa(n) + "\n")
			f.Close()
		}
	}
	return n == mutantOn
}
`

// compile builds the tests of packages with the mutants of one, those left out that are no
// Go.
func compile(ctx context.Context, p *pack, packages []string) (*built, error) {
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return nil, err
	}
	b := &built{dir: dir}
	without := map[*mutant]bool{}
	for try := 0; ; try++ {
		overlay, err := b.overlay(p, without)
		if err != nil {
			return nil, err
		}
		b.binaries = nil
		var failed []byte
		for _, name := range packages {
			bin := filepath.Join(dir, strings.ReplaceAll(name, "/", "-")+".test")
			out, err := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-gcflags=-e", "-overlay", overlay, "-o", bin, "./"+internal+name).CombinedOutput()
			if err != nil {
				failed = out
				break
			}
			b.binaries = append(b.binaries, binary{bin, internal + name})
		}
		if failed == nil {
			break
		}
		before := len(without)
		for _, m := range p.mutants {
			for _, at := range refusedAt.FindAllSubmatch(failed, -1) {
				if line, _ := strconv.Atoi(string(at[2])); line == m.line && filepath.Base(string(at[1])) == m.file {
					without[m] = true
				}
			}
		}
		if len(without) == before || try > 8 {
			b.remove()
			return nil, fmt.Errorf("compiling the mutants:\n%s", failed)
		}
	}
	p.mutants = slices.DeleteFunc(p.mutants, func(m *mutant) bool { return without[m] })
	return b, nil
}

var refusedAt = regexp.MustCompile(`(?m)^([^\s:]+\.go):(\d+):`)

func (b *built) overlay(p *pack, without map[*mutant]bool) (string, error) {
	replace := map[string]string{}
	write := func(path string, text []byte) error {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		replace[absolute] = filepath.Join(b.dir, filepath.Base(path))
		return os.WriteFile(replace[absolute], text, 0o600)
	}
	for _, s := range p.files {
		if err := write(s.path, s.mutated(without)); err != nil {
			return "", err
		}
	}
	if err := write(filepath.Join(p.dir, "mutant_switch.go"), fmt.Appendf(nil, theSwitch, p.name, len(p.mutants)+len(without)+1)); err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(b.dir, "overlay.json")
	return path, os.WriteFile(path, text, 0o600)
}

func (b *built) remove() { os.RemoveAll(b.dir) }

func (b *built) command(ctx context.Context, in binary, long bool, pattern string, env ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, in.path, fmt.Sprintf("-test.short=%v", !long), "-test.failfast", "-test.run", pattern)
	cmd.Dir, cmd.Env = in.dir, append(os.Environ(), env...)
	cmd.WaitDelay = time.Second
	return cmd
}

// measure runs each test alone: all must pass, and what they reach is noted. long are the
// tests without -short.
func (b *built) measure(ctx context.Context, long bool) error {
	b.tests = nil
	for _, in := range b.binaries {
		list := exec.CommandContext(ctx, in.path, "-test.list", ".")
		list.Dir = in.dir
		out, err := list.Output()
		if err != nil {
			return err
		}
		for _, name := range strings.Fields(string(out)) {
			if strings.HasPrefix(name, "Benchmark") {
				continue
			}
			hits := filepath.Join(b.dir, "hits")
			os.Remove(hits)
			began := time.Now()
			if out, err := b.command(ctx, in, long, "^"+name+"$", "MUTANTS_HIT="+hits).CombinedOutput(); err != nil {
				return fmt.Errorf("%s fails without a mutant: %w\n%s", name, err, out)
			}
			t := &test{binary: in, name: name, long: long, took: time.Since(began), reaches: map[int]bool{}}
			text, _ := os.ReadFile(hits) // none where it reaches none
			for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
				id, err := strconv.Atoi(lines.Text())
				if err != nil {
					return err
				}
				t.reaches[id] = true
			}
			if len(t.reaches) > 0 {
				b.tests = append(b.tests, t)
			}
		}
	}
	slices.SortStableFunc(b.tests, func(x, y *test) int { return int(x.took - y.took) })
	return nil
}

// kill runs the tests that reach a mutant, the quick ones first, and returns the names of
// those that ran when one failed; "" where all passed.
func (b *built) kill(ctx context.Context, m *mutant) (string, error) {
	var reaching []*test
	for _, t := range b.tests {
		if t.reaches[m.id] {
			reaching = append(reaching, t)
		}
	}
	atOnce, reachingLong := 6, len(reaching) > 0 && reaching[0].long
	if reachingLong {
		atOnce = 1
	}
	for len(reaching) > 0 {
		n := min(atOnce, len(reaching))
		group := map[binary][]string{}
		limit := 8 * time.Second
		for _, t := range reaching[:n] {
			group[t.binary] = append(group[t.binary], t.name)
			limit += 10 * t.took
		}
		reaching = reaching[n:]
		for _, in := range b.binaries {
			tests := group[in]
			if len(tests) == 0 {
				continue
			}
			late, err := b.run(ctx, limit, in, reachingLong, tests, m)
			if late { // the mutant hangs, or the machine did
				_, err = b.run(ctx, 3*limit, in, reachingLong, tests, m)
			}
			if ctx.Err() != nil {
				return "", ctx.Err()
			}
			if err != nil {
				return strings.Join(tests, ", "), nil
			}
		}
	}
	return "", nil
}

// run runs tests with a mutant switched on. late says that they did not end in time.
func (b *built) run(ctx context.Context, limit time.Duration, in binary, long bool, tests []string, m *mutant) (late bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err = b.command(ctx, in, long, "^("+strings.Join(tests, "|")+")$", fmt.Sprintf("MUTANT=%d", m.id)).Run()
	return ctx.Err() != nil, err
}
