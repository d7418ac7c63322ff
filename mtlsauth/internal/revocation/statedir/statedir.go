// Package statedir keeps OCSP answers (RFC 6960, section 4.2) and CRLs (RFC
// 5280, section 5) on disk, so that they outlive the process. To it they are
// bytes: it knows neither format and vouches for nothing. Who reads verifies as
// if the bytes had come from the network.
//
// # Files
//
// Each entry is a file `ocsp-KEY` or `crl-KEY`, KEY in hexadecimal, in a folder
// that only this user may write to. A file is written under another name and
// renamed in one step, so several processes may use the folder without locks: a
// reader has the old entry or the new one, and of two writers the last one wins.
// A file that is damaged, or is not what its name says, is a miss and removed.
// Files with other names are never touched.
//
// What Commit has returned for survives the end of the process, kill -9
// included, for the kernel has it then. Nothing is synced to the disk: after a
// power cut a file may be shorter than its header says or hold other bytes,
// which its length and checksum show, or be gone. All of that is a miss.
package statedir

import (
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	// DefaultMaxBytes holds eight CRLs of the size that -max-crl-size allows by
	// default.
	DefaultMaxBytes = 1 << 30

	// DefaultMaxFiles holds an OCSP answer for each of some ten thousand
	// clients; listing so many takes some 20 ms.
	DefaultMaxFiles = 10_000
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

// Options are the bounds of a folder. The zero value is usable.
type Options struct {
	// MaxBytes bounds the sizes of all files together, and so of each; 0 is
	// DefaultMaxBytes.
	MaxBytes int64
	// MaxFiles bounds their number; 0 is DefaultMaxFiles.
	MaxFiles int
	// Log is told, once, that nothing can be written, and when it can again;
	// nil for nobody.
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

	mu      sync.Mutex // held while files are counted, renamed into place or removed
	bytes   int64      // of the files there, as far as known
	files   int
	writing int64           // written by us under temporary names
	temps   map[string]bool // those names
	failing bool            // and the log was told
}

// Open opens DIR/name, which it makes with mode 0700, parents included, where
// it is absent. It refuses a folder into which another user could put files:
// DIR/name must be a directory, no symbolic link, belong to this user and not be
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
		return nil, fmt.Errorf("opening state folder: bounds of %d bytes and %d files are none", o.MaxBytes, o.MaxFiles)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	path, root, err := openFolder(dir, name, uid)
	if err != nil {
		return nil, fmt.Errorf("opening state folder: %w", err)
	}
	d := &Dir{path: path, o: o, uid: uid, temps: make(map[string]bool)}
	d.root.Store(root)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sweep(0, "")
	return d, nil
}

// Path returns the folder's path, for the log.
func (d *Dir) Path() string { return d.path }

// Remove removes an entry, if there is one: what a reader found not to verify.
func (d *Dir) Remove(kind Kind, key Key) {
	root, name := d.root.Load(), fileName(kind, key)
	if info, err := root.Lstat(name); err == nil {
		d.drop(root, name, info)
	}
}

// drop removes the file that info describes, if it is ours and still there
// under that name. Another process may have replaced it meanwhile; in the
// instant that remains it may do so unseen, and its entry is a miss.
func (d *Dir) drop(root *os.Root, name string, info fs.FileInfo) {
	if !d.ours(info) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if now, err := root.Lstat(name); err == nil && os.SameFile(now, info) && root.Remove(name) == nil {
		d.bytes -= info.Size()
		d.files--
	}
}

// ours reports whether this is a file that we may have written.
func (d *Dir) ours(info fs.FileInfo) bool {
	owner, known := ownerOf(info)
	return info.Mode().IsRegular() && known && owner == d.uid
}

func fileName(kind Kind, key Key) string {
	if kind != OCSP && kind != CRL {
		panic("statedir: no such kind") // a name that nothing would sweep
	}
	return kindPrefix[kind] + hex.EncodeToString(key[:])
}

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
