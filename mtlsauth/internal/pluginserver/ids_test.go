package pluginserver_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"mtls-auth/mtlsauth/internal/pluginserver"
)

func openIDs(t *testing.T, path string) *pluginserver.IDs {
	t.Helper()
	ids, err := pluginserver.OpenIDs(path)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func nextID(t *testing.T, ids *pluginserver.IDs) int32 {
	t.Helper()
	id, err := ids.Next()
	if err != nil {
		t.Fatal(err)
	}
	if id < 1 {
		t.Fatalf("got id %d, want one over 0", id)
	}
	return id
}

// Each OpenIDs is a process: some end, by kill -9 as far as the file
// can tell, and some run side by side.
func TestIDsNeverRepeatOnASocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ids")
	var mu sync.Mutex
	seen := map[int32]bool{}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for range 40 {
				ids := openIDs(t, path)
				for range 5 + worker*20 { // for some more than the first block
					id := nextID(t, ids)
					mu.Lock()
					if seen[id] {
						t.Errorf("id %d was given out twice", id)
					}
					seen[id] = true
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
}

func TestIDsOfASpoiltFile(t *testing.T) {
	for _, text := range []string{"", "\n", "no number", "-5\n", "0\n", "99999999999\n", strings.Repeat("1", 100)} {
		path := filepath.Join(t.TempDir(), "ids")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		ids := openIDs(t, path)
		first := nextID(t, ids)
		if second := nextID(t, openIDs(t, path)); second <= first {
			t.Errorf("file %q: a later process begins at %d, an earlier one at %d", text, second, first)
		}
	}
}

func TestIDsBeginAnewAfterTheLast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ids")
	if err := os.WriteFile(path, []byte("2147483600\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ids := openIDs(t, path)
	for range 200 {
		nextID(t, ids)
	}
}

func TestIDsThatCanNotBeReserved(t *testing.T) {
	if _, err := pluginserver.OpenIDs(filepath.Join(t.TempDir(), "absent", "ids")); err == nil {
		t.Error("ids in a folder that is not there were opened")
	}
	path := filepath.Join(t.TempDir(), "ids")
	target := path + ".elsewhere"
	if err := os.WriteFile(target, []byte("0000000007\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	if _, err := pluginserver.OpenIDs(path); err == nil {
		t.Error("ids in what a symbolic link names were opened")
	}
}
