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
	panic("boom") // for the log alone
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

// Kong may start any number of them: an hour's worth of reloads of a large
// configuration is not kept.
func TestInstancesAreBounded(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	table := instances{log: slog.New(slog.DiscardHandler), epoch: now, byID: map[int32]*instance{}}
	add := func(n int, age time.Duration) {
		for range n {
			in := &instance{Instance: failed{}, started: now}
			in.used.Store(int64(30*time.Minute - age))
			table.byID[int32(len(table.byID))] = in
		}
	}
	add(1000, 20*time.Minute)
	add(1000, 10*time.Minute)
	add(maxInstances-1000, 5*time.Minute)
	table.sweep(now.Add(30 * time.Minute))
	if n := len(table.byID); n != maxInstances {
		t.Errorf("%d instances are left, want %d", n, maxInstances)
	}
	if table.byID[0] != nil || table.byID[1000] == nil || table.byID[maxInstances] == nil {
		t.Error("want those gone that were not used for the longest time, and no other")
	}
	// Kong would start again whatever it is in the midst of using.
	table.byID = map[int32]*instance{}
	add(1000, 40*time.Second)
	add(maxInstances, 10*time.Second)
	table.sweep(now.Add(30 * time.Minute))
	if n := len(table.byID); n != maxInstances+1000 {
		t.Errorf("%d of %d instances that are in use are left", n, maxInstances+1000)
	}
}
