package pluginserver

import (
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

type fakePlugin struct{ closed atomic.Int32 }

func (p *fakePlugin) Start([]byte) Instance { return p }
func (p *fakePlugin) Handle(*Event) error   { return nil }
func (p *fakePlugin) Close() {
	p.closed.Add(1)
	panic("boom") // nobody's business but the log's
}

func TestInstancesAreGivenUpLate(t *testing.T) {
	ids, err := OpenIDs(filepath.Join(t.TempDir(), "ids"))
	if err != nil {
		t.Fatal(err)
	}
	plugin := new(fakePlugin)
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	table := instances{ids: ids, log: slog.New(slog.DiscardHandler), epoch: now, byID: map[int32]*instance{}}
	add := func() (int32, *instance) {
		id, in, err := table.start(plugin, nil, now)
		if err != nil {
			t.Fatal(err)
		}
		return id, in
	}
	unused, _ := add()
	used, _ := add()
	closed, closedInstance := add()
	closedInstance.closed.Store(true)
	known := func(id int32) bool { return table.get(id) != nil }

	table.sweep(now.Add(59 * time.Second))
	if !known(unused) || !known(used) || !known(closed) {
		t.Fatal("an instance is gone within a minute")
	}
	table.sweep(now.Add(61 * time.Second))
	if known(closed) || !known(unused) {
		t.Error("after a minute the closed instance should be gone, and no other")
	}
	table.use(used, now.Add(30*time.Minute))
	table.sweep(now.Add(61 * time.Minute))
	if known(unused) || !known(used) {
		t.Error("after an hour the unused instance should be gone, and no other")
	}
	if n := plugin.closed.Load(); n != 2 {
		t.Errorf("%d instances were closed, want 2", n)
	}
	table.closeAll()
	if n := plugin.closed.Load(); n != 3 {
		t.Errorf("%d instances were closed in the end, want 3", n)
	}
}
