package luaserver

import (
	"encoding/json"
	"testing"

	"mtls-auth/mtlsauth/internal/metrics"
)

// TestWatchFigures: what a watch tells of metrics. A worker without a registry is told
// nothing, and one that begins is told what there is, also where another was told just now.
func TestWatchFigures(t *testing.T) {
	w := newWorld(t)
	w.Metrics = metrics.New(w.Engine.State)
	watch := func(q question) (answer epochIs, refused string) {
		t.Helper()
		q.Op, q.Protocol = "watch", Protocol
		e, ended := w.begin(q)
		frame := <-e.out
		var refusal struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(frame, &answer) != nil || json.Unmarshal(frame, &refusal) != nil {
			t.Fatalf("told %s", frame)
		}
		if err := <-ended; (err != nil) != (refusal.Error != "") {
			t.Errorf("told %s, ended %v", frame, err)
		}
		return answer, refusal.Error
	}
	series := func(a epochIs) (n int) {
		if a.Figures == nil {
			return -1
		}
		for _, m := range a.Figures.Metrics {
			n += len(m.Series)
		}
		return n
	}
	if a, _ := watch(question{}); series(a) != -1 {
		t.Errorf("a worker without a registry is told %+v", a.Figures)
	}
	if a, _ := watch(question{Figures: true, Epoch: "of an earlier server"}); series(a) < 1 {
		t.Errorf("the first worker is told %+v", a.Figures)
	}
	if a, _ := watch(question{Figures: true, Epoch: "of an earlier server"}); series(a) != -1 {
		t.Errorf("soon after it another is told %+v", a.Figures)
	}
	if a, _ := watch(question{Figures: true}); series(a) != 0 {
		t.Errorf("one that begins is told %+v, want metrics without series", a.Figures)
	}
	if a, refused := watch(question{Counts: []metrics.Count{{Result: "odd", Reason: "passed", N: 1}}}); refused != `reading counts: result "odd"` || a.Epoch != "" {
		t.Errorf("counts that are not ours: told %+v, %q", a, refused)
	}
	w.watching.Store(maxWatching)
	if _, refused := watch(question{}); refused != "over 1024 workers watch" || w.watching.Load() != maxWatching {
		t.Errorf("a watch too many: %q, %d watch", refused, w.watching.Load())
	}
}

// TestEpochsOfProcesses: two processes have no epoch in common.
func TestEpochsOfProcesses(t *testing.T) {
	a, b := newEpochs(), newEpochs()
	if a.now() == b.now() {
		t.Errorf("two processes have epoch %s", a.now())
	}
	first, over := a.watch()
	a.next()
	a.next()
	if <-over; a.now() == first {
		t.Error("the epoch did not change")
	}
}
