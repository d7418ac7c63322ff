// Package statedir keeps OCSP responses and CRLs on disk, so that they outlive the
// process. To it they are bytes: it knows neither format and vouches for nothing.
// What is read back is verified by its signature, as if it had come from the
// network; what is damaged or cut off fails there, and is a miss.
//
// # Files
//
// Each entry is a file `ocsp-KEY` or `crl-KEY`, KEY in hexadecimal, in a folder
// that only this user may write to: two lines with the validators (RFC 9110, section
// 8.8), then the bytes. Its time of modification is when it was fetched. A file is
// written under another name and renamed in one step, so several processes may use
// the folder without locks: a reader has the old entry or the new one, and of two
// writers the last one wins. Files with other names are never touched.
//
// What Commit has returned for survives the end of the process, kill -9 included,
// for the kernel has it then. Nothing is synced to the disk.
package statedir

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// DefaultMaxBytes holds eight CRLs of the size that -max-crl-size allows by
	// default.
	DefaultMaxBytes = 1 << 30

	// DefaultMaxFiles holds an OCSP response for each of some ten thousand
	// clients; listing so many takes some 20 ms.
	DefaultMaxFiles = 10_000

	// maxValidator bounds an ETag. Those in use have less than a hundred bytes.
	maxValidator = 512
)

// Kind is the kind of an entry.
type Kind uint8

// The kinds of entries.
const (
	OCSP Kind = 1 + iota
	CRL
)

var kindPrefix = [...]string{OCSP: "ocsp-", CRL: "crl-"}

// Key names an entry: a digest of what was asked for.
type Key [32]byte

// Meta is what is stored beside the bytes of an entry.
type Meta struct {
	// Fetched is when the bytes were had from the network; zero where that is in
	// the future of the clock, which was wrong then or is now: an entry of unknown
	// age, to be asked for again.
	Fetched time.Time
	// ETag and LastModified are the validators that came with them, empty if there
	// were none.
	ETag, LastModified string
}

// Options are the bounds of a folder. The zero value is usable.
type Options struct {
	// MaxBytes bounds the sizes of all files together, and so of each; 0 is
	// DefaultMaxBytes.
	MaxBytes int64
	// MaxFiles bounds their number; 0 is DefaultMaxFiles.
	MaxFiles int
	// Log is told, once, that nothing can be written, and when it can again;
	// nil for nowhere.
	Log *slog.Logger
}

// Dir is an open folder. Its methods may be called by many goroutines. They do
// I/O and wait for the file system.
type Dir struct {
	path string // DIR/<plugin name>
	o    Options
	uid  int // whose files are ours

	// root is the folder itself, whatever its path leads to in the meantime.
	root atomic.Pointer[os.Root]

	mu      sync.Mutex
	bytes   int64 // of the files there, as far as known; of those being written, too
	files   int
	failing bool // and the log was told
}

// Open opens DIR/name, which it makes with mode 0700, parents included, where
// it is absent. It refuses a folder into which another user could put files:
// DIR/name must be a directory, not a symbolic link, belong to this user and not be
// writable by group or others. DIR, which may be a link, must belong to this
// user or root and be writable by others only with the sticky bit, as /tmp is.
// The parents of DIR are not looked at.
func Open(dir, name string, o Options) (*Dir, error) {
	return open(dir, name, o, os.Geteuid())
}

func open(dir, name string, o Options, uid int) (*Dir, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxFiles == 0 {
		o.MaxFiles = DefaultMaxFiles
	}
	if o.MaxBytes < 0 || o.MaxFiles < 0 {
		return nil, fmt.Errorf("opening state folder: bounds of %d bytes and %d files must not be negative", o.MaxBytes, o.MaxFiles)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	path, root, err := openFolder(dir, name, uid)
	if err != nil {
		return nil, fmt.Errorf("opening state folder: %w", err)
	}
	d := &Dir{path: path, o: o, uid: uid}
	d.root.Store(root)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sweep(0, "")
	return d, nil
}

// Path returns the folder's path, for the log.
func (d *Dir) Path() string { return d.path }

// Read opens an entry, whose bytes the caller reads and closes. A miss is
// fs.ErrNotExist; any other error means that the folder could not be read, to a
// caller a miss as well. It follows no link and opens nothing but regular files of
// this user.
func (d *Dir) Read(kind Kind, key Key) (Meta, io.ReadCloser, error) {
	root, name := d.root.Load(), fileName(kind, key)
	info, err := root.Lstat(name)
	if err != nil {
		return Meta{}, nil, err
	}
	if !d.ours(info) {
		return Meta{}, nil, fmt.Errorf("%s/%s must be a regular file of uid %d: %w", d.path, name, d.uid, fs.ErrNotExist)
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return Meta{}, nil, err
	}
	if info, err = f.Stat(); err == nil && (!d.ours(info) || info.Size() > d.o.MaxBytes) {
		err = fs.ErrNotExist
	}
	body := bufio.NewReaderSize(f, 64<<10)
	m := Meta{}
	for _, validator := range []*string{&m.ETag, &m.LastModified} {
		var line []byte
		if err == nil {
			line, err = body.ReadSlice('\n')
			*validator = strings.TrimSuffix(string(line), "\n")
		}
	}
	if err != nil {
		f.Close()
		if errors.Is(err, io.EOF) || errors.Is(err, bufio.ErrBufferFull) {
			err = fmt.Errorf("%s/%s is damaged: %w", d.path, name, fs.ErrNotExist)
		}
		return Meta{}, nil, err
	}
	if fetched := info.ModTime(); !fetched.After(time.Now()) {
		m.Fetched = fetched
	}
	return m, readCloser{body, f}, nil
}

type readCloser struct {
	io.Reader
	io.Closer
}

// ours reports whether this is a file that we may have written.
func (d *Dir) ours(info fs.FileInfo) bool {
	owner, known := ownerOf(info)
	return info.Mode().IsRegular() && known && owner == d.uid
}

func fileName(kind Kind, key Key) string { return kindPrefix[kind] + hex.EncodeToString(key[:]) }

// isEntryName reports whether fileName makes such names.
func isEntryName(name string) bool {
	for _, prefix := range []string{kindPrefix[OCSP], kindPrefix[CRL]} {
		if key, ok := strings.CutPrefix(name, prefix); ok {
			return isHex(key, len(Key{}))
		}
	}
	return false
}

func isHex(s string, bytes int) bool {
	raw, err := hex.DecodeString(s)
	return err == nil && len(raw) == bytes && s == strings.ToLower(s)
}
