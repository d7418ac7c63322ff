// Package crldir keeps the CRLs of a folder at hand (RFC 5280, section 5): DER
// or PEM, complete and delta, whatever the files are called.
//
// The lists are well-formed and nothing more. Whoever uses one judges its
// signature, scope and times; here they only make warnings.
//
// # Files
//
// A file is what lies in the folder itself, after symbolic links: sub-folders
// are passed over, and so are names that begin with a dot, such as the ..data
// through which a mounted ConfigMap or Secret is replaced. A file is read again
// when it has become another one by its inode, size or times. What is broken,
// too large or no CRL is a warning in the log; what the same file held before
// stays in force until its nextUpdate, or until the file is removed.
//
// # Time
//
// All reading is done in [Folder.Run]. Lookups are one atomic load, and wait for
// nothing, also while a file system hangs; [Folder.Err] then says so. Only
// [Folder.Ready] waits, for the first reading.
package crldir

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/crl"
)

// defaultEvery is how often the folder is looked at: listing it and asking for
// the times of a few files costs microseconds.
const defaultEvery = 2 * time.Second

// Options are how a folder is read. The zero value is usable.
type Options struct {
	// MaxBytes bounds each file; 0 is crl.DefaultMaxBytes.
	MaxBytes int64
	// Reserve is asked for memory before a list takes it, and may refuse. The
	// function that it returns gives it back. nil is no limit.
	Reserve func(bytes int) (release func(), err error)
	// Every is the time between looks at the folder; 0 is two seconds.
	Every time.Duration
	// Log is told of files that are of no use and of lists that run out; nil for
	// nobody.
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

	looking progress

	// Only the look uses what follows; there is one at a time.
	files  map[string]*file
	warned map[fingerprint]state
	absent string // why the log was told that the folder cannot be read

	testingOnlyRead func()
}

// snapshot is what the folder held when it was last read. It is not changed.
type snapshot struct {
	generation uint64
	lists      []*loaded // in order of their files' names
	complete   map[string][]*crl.List
	deltas     map[string][]*crl.List
	err        error
}

// Open returns the folder at path, which nobody reads before Run.
func Open(path string, o Options) *Folder {
	if o.MaxBytes == 0 {
		o.MaxBytes = crl.DefaultMaxBytes
	}
	if o.Reserve == nil {
		o.Reserve = func(int) (func(), error) { return func() {}, nil }
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
		warned: make(map[fingerprint]state),
	}
	f.current.Store(&snapshot{err: errUnread})
	return f
}

// Run reads the folder, at once and whenever it has changed, until ctx ends. It
// is called once. A look that hangs then goes on by itself until the file system
// answers.
func (f *Folder) Run(ctx context.Context) {
	ticker := time.NewTicker(f.o.Every)
	defer ticker.Stop()
	anew := false
	for {
		done := make(chan struct{})
		go func() {
			defer close(done)
			f.look(ctx, anew)
		}()
		select {
		case <-done:
		case <-ctx.Done():
			return
		}
		anew = false
		select {
		case <-ticker.C:
		case <-f.reload:
			anew = true
		case <-ctx.Done():
			return
		}
	}
}

// Ready is closed when the first reading is over, whatever came of it: also
// where the folder is absent.
func (f *Folder) Ready() <-chan struct{} { return f.ready }

// Reload has all files read anew, soon.
func (f *Folder) Reload() {
	select {
	case f.reload <- struct{}{}:
	default: // it is to come already
	}
}

// Complete returns the complete CRLs of an issuer (a DER Name), the one with the
// latest thisUpdate first. The slice is not to be changed.
func (f *Folder) Complete(rawIssuer []byte) []*crl.List {
	return f.current.Load().complete[string(rawIssuer)]
}

// Deltas returns the delta CRLs of an issuer (a DER Name), the one with the
// latest thisUpdate first. The slice is not to be changed.
func (f *Folder) Deltas(rawIssuer []byte) []*crl.List {
	return f.current.Load().deltas[string(rawIssuer)]
}

// Generation changes whenever a list has come, gone or been replaced.
func (f *Folder) Generation() uint64 { return f.current.Load().generation }

// Err returns why nobody knows at present what the folder holds, or nil: it has
// not been read yet, is absent (fs.ErrNotExist), cannot be read, or looking at
// it hangs. What it held before is still answered with, but that there is no
// list of an issuer then says nothing.
func (f *Folder) Err() error {
	if err := f.looking.hangs(); err != nil {
		return err
	}
	return f.current.Load().err
}
