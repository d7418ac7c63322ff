package kongdata_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

var errDown = errors.New("down")

// step is one change of the sources and what is known two refresh periods
// later.
type step struct {
	what string
	do   func(a, b *fakeSource)
	want string
}

func TestSources(t *testing.T) {
	oldA, newA, oldB, newB := pemOf("oldA"), pemOf("newA"), pemOf("oldB"), pemOf("newB")
	id := uuid(1)
	tests := []struct {
		name  string
		steps []step
	}{
		{"the first that knows answers", []step{
			{"both", func(a, b *fakeSource) { a.set(id, oldA); b.set(id, oldB) }, "oldA/"},
			{"first replaces", func(a, b *fakeSource) { a.set(id, newA) }, "newA/"},
			{"first removes", func(a, b *fakeSource) { a.set(id, "") }, "oldB/"},
			{"second removes", func(a, b *fakeSource) { b.set(id, "") }, "/1"},
		}},
		{"a source that is down lets no lower one answer", []step{
			{"down from the start", func(a, b *fakeSource) { a.fail(errDown); b.set(id, oldB) }, "/1"},
			{"up again", func(a, b *fakeSource) { a.fail(nil) }, "oldB/"},
		}},
		{"what was known of a source that is down stays", []step{
			{"known", func(a, b *fakeSource) { a.set(id, oldA); b.set(id, oldB) }, "oldA/"},
			{"down", func(a, b *fakeSource) { a.fail(errDown) }, "oldA/"},
			{"up and removed", func(a, b *fakeSource) { a.fail(nil); a.set(id, "") }, "oldB/"},
		}},
		{"an id stays with a lower source while a higher one is down", []step{
			{"known", func(a, b *fakeSource) { b.set(id, oldB) }, "oldB/"},
			{"higher down", func(a, b *fakeSource) { a.fail(errDown) }, "oldB/"},
			{"lower replaces", func(a, b *fakeSource) { b.set(id, newB) }, "newB/"},
			{"lower down too", func(a, b *fakeSource) { b.fail(errDown) }, "newB/"},
			{"lower removes", func(a, b *fakeSource) { b.fail(nil); b.set(id, "") }, "/1"},
			{"lower has it again", func(a, b *fakeSource) { b.set(id, newB) }, "/1"},
		}},
		{"what its own source removed is gone, lower source down or not", []step{
			{"known", func(a, b *fakeSource) { a.set(id, oldA) }, "oldA/"},
			{"lower down", func(a, b *fakeSource) { b.fail(errDown) }, "oldA/"},
			{"removed", func(a, b *fakeSource) { a.set(id, "") }, "/1"},
		}},
		{"a refused entity lets no lower source answer", []step{
			{"refused", func(a, b *fakeSource) { a.set(id, pki.NewSelfSigned("no CA").PEM()); b.set(id, oldB) }, "/1"},
			{"repaired", func(a, b *fakeSource) { a.set(id, newA) }, "newA/"},
			{"broken again", func(a, b *fakeSource) { a.set(id, newA+newA) }, "/1"},
			{"back", func(a, b *fakeSource) { a.set(id, newA) }, "newA/"},
			{"refused by the source", func(a, b *fakeSource) { a.fail(&kongdata.RefusedError{Reason: "twice"}) }, "/1"},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := newFake("a"), newFake("b")
				test.steps[0].do(a, b)
				s := start(t, kongdata.Options{Sources: sourcesOf(a, b)})
				set := s.Want([]string{id})
				wantNames(t, test.steps[0].what, set.Wait(t.Context()), test.steps[0].want)
				for _, step := range test.steps[1:] {
					step.do(a, b)
					time.Sleep(20 * time.Second)
					wantNames(t, step.what, set.Snapshot(), step.want)
				}
			})
		})
	}
}

func TestWant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFake("a")
		pem := pemOf("one")
		a.set(uuid(0xa), pem)
		a.set(uuid(2), pem)
		s := start(t, kongdata.Options{Sources: sourcesOf(a)})

		first := s.Want([]string{uuid(3), "00000000-0000-4000-8000-00000000000A", uuid(3), uuid(0xa)})
		wantNames(t, "at once", first.Snapshot(), "/3 a")
		got := first.Wait(t.Context())
		wantNames(t, "after the first round", got, "one/3")
		if got.CAs[0].ID != uuid(0xa) {
			t.Errorf("id: got %q, want lower case", got.CAs[0].ID)
		}

		same := s.Want([]string{uuid(0xa), uuid(3)})
		if same.Snapshot() != got {
			t.Error("sets of equal ids have different snapshots")
		}
		if ids := same.IDs(); !slices.Equal(ids, []string{uuid(3), uuid(0xa)}) || &ids[0] != &first.IDs()[0] {
			t.Errorf("ids: got %q, want both, sorted, in the slice of the other set", ids)
		}
		if empty := s.Want(nil).Wait(t.Context()); names(empty) != "/" {
			t.Errorf("no ids: got %q", names(empty))
		}
	})
}

func TestSnapshotIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFake("a")
		one := pemOf("one")
		a.set(uuid(1), one)
		s := start(t, kongdata.Options{Sources: sourcesOf(a)})
		set := s.Want([]string{uuid(1), uuid(2)})
		before := set.Wait(t.Context())

		a.set(uuid(1), "some words before it\n"+one)
		time.Sleep(time.Minute)
		if set.Snapshot() != before {
			t.Error("another snapshot, though nothing has changed")
		}
		none := s.Want([]string{uuid(3)})
		if start := none.Snapshot(); none.Wait(t.Context()) != start {
			t.Error("another snapshot, though the same id is missing")
		}
		a.fail(errDown)
		time.Sleep(time.Minute)
		if set.Snapshot() != before {
			t.Error("another snapshot, though the source is only down")
		}
		a.fail(nil)
		a.set(uuid(2), pemOf("two"))
		time.Sleep(20 * time.Second)
		after := set.Snapshot()
		wantNames(t, "added", after, "one two/")
		wantNames(t, "the old one", before, "one/2")
		if allocs := testing.AllocsPerRun(100, func() { set.Snapshot(); set.Wait(t.Context()) }); allocs != 0 {
			t.Errorf("Snapshot and Wait: %v allocations, want 0", allocs)
		}
	})
}

func TestMissingIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFake("a")
		s := start(t, kongdata.Options{Sources: sourcesOf(a)})
		began := time.Now()
		set := s.Want([]string{uuid(1)})
		time.Sleep(40 * time.Second)
		var got []time.Duration
		for _, at := range a.times(uuid(1)) {
			got = append(got, at.Sub(began)/time.Second)
		}
		want := []time.Duration{0, 1, 3, 7, 15, 25, 35}
		if len(got) != len(want) {
			t.Fatalf("asked at %v s, want %v", got, want)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("asked at %v s, want %v", got, want)
			}
		}
		a.set(uuid(1), pemOf("one"))
		s.Want([]string{uuid(1), uuid(2)}).Wait(t.Context())
		synctest.Wait()
		wantNames(t, "a new configuration wants it", set.Snapshot(), "one/")
	})
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFake("a")
		a.set(uuid(1), pemOf("one"))
		hang := newFake("hang")
		hang.delay = time.Hour
		s := start(t, kongdata.Options{Sources: sourcesOf(a, hang)})
		began := time.Now()
		set := s.Want([]string{uuid(1), uuid(2)})
		for range 3 {
			wantNames(t, "known so far", set.Wait(t.Context()), "one/2")
			if took := time.Since(began); took != kongdata.FirstRoundWait {
				t.Errorf("waited %v, want %v in all", took, kongdata.FirstRoundWait)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		set = s.Want([]string{uuid(3)})
		began = time.Now()
		set.Wait(ctx)
		if took := time.Since(began); took != 0 {
			t.Errorf("waited %v after the end of the request", took)
		}
	})
}

func TestWaitTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFake("a")
		a.set(uuid(1), pemOf("one"))
		a.delay = time.Second
		s := start(t, kongdata.Options{Sources: sourcesOf(a)})
		set := s.Want([]string{uuid(1)})
		began := time.Now()
		for range 50 {
			go func() {
				wantNames(t, "waiter", set.Wait(t.Context()), "one/")
				if took := time.Since(began); took != time.Second {
					t.Errorf("waited %v, want 1s", took)
				}
			}()
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := len(a.times(uuid(1))); n != 1 {
			t.Errorf("asked %d times, want once", n)
		}
		a.fail(errDown)
		time.Sleep(time.Minute)
		began = time.Now()
		set.Wait(t.Context())
		if took := time.Since(began); took != 0 {
			t.Errorf("waited %v for what is known", took)
		}
	})
}

// Until a lower source has been asked for what a higher one had, that stays in use.
func TestTakingOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newFake("a"), newFake("b")
		a.set(uuid(1), pemOf("oldA"))
		b.set(uuid(1), pemOf("oldB"))
		b.delay = time.Second
		s := start(t, kongdata.Options{Sources: sourcesOf(a, b)})
		set := s.Want([]string{uuid(1)})
		set.Wait(t.Context())
		a.set(uuid(1), "")
		s.Reload()
		time.Sleep(500 * time.Millisecond)
		wantNames(t, "while the lower one is asked", set.Snapshot(), "oldA/")
		time.Sleep(time.Second)
		wantNames(t, "when it has been", set.Snapshot(), "oldB/")
	})
}

func TestHungSourceDoesNotHoldUpAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		local, hang := newFake("local"), newFake("hang")
		hang.delay = time.Hour
		local.set(uuid(100), pemOf("one"))
		s := start(t, kongdata.Options{Sources: sourcesOf(local, hang)})
		for i := range 50 {
			s.Want([]string{uuid(i)})
		}
		time.Sleep(time.Millisecond)
		began := time.Now()
		wantNames(t, "beside it", s.Want([]string{uuid(100)}).Wait(t.Context()), "one/")
		if took := time.Since(began); took > 0 {
			t.Errorf("waited %v", took)
		}
	})
}

func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFake("a")
		a.set(uuid(1), pemOf("one"))
		s := start(t, kongdata.Options{Sources: sourcesOf(a), Refresh: time.Hour})
		set := s.Want([]string{uuid(1), uuid(2)})
		set.Wait(t.Context())
		a.set(uuid(1), pemOf("other"))
		a.set(uuid(2), pemOf("two"))
		s.Reload()
		synctest.Wait()
		wantNames(t, "after Reload", set.Snapshot(), "other two/")
		if last := a.force[len(a.force)-1]; !last {
			t.Error("the source was not told to read everything")
		}

		a.mu.Lock()
		a.delay = time.Second
		a.mu.Unlock()
		s.Reload()
		synctest.Wait()
		before := len(a.times(uuid(1)))
		a.set(uuid(1), pemOf("again"))
		s.Reload() // while the first is under way
		time.Sleep(3 * time.Second)
		if n := len(a.times(uuid(1))) - before; n != 1 {
			t.Errorf("asked %d times after the second Reload, want once", n)
		}
		wantNames(t, "after two Reloads", set.Snapshot(), "again two/")
	})
}

func TestRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newFake("a")
		a.set(uuid(1), pemOf("one"))
		a.set(uuid(2), pemOf("two"))
		s := start(t, kongdata.Options{Sources: sourcesOf(a)})
		x, y, z := s.Want([]string{uuid(1)}), s.Want([]string{uuid(1)}), s.Want([]string{uuid(1), uuid(2)})
		z.Wait(t.Context())
		x.Release()
		z.Release()
		a.set(uuid(1), pemOf("other"))
		time.Sleep(20 * time.Second)
		wantNames(t, "still wanted by y", y.Snapshot(), "other/")
		asked := len(a.times(uuid(2)))
		time.Sleep(time.Minute)
		if n := len(a.times(uuid(2))); n != asked {
			t.Errorf("asked %d times for what no set needs", n-asked)
		}
		y.Release()
		if n := s.EntryCount(); n != 0 {
			t.Errorf("%d things kept that no set needs", n)
		}
	})
}
