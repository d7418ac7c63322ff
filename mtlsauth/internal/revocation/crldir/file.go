package crldir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mtls-auth/mtlsauth/internal/filewatch"
	"mtls-auth/mtlsauth/internal/revocation/crl"
)

const (
	// maxEntries bounds what a wrong -crl-dir, such as /, can cost. No folder has
	// that many CRLs.
	maxEntries = 20_000

	// maxLists bounds the lists of one file.
	maxLists = 10_000

	// retryEvery is how often a file is read again that could not be: a refusal
	// of memory comes after a hundred megabytes have been read.
	retryEvery = 30 * time.Second
)

// file is a file of the folder, as far as it is known.
type file struct {
	path    string
	version filewatch.Version
	retry   time.Time // when to read it again, though it has not changed; or zero
	told    bool      // and the log, of what is wrong with it
	lists   []*crl.List
	failed  error  // what came of the last reading
	aside   string // what of it was left aside
}

// readAll looks at every file. Where the folder itself cannot be listed, all
// stays as it is: no file was removed.
func (f *Folder) readAll(ctx context.Context, again bool) error {
	entries, err := filewatch.ReadDir(f.path, maxEntries)
	if err != nil {
		return fmt.Errorf("reading the folder of CRLs: %w", err)
	}
	there := make(map[string]*file, len(entries))
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, ".") {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		this := f.files[name]
		if this == nil {
			this = &file{path: filepath.Join(f.path, name)}
		}
		if f.refresh(ctx, this, again) {
			there[name] = this
		}
	}
	for name, old := range f.files {
		if there[name] == nil {
			f.drop(old.lists)
		}
	}
	f.files = there
	return nil
}

// drop gives back the memory of lists. Requests may still be using them; their
// memory is then the requests' until they end.
func (f *Folder) drop(lists []*crl.List) {
	for _, l := range lists {
		f.o.Release(l.Size())
	}
}

// refresh reads a file if it has changed, and reports whether it is one. What was
// in force stays where the file cannot be used now, until nextUpdate.
func (f *Folder) refresh(ctx context.Context, this *file, again bool) bool {
	now := time.Now()
	info, err := os.Stat(this.path)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && info.IsDir():
		return false // removed, or a link to what was, or a sub-folder
	case err == nil && !again && this.version.Is(info) && this.version.Settled() && (this.retry.IsZero() || now.Before(this.retry)):
	default:
		before := this.version
		lists, info, err := f.read(ctx, this)
		if ctx.Err() != nil {
			f.drop(lists)
			return true
		}
		if info == nil || !before.Is(info) {
			this.told = this.told && info == nil && this.failed != nil
		}
		this.version, this.failed, this.retry = filewatch.Version{}, err, time.Time{}
		if info != nil {
			this.version = filewatch.VersionOf(info, now)
		}
		// Only what the lists themselves are to blame for is there to stay.
		if _, ok := errors.AsType[*crl.Error](err); err != nil && !ok && info != nil {
			this.retry = now.Add(retryEvery)
		}
		f.replace(this, lists)
		f.tell(this, info == nil)
	}
	if this.failed != nil {
		over := func(l *crl.List) bool { return !l.NextUpdate.IsZero() && !now.Before(l.NextUpdate) }
		if slices.ContainsFunc(this.lists, over) {
			kept := slices.DeleteFunc(slices.Clone(this.lists), over)
			f.drop(slices.DeleteFunc(slices.Clone(this.lists), func(l *crl.List) bool { return !over(l) }))
			this.lists = kept
		}
	}
	return true
}

// replace puts lists in force. Those that were before stay where one could not be
// read, and a list that has not changed is the same value.
func (f *Folder) replace(this *file, lists []*crl.List) {
	same := func(a *crl.List) func(*crl.List) bool {
		return func(b *crl.List) bool { return a.Digest() == b.Digest() }
	}
	for i, l := range lists {
		if known := slices.IndexFunc(this.lists, same(l)); known >= 0 {
			f.o.Release(l.Size())
			lists[i] = this.lists[known]
		}
	}
	for _, old := range this.lists {
		switch {
		case slices.Contains(lists, old):
		case this.failed != nil:
			lists = append(lists, old)
		default:
			f.o.Release(old.Size())
		}
	}
	this.lists = lists
}

// tell logs what is wrong with a file, once for each version of it, and not of
// one that may be only half written.
func (f *Folder) tell(this *file, unread bool) {
	if this.told || this.failed == nil && this.aside == "" || !unread && !this.version.Settled() {
		return
	}
	this.told = true
	if this.failed == nil {
		f.log.Warn("a file in -crl-dir holds more than CRLs, which is left aside", "file", this.path, "aside", this.aside)
		return
	}
	log := f.log.With("file", this.path, "error", this.failed)
	if this.aside != "" {
		log = log.With("aside", this.aside)
	}
	if len(this.lists) > 0 {
		log.Warn("skipping an invalid CRL file in -crl-dir: the CRLs that it held before, or those of it that are valid, stay in force",
			"next_update", stamp(this.lists[0].NextUpdate))
		return
	}
	log.Warn("skipping an invalid CRL file in -crl-dir")
}
