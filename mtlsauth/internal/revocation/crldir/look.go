package crldir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/crl"
)

// maxEntries bounds what a wrong -crl-dir, such as /, can cost. Nobody has that
// many CRLs.
const maxEntries = 20_000

// look reads what has changed, and makes it what lookups see.
func (f *Folder) look(ctx context.Context, anew bool) {
	f.looking.step()
	defer f.looking.over()
	err := f.readAll(ctx, anew)
	if ctx.Err() != nil {
		return
	}
	f.tellAbsent(err)
	f.publish(err)
	f.warn(time.Now())
	f.once.Do(func() { close(f.ready) })
}

// readAll looks at every file. Where the folder itself cannot be listed, all
// stays as it is: nobody has removed a file.
func (f *Folder) readAll(ctx context.Context, anew bool) error {
	names, err := list(f.path)
	if err != nil {
		return fmt.Errorf("reading the folder of CRLs: %w", err)
	}
	there := make(map[string]*file, len(names))
	for _, name := range names {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f.looking.step()
		if old, ok := f.lookAt(ctx, name, anew); ok {
			there[name] = old
		}
	}
	for name, old := range f.files {
		if there[name] == nil {
			f.drop(old)
		}
	}
	f.files = there
	return nil
}

// lookAt returns what is known of a file, and false for what is none.
func (f *Folder) lookAt(ctx context.Context, name string, anew bool) (*file, bool) {
	this := f.files[name]
	if this == nil {
		this = &file{path: filepath.Join(f.path, name)}
	}
	info, err := os.Stat(this.path)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && info.IsDir():
		return nil, false // removed, or a link to what was, or a sub-folder
	case err != nil:
		this.seen, this.settled, this.failed = nil, true, err
		this.tell(f)
	case !info.Mode().IsRegular():
		if this.seen == nil || !sameVersion(this.seen, info) {
			this.seen, this.told, this.settled, this.failed = info, false, true, errors.New("it is no regular file")
			this.tell(f)
		}
	default:
		this.refresh(ctx, f, info, anew)
	}
	if old := this.loaded; old != nil && this.failed != nil && !time.Now().Before(old.list.NextUpdate) {
		f.drop(this)
	}
	return this, true
}

// drop ends what a file had in force. Requests may still be using the list; its
// memory is theirs until they end.
func (f *Folder) drop(old *file) {
	if old.loaded != nil {
		old.loaded.release()
		old.loaded = nil
	}
}

// list returns the names in a folder, in order, but for hidden ones. It opens
// nothing else: a pipe in its place would wait for a writer.
func list(path string) ([]string, error) {
	d, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(maxEntries + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(names) > maxEntries {
		return nil, fmt.Errorf("%s has more than %d entries", path, maxEntries)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, ".") })
	slices.Sort(names)
	return names, nil
}

// publish makes what is in force what lookups see, if it is not already.
func (f *Folder) publish(err error) {
	old := f.current.Load()
	next := &snapshot{
		generation: old.generation,
		complete:   make(map[string][]*crl.List),
		deltas:     make(map[string][]*crl.List),
		err:        err,
	}
	known := make(map[fingerprint]bool)
	for _, file := range f.files {
		if file.loaded != nil {
			next.lists = append(next.lists, file.loaded)
		}
	}
	slices.SortFunc(next.lists, func(a, b *loaded) int { return strings.Compare(a.path, b.path) })
	next.lists = slices.DeleteFunc(next.lists, func(l *loaded) bool {
		again := known[l.sum]
		known[l.sum] = true
		return again
	})
	if slices.Equal(next.lists, old.lists) {
		next.complete, next.deltas = old.complete, old.deltas
		f.current.Store(next)
		return
	}
	next.generation++
	for _, l := range next.lists {
		by := next.complete
		if l.list.BaseNumber != nil {
			by = next.deltas
		}
		issuer := string(l.list.RawIssuer)
		by[issuer] = append(by[issuer], l.list)
	}
	for _, by := range []map[string][]*crl.List{next.complete, next.deltas} {
		for _, lists := range by {
			slices.SortStableFunc(lists, func(a, b *crl.List) int { return b.ThisUpdate.Compare(a.ThisUpdate) })
		}
	}
	f.current.Store(next)
}
