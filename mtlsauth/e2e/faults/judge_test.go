package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// logs is Kong's error log: its lines by request, and the end of it.
type logs struct {
	mu        sync.Mutex
	rest      []byte
	byRequest map[string][]string
	last      []string
	wrong     []string // a fault in the program
	quit      bool     // it was asked for its goroutines
	routines  int
}

func newLogs() *logs { return &logs{byRequest: map[string][]string{}} }

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, b...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		l.rest = bytes.Clone(rest)
		l.add(string(line))
	}
}

func (l *logs) add(line string) {
	if _, id, ok := strings.Cut(line, `request_id: "`); ok {
		id, _, _ = strings.Cut(id, `"`)
		l.byRequest[id] = append(l.byRequest[id], line)
	}
	if strings.Contains(line, "] goroutine ") && strings.HasSuffix(line, ":") {
		l.routines++
	}
	for _, sign := range []string{"DATA RACE", "panic: ", "fatal error: ", "a fault in this program"} {
		if strings.Contains(line, sign) && !l.quit {
			l.wrong = append(l.wrong, line)
		}
	}
	if l.last = append(l.last, line); len(l.last) > 200 {
		l.last = slices.Clone(l.last[100:])
	}
}

func (l *logs) of(id string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byRequest[id]
}

func (l *logs) goroutines() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.routines
}

// faultReasons are those of 500. Of a request that Kong ended with 500 the server may have
// logged the refusal before.
var faultReasons = []string{"internal", "lookup_failed", "ca_not_loaded", "bad_config"}

var reasonOf = regexp.MustCompile(`\[mtls-auth\] reason="([a-z_]+)"`)

// reason is why a request was refused, as the log has it: a reason code, "kong" where Kong
// itself says what went wrong, "" where nothing is said.
func (l *logs) reason(id string, status int) string {
	lines := l.of(id)
	for _, line := range lines {
		m := reasonOf.FindStringSubmatch(line)
		if m != nil && m[1] != "passed" && (status != http.StatusInternalServerError || slices.Contains(faultReasons, m[1])) {
			return m[1]
		}
	}
	for _, line := range lines {
		if strings.Contains(line, "[error]") {
			return "kong"
		}
	}
	return ""
}

// calm waits until every client gets the right answer on every route, twice. It returns what
// that took. An answer may be right at first and then wrong once more: a good response that
// ends before the responder is asked again, which is up to 5 s after a failure.
func (s *simulation) calm(when string) time.Duration {
	s.t.Helper()
	const generous = 90 * time.Second
	began := time.Now()
	now := s.eras[len(s.eras)-1].world
	webs := map[*client]*http.Client{}
	for _, c := range s.clients {
		webs[c] = s.web(c, true)
	}
	right := func(c *client, r route) (record, bool) {
		time.Sleep(8 * time.Millisecond) // over 100 equal refusals a second are one line of the log
		got := s.ask(webs[c], c, r)
		e := good
		if c.authority != nil && c.authority.revokedBefore(c, time.Now()) {
			e = revoked
		}
		return got, slices.ContainsFunc(r.outcomes(c, now, now, now, e), func(o outcome) bool {
			return o.status == got.status && o.who == got.who
		})
	}
	var took time.Duration // until the last wrong answer
	var last record
	defer func() {
		if took > 10*time.Second {
			s.t.Logf("%s: all was right after %v, at last %s", when, took, s.describe(last))
		}
	}()
	for again := true; again; {
		again = false
		for _, c := range s.clients {
			for _, r := range routes {
				for {
					got, ok := right(c, r)
					if ok {
						break
					}
					again, last, took = true, got, time.Since(began)
					if took > generous {
						s.t.Fatalf("%s, %v: %s", when, took, s.describe(got))
					}
					time.Sleep(50 * time.Millisecond)
				}
			}
		}
	}
	return took
}

func (s *simulation) describe(r record) string {
	return fmt.Sprintf("%s on %s from %s to %s: got %d as %q, reason %q (%v)\n%s", r.client.name, r.route.path,
		r.from.Format("15:04:05.000"), r.to.Format("15:04:05.000"), r.status, r.who, s.log.reason(r.id, r.status), r.err, strings.Join(s.log.of(r.id), "\n"))
}

// had says whether a fault of a kind may have touched a request. What a fault has left
// behind is over in the end: calm expects it.
func (s *simulation) had(kind string, r record) bool {
	return slices.ContainsFunc(s.began, func(e event) bool {
		return strings.Contains(e.kinds, kind) && e.at.Before(r.to) && (e.until.IsZero() || r.from.Before(e.until))
	})
}

// judge looks at each request with what is known in the end.
func (s *simulation) judge() {
	for _, r := range s.records {
		if why := s.wrong(r); why != "" {
			s.wrongs++
			s.t.Errorf("%s: %s", why, s.describe(r))
		}
	}
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	for _, line := range s.log.wrong {
		s.t.Errorf("logged: %s", line)
	}
}

// wrong says what is wrong with a request's answer, "" where nothing is.
func (s *simulation) wrong(r record) string {
	if r.err != nil {
		return "not answered"
	}
	reason := ""
	if r.status != http.StatusOK {
		if reason = s.log.reason(r.id, r.status); reason == "" {
			return "refused without a reason"
		}
	}
	got := outcome{r.status, reason, r.who}
	worlds := func(bound time.Duration) []world {
		var all []world
		for _, e := range s.eras {
			if !e.from.After(r.to) && (e.to.IsZero() || !e.to.Before(r.from.Add(-bound))) {
				all = append(all, e.world)
			}
		}
		return all
	}
	for _, e := range s.evidence(r) {
		for _, configured := range worlds(0) {
			for _, cas := range worlds(caBound[s.mode]) {
				for _, people := range worlds(consumerBound[s.mode]) {
					if slices.Contains(r.route.outcomes(r.client, configured, cas, people, e), got) {
						return ""
					}
				}
			}
		}
	}
	switch {
	case r.status == http.StatusOK:
		return "a wrong pass"
	case r.status == http.StatusInternalServerError && slices.Contains([]string{"internal", "lookup_failed", "kong"}, reason) && s.had(process, r):
		return ""
	case (reason == "ca_not_loaded" || reason == "lookup_failed") && s.mode == pluginServerMode && s.had("", r):
		return "" // the sources are asked again by every server, and after every change
	}
	return "a wrong refusal"
}

// evidence is what the server may know about the client's certificate.
func (s *simulation) evidence(r record) []evidence {
	a := r.client.authority
	if a == nil || a.responder == nil {
		return []evidence{good}
	}
	all := []evidence{unasked}
	if a.saidGood(r.client, r.from, r.to) && !s.knownRevoked(r) {
		all = append(all, good)
	}
	if a.revokedBefore(r.client, r.to) {
		all = append(all, revoked)
	}
	slow := r.to.Sub(r.from) > 2*time.Second // as http_timeout, nearly
	if (slow || s.had(evident, r) || s.had(process, r)) && !s.knownRevoked(r) {
		all = append(all, unknown)
	}
	return all
}

// knownRevoked says whether the server had to know from an earlier request that the
// certificate is revoked: one that it refused for it, and had the time to store, so that
// another server knows it, too.
func (s *simulation) knownRevoked(r record) bool {
	if s.had(storage, r) {
		return false
	}
	return slices.ContainsFunc(s.records, func(earlier record) bool {
		return earlier.client == r.client && earlier.status == http.StatusUnauthorized &&
			earlier.to.Add(certCacheTTL+time.Second).Before(r.from) && s.log.reason(earlier.id, earlier.status) == "revoked" &&
			!slices.ContainsFunc(s.began, func(e event) bool {
				const starting, storing = 15 * time.Second, 3 * time.Second
				return strings.Contains(e.kinds, process) && e.at.After(earlier.to.Add(-starting)) && e.at.Before(earlier.to.Add(storing))
			})
	})
}

// usage is what the server takes.
type usage struct{ descriptors, memory, files, goroutines int }

func (s *simulation) usage() usage {
	var u usage
	pid := strconv.Itoa(s.kong.Process().PID())
	open, _ := os.ReadDir(filepath.Join("/proc", pid, "fd"))
	u.descriptors = len(open)
	status, _ := os.ReadFile(filepath.Join("/proc", pid, "status"))
	if _, rest, ok := bytes.Cut(status, []byte("VmRSS:")); ok {
		fmt.Sscanf(string(rest), "%d", &u.memory) // KiB
	}
	files, _ := os.ReadDir(s.prefix)
	u.files = len(files)
	return u
}

// The most that a server may have more than before the faults.
const (
	moreDescriptors = 24  // connections that Kong and the responders keep
	moreMemory      = 100 // MiB, of which most is Go's heap after a large CRL
	mostGoroutines  = 120
)

// leaks expects that a server that is left alone takes what it took.
func (s *simulation) leaks(before usage) usage {
	now := s.usage()
	if now.files > before.files {
		s.signal(syscall.SIGTERM) // what a killed server has left the next one removes
	}
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		now = s.usage()
		if now.descriptors <= before.descriptors+moreDescriptors && now.files <= before.files || time.Since(began) > 60*time.Second {
			break
		}
	}
	if now.descriptors > before.descriptors+moreDescriptors {
		s.t.Errorf("the server has %d descriptors, and had %d", now.descriptors, before.descriptors)
	}
	if now.files > before.files {
		files, _ := filepath.Glob(s.prefix + "/*")
		s.t.Errorf("the prefix has %d files, and had %d: %v", now.files, before.files, files)
	}
	if !raceEnabled && now.memory > before.memory+moreMemory<<10 {
		s.t.Errorf("the server takes %d KiB, and took %d", now.memory, before.memory)
	}
	for _, pattern := range []string{"mtls-auth/.*", "mtls-auth/*.tmp"} {
		if left, _ := filepath.Glob(filepath.Join(s.stateDir, pattern)); len(left) > 8 {
			s.t.Errorf("left in the state folder: %v", left)
		}
	}
	s.log.mu.Lock()
	s.log.quit = true
	s.log.mu.Unlock()
	pid := s.signal(syscall.SIGQUIT) // prints all goroutines
	for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(20 * time.Millisecond) {
		if syscall.Kill(pid, 0) != nil && s.log.goroutines() > 0 {
			break
		}
	}
	if now.goroutines = s.log.goroutines(); now.goroutines == 0 || now.goroutines > mostGoroutines {
		s.t.Errorf("the server has %d goroutines, want 1 to %d", now.goroutines, mostGoroutines)
	}
	return now
}

// figures are those of all simulations of a mode.
type figures struct {
	mu          sync.Mutex
	Mode, Date  string
	First       int // seed
	Seeds       int
	Faults      int
	Requests    int
	Passes      int
	Refused     int     // 401
	Faulted     int     // 500
	Wrong       int     // answers
	Unanswered  int     // requests
	Longest     float64 // seconds from the last fault until all was right
	Descriptors int     // of the server, at most, in the end
	Goroutines  int     // likewise
	Memory      int     // likewise, MiB
}

func (f *figures) add(s *simulation, took time.Duration, u usage) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Seeds++
	f.Faults += len(s.began) - 1
	f.Requests += len(s.records)
	for _, r := range s.records {
		switch {
		case r.err != nil:
			f.Unanswered++
		case r.status == http.StatusOK:
			f.Passes++
		case r.status == http.StatusUnauthorized:
			f.Refused++
		case r.status == http.StatusInternalServerError:
			f.Faulted++
		}
	}
	f.Wrong += s.wrongs
	f.Longest = max(f.Longest, took.Seconds())
	f.Descriptors, f.Memory, f.Goroutines = max(f.Descriptors, u.descriptors), max(f.Memory, u.memory>>10), max(f.Goroutines, u.goroutines)
}

func (f *figures) String() string {
	return fmt.Sprintf("%s: %d seeds, %d faults, %d requests: %d passes, %d × 401, %d × 500; all right again after %.1f s at most; the server had at most %d descriptors, %d goroutines, %d MiB",
		f.Mode, f.Seeds, f.Faults, f.Requests, f.Passes, f.Refused, f.Faulted, f.Longest, f.Descriptors, f.Goroutines, f.Memory)
}

// write puts the figures where the page about conformance has them from.
func (f *figures) write(folder string) error {
	f.Date = time.Now().UTC().Format(time.DateOnly)
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	name := "faults-" + f.Mode
	if f.First > 1 { // beside those from the first on
		name += fmt.Sprintf("-%d", f.First)
	}
	return os.WriteFile(filepath.Join(folder, name+".json"), append(text, '\n'), 0o600)
}

var largeCRL = sync.OnceValue(func() []byte {
	return pki.CRL{Issuer: pki.NewCA("large"), RawEntries: pki.Serials(100_000, 20)}.DER()
})
