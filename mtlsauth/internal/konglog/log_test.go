package konglog

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
)

func TestLineQuotesEscapesAndCuts(t *testing.T) {
	l := new(pairs)
	l.add("subject", "CN=a\" b\n\x1b[31m\xff")
	l.add("long", strings.Repeat("x", 300))
	want := `subject="CN=a\" b\n\x1b[31m\xff" long="` + strings.Repeat("x", 256) + `…"`
	if got := l.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestLevels(t *testing.T) {
	passed := &authn.Decision{Reason: authn.Passed}
	noted := &authn.Decision{Reason: authn.Passed, Notes: []string{"a header was left out"}}
	for _, test := range []struct {
		d    *authn.Decision
		want slog.Level
	}{
		{passed, slog.LevelDebug},
		{noted, LevelNotice},
		{authn.Deny(authn.NoneSent, nil), slog.LevelInfo},
		{authn.Deny(authn.Expired, nil), LevelNotice},
		{authn.Deny(authn.CANotLoaded, nil), LevelNotice},
		{authn.Deny(authn.BadConfig, nil), slog.LevelError},
		{new(authn.Decision), slog.LevelError}, // no answer is a fault
	} {
		if got := levelOf(test.d); got != test.want {
			t.Errorf("%v with status %d: got level %v, want %v", test.d.Reason, test.d.Status(), got, test.want)
		}
	}
}

func TestEqualReasonsAreSummedUp(t *testing.T) {
	var s summed
	now := time.Unix(1_800_000_000, 0)
	written := 0
	for range 250 {
		if told, write := s.count(authn.Expired, LevelNotice, now); write {
			written++
		} else if len(told) > 0 {
			t.Fatal("the sum was told within its second")
		}
	}
	if written != linesPerSecond {
		t.Errorf("%d lines were written in a second, want %d", written, linesPerSecond)
	}
	if _, write := s.count(authn.BadSignature, LevelNotice, now); !write {
		t.Error("another reason was summed up as well")
	}
	told, write := s.count(authn.BadSignature, LevelNotice, now.Add(time.Second))
	if !write || len(told) != 1 || told[0].line() != `reason="expired" not_written="150"` || told[0].level != LevelNotice {
		t.Errorf("a second later: got write %v and %+v, want the sum of 150", write, told)
	}
	if told, write := s.count(authn.Expired, LevelNotice, now.Add(time.Second)); !write || len(told) != 0 {
		t.Errorf("the next line: got write %v and %+v, want it written and nothing told twice", write, told)
	}
}

func TestFaultsReachKongOnceAMinute(t *testing.T) {
	var printed bytes.Buffer
	f := newFaults(slog.NewTextHandler(&printed, nil), slog.LevelInfo)
	log := f
	now := time.Now()
	if got := f.due(now); got != nil {
		t.Fatalf("with no fault: %v is due", got)
	}
	log.Info("all is well")
	if got := f.due(now); got != nil {
		t.Fatalf("a line at info is due for Kong: %v", got)
	}
	for range 3 {
		log.With("source", "admin").Error("source is down", "error", errors.New("refused"))
	}
	got := f.due(now)
	if len(got) != 1 || got[0].Level != slog.LevelError ||
		got[0].Text != `fault="source is down" source="admin" error="refused" times=3` {
		t.Fatalf("got %+v, want one line with its count", got)
	}
	log.With("source", "admin").Error("source is down", "error", errors.New("refused"))
	if got := f.due(now.Add(59 * time.Second)); got != nil {
		t.Errorf("within the minute: %v", got)
	}
	if got := f.due(now.Add(time.Minute)); len(got) != 1 {
		t.Errorf("after the minute: got %v, want the line again", got)
	}
	if got := f.due(now.Add(2 * time.Minute)); got != nil {
		t.Errorf("a fault that is over: %v", got)
	}
	if n := strings.Count(printed.String(), "source is down"); n != 4 {
		t.Errorf("%d of 4 faults were printed", n)
	}
	for i := range 10 * maxFaults {
		log.Warn("many", "n", i)
	}
	if n := len(f.kept.byLine); n > maxFaults+1 {
		t.Errorf("%d lines are kept, at most %d should be", n, maxFaults+1)
	}
	told := false
	for _, fault := range f.due(now.Add(3 * time.Minute)) {
		told = told || strings.Contains(fault.Text, furtherFaults)
	}
	if !told {
		t.Error("nothing tells of the faults that were left out")
	}
}
