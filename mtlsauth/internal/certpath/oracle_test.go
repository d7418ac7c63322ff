//go:build !race

package certpath_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/certpath"
)

// oracle is OpenSSL's X509_verify_cert: testdata/openssl_verify.c.
type oracle string

// newOracle compiles it, and skips the test where OpenSSL's library is absent.
func newOracle(t *testing.T) oracle {
	t.Helper()
	if testing.Short() {
		t.Skip("thousands of paths")
	}
	program := filepath.Join(t.TempDir(), "openssl_verify")
	output, err := exec.Command("gcc", "-O1", "-Wall", "-o", program, "testdata/openssl_verify.c", "-lcrypto").CombinedOutput()
	if err != nil {
		t.Skipf("ORACLE NOT RUN: OpenSSL's library cannot be had (libssl-dev and gcc), so paths are validated without its verdict: %v\n%s", err, output)
	}
	return oracle(program)
}

// opinion is a verdict of OpenSSL's: 0 is good, -1 says that the leaf cannot be
// read.
type opinion struct {
	code int
	odd  int // 2 and 3: OpenSSL cannot read one of the certificates; 1: a part of one
	text string
}

func (o oracle) ask(t testing.TB, questions []tuple) []opinion {
	t.Helper()
	var input bytes.Buffer
	number := func(n int) { binary.Write(&input, binary.BigEndian, uint32(n)) }
	certificate := func(der []byte) { number(len(der)); input.Write(der) }
	for _, q := range questions {
		at := q.at
		if at.IsZero() {
			at = now
		}
		number(int(at.Unix()))
		number(len(q.presented))
		number(len(q.configured))
		certificate(q.leaf)
		for _, der := range slices.Concat(q.presented, q.configured) {
			certificate(der)
		}
	}
	command := exec.Command(string(o))
	command.Stdin, command.Stderr = &input, os.Stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("openssl_verify: %v", err)
	}
	var opinions []opinion
	for lines := bufio.NewScanner(bytes.NewReader(output)); lines.Scan(); {
		var one opinion
		if _, err := fmt.Sscan(lines.Text(), &one.code, &one.odd); err != nil {
			t.Fatalf("openssl_verify: %q: %v", lines.Text(), err)
		}
		one.text = lines.Text()
		opinions = append(opinions, one)
	}
	if len(opinions) != len(questions) {
		t.Fatalf("openssl_verify gave %d verdicts for %d questions", len(opinions), len(questions))
	}
	return opinions
}

// difference is a tuple that OpenSSL and we judge differently.
type difference struct {
	tuple
	ours   judgement
	theirs opinion
}

// refused reports that we refuse it for this kind of reason, and OpenSSL does
// not.
func (d difference) refused(kind certpath.Kind, text string) bool {
	err, ok := d.ours.err.(*certpath.Error)
	return ok && err.Kind == kind && strings.Contains(err.Error(), text)
}

func (d difference) String() string {
	if d.ours.err != nil {
		return fmt.Sprintf("%s: OpenSSL accepts, we refuse: %v", d.name, d.ours.err)
	}
	return fmt.Sprintf("%s: we accept, OpenSSL refuses: %s", d.name, d.theirs.text)
}

// compare asks both about every tuple. A difference that no class explains
// fails the test, and so does a class that explains none.
func compare(t *testing.T, o oracle, questions []tuple, classes []class) {
	t.Helper()
	opinions := o.ask(t, questions)
	var agreed [2]int
	counted := map[string]int{}
	unexplained := map[string][]difference{}
	for i, q := range questions {
		d := difference{q, judge(q), opinions[i]}
		if accepted := d.ours.err == nil; accepted == (d.theirs.code == 0) {
			if accepted {
				agreed[0]++
			} else {
				agreed[1]++
			}
			continue
		}
		if i := slices.IndexFunc(classes, func(c class) bool { return c.explains(t, o, d) }); i >= 0 {
			counted[classes[i].reason]++
		} else {
			unexplained[d.family()] = append(unexplained[d.family()], d)
		}
	}
	t.Logf("%d tuples: both accept %d, both refuse %d", len(questions), agreed[0], agreed[1])
	for _, c := range classes {
		t.Logf("%5d differ: %s", counted[c.reason], c.reason)
	}
	for family, all := range unexplained {
		t.Errorf("%s: %d unexplained differences", family, len(all))
		slices.SortFunc(all, func(a, b difference) int { return cmp.Compare(a.String(), b.String()) })
		for _, d := range all[:min(len(all), limitShown())] {
			t.Errorf("  %v", d)
		}
		if folder := os.Getenv("ORACLE_KEEP"); folder != "" {
			for _, d := range all {
				keep(t, folder, d.tuple)
			}
		}
	}
}

// keep writes a tuple to files, to try it with openssl.
func keep(t testing.TB, folder string, q tuple) {
	folder = filepath.Join(folder, strings.Map(func(r rune) rune {
		if r == '/' || r == ' ' {
			return '_'
		}
		return r
	}, q.name))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name string, ders ...[]byte) {
		for i, der := range ders {
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%s%d.der", name, i)), der, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("leaf", q.leaf)
	write("presented", q.presented...)
	write("configured", q.configured...)
}

func limitShown() int { n, _ := strconv.Atoi(os.Getenv("ORACLE_SHOW")); return max(n, 10) }
