// Package crldir keeps the CRLs of a folder at hand (RFC 5280, section 5): DER
// or PEM, complete and delta, whatever the files are called.
//
// The lists could be read and nothing more. Their signature, scope and times are
// for the caller to judge; here they only make warnings.
//
// # Files
//
// A file is what lies in the folder itself, after symbolic links: sub-folders
// are passed over, and so are names that begin with a dot, such as the ..data
// through which a mounted ConfigMap or Secret is replaced. A PEM file may hold
// any number of lists, between certificates and text, as nginx's ssl_crl and
// openssl crl -text have it; what is left aside is a warning in the log. A file is
// read again when it has changed. What is broken, too large or not a CRL is a
// warning, too; what the same file held before stays in force until its nextUpdate,
// or until the file is removed.
//
// # Time
//
// All reading is done in [Folder.Run]. Lookups are one atomic load, and wait for
// nothing, also while a file system hangs. Only [Folder.Ready] waits, for the
// first reading.
package crldir

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/crl"
)

// defaultEvery is how often the folder is looked at: listing it and asking for
// the times of a few files costs microseconds.
const defaultEvery = 2 * time.Second

var errUnread = errors.New("the folder of CRLs has not been read yet")

// Options are how a folder is read. The zero value is usable.
type Options struct {
	// MaxBytes bounds each file; 0 is crl.DefaultMaxBytes.
	MaxBytes int64
	// Reserve is asked for memory before a list takes it, and may refuse; Release
	// gives it back. nil is no limit.
	Reserve func(bytes int) error
	Release func(bytes int)
	// Every is the time between looks at the folder; 0 is two seconds.
	Every time.Duration
	// Log is told of files that cannot be used and of lists that run out; nil for
	// nowhere.
	Log *slog.Logger
}

// Folder is a folder with CRLs. Its methods may be called by many goroutines.
type Folder struct {
	path    string
	o       Options
	log     *slog.Logger
	current atomic.Pointer[snapshot]
	reload  chan struct{}

	ready chan struct{}
	once  sync.Once

	// Only Run uses what follows.
	files  map[string]*file
	warned map[[sha256.Size]byte]life
	absent string // why the log was told that the folder cannot be read

	testingOnlyRead func()
}

// snapshot is what the folder held when it was last read. It is not changed.
type snapshot struct {
	generation uint64
	lists      []loaded
	byIssuer   certificate.Index[*crl.List]
	err        error
}

// loaded is a list and the path of its file.
type loaded struct {
	*crl.List
	id   [sha256.Size]byte
	path string
}

// Open returns the folder at path, which is not read before Run.
func Open(path string, o Options) *Folder {
	if o.MaxBytes == 0 {
		o.MaxBytes = crl.DefaultMaxBytes
	}
	if o.Reserve == nil {
		o.Reserve, o.Release = func(int) error { return nil }, func(int) {}
	}
	if o.Every <= 0 {
		o.Every = defaultEvery
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f := &Folder{
		path:   path,
		o:      o,
		log:    o.Log.With("folder", path),
		reload: make(chan struct{}, 1),
		ready:  make(chan struct{}),
		files:  make(map[string]*file),
	}
	f.current.Store(&snapshot{err: errUnread})
	return f
}

// Run reads the folder, at once and whenever it has changed, until ctx ends. It
// is called once.
func (f *Folder) Run(ctx context.Context) {
	ticker := time.NewTicker(f.o.Every)
	defer ticker.Stop()
	again := false
	for {
		err := f.readAll(ctx, again)
		if ctx.Err() != nil {
			return
		}
		f.tellAbsent(err)
		f.publish(err)
		f.warn(time.Now())
		f.once.Do(func() { close(f.ready) })
		again = false
		select {
		case <-ticker.C:
		case <-f.reload:
			again = true
		case <-ctx.Done():
			return
		}
	}
}

// Ready is closed when the first reading is over, whatever came of it: also
// where the folder is absent.
func (f *Folder) Ready() <-chan struct{} { return f.ready }

// Reload has all files read again soon, changed or not.
func (f *Folder) Reload() {
	select {
	case f.reload <- struct{}{}:
	default: // it is to come already
	}
}

// Lists returns the complete and the delta CRLs whose issuers may have one of
// these names (DER Names), the one with the latest thisUpdate first.
func (f *Folder) Lists(issuers [][]byte) (complete, deltas []*crl.List) {
	current := f.current.Load()
	seen := make(map[*crl.List]bool)
	for _, name := range issuers {
		current.byIssuer.Find(name, func(l *crl.List, _ certificate.Match) {
			if seen[l] {
				return
			}
			seen[l] = true
			if l.BaseNumber != nil {
				deltas = append(deltas, l)
			} else {
				complete = append(complete, l)
			}
		})
	}
	for _, lists := range [][]*crl.List{complete, deltas} {
		slices.SortStableFunc(lists, func(a, b *crl.List) int { return b.ThisUpdate.Compare(a.ThisUpdate) })
	}
	return complete, deltas
}

// All returns every list that is in force. The lists must not be changed.
func (f *Folder) All() []*crl.List {
	current := f.current.Load()
	all := make([]*crl.List, len(current.lists))
	for i, l := range current.lists {
		all[i] = l.List
	}
	return all
}

// Generation changes whenever a list has come, gone or been replaced.
func (f *Folder) Generation() uint64 { return f.current.Load().generation }

// Err returns why it is not known what the folder holds, or nil: it has not been
// read yet, is absent (fs.ErrNotExist) or cannot be read. What it held before is
// still answered with, but that there is no list of an issuer then says nothing.
func (f *Folder) Err() error { return f.current.Load().err }

// publish makes what is in force what lookups see, if it is not already. A list
// that several files hold is there once.
func (f *Folder) publish(err error) {
	old := f.current.Load()
	next := &snapshot{generation: old.generation, err: err}
	for _, file := range f.files {
		for _, l := range file.lists {
			next.lists = append(next.lists, loaded{l, l.Digest(), file.path})
		}
	}
	slices.SortStableFunc(next.lists, func(a, b loaded) int { return strings.Compare(a.path, b.path) })
	known := make(map[[sha256.Size]byte]bool)
	next.lists = slices.DeleteFunc(next.lists, func(l loaded) bool {
		again := known[l.id]
		known[l.id] = true
		return again
	})
	if slices.EqualFunc(next.lists, old.lists, func(a, b loaded) bool { return a.id == b.id }) {
		next.lists, next.byIssuer = old.lists, old.byIssuer
		f.current.Store(next)
		return
	}
	next.generation++
	for _, l := range next.lists {
		next.byIssuer.Add(l.RawIssuer, l.List)
	}
	f.current.Store(next)
}
