package statedir

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// ErrTooLarge is that an entry does not fit into the folder, even an empty one.
var ErrTooLarge = errors.New("the entry is larger than the state folder may be")

// errOver means that names or bytes of other writers leave no room at present.
var errOver = errors.New("the state folder is full of what is being written")

const (
	tempPrefix = ".tmp-"
	// tempRandom is the number of random bytes in a temporary name: no two
	// writers ever meet.
	tempRandom = 16
)

// Writer writes one entry. It belongs to one goroutine, which ends it with
// Commit or Abort.
type Writer struct {
	d    *Dir
	root *os.Root
	f    *os.File
	temp string
	name string
	size int64
	err  error // the first failure: nothing may be committed after it
	done bool
}

// Create begins an entry, under a temporary name with mode 0600. What is there
// under its key stays until Commit.
func (d *Dir) Create(kind Kind, key Key, m Meta) (*Writer, error) {
	var random [tempRandom]byte
	rand.Read(random[:])
	w := &Writer{d: d, root: d.root.Load(), temp: tempPrefix + hex.EncodeToString(random[:]), name: fileName(kind, key)}
	var err error
	w.f, err = createTemp(w.root, w.temp)
	if errors.Is(err, fs.ErrNotExist) {
		// The folder itself was removed.
		if err = d.renew(); err == nil {
			w.root = d.root.Load()
			w.f, err = createTemp(w.root, w.temp)
		}
	}
	if err != nil {
		return nil, d.failed(err)
	}
	if _, err := w.Write([]byte(line(m.ETag) + line(m.LastModified))); err != nil {
		w.Abort()
		return nil, err
	}
	return w, nil
}

// line is a validator on a line. One that does not fit is left out: all that it
// costs is a whole transfer where "not modified" might have done.
func line(validator string) string {
	if len(validator) > maxValidator || strings.ContainsAny(validator, "\r\n") {
		return "\n"
	}
	return validator + "\n"
}

func createTemp(root *os.Root, temp string) (*os.File, error) {
	return root.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// Write adds to the entry's bytes. An error is final: Commit returns it, too.
// With ErrTooLarge the entry can never be stored here.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err == nil {
		w.err = w.reserve(int64(len(p)))
	}
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.f.Write(p)
	if err != nil {
		w.err = w.d.failed(err)
	}
	return n, w.err
}

// reserve counts n more bytes, and makes room for them.
func (w *Writer) reserve(n int64) error {
	d := w.d
	if w.size+n > d.o.MaxBytes {
		return ErrTooLarge
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bytes+n > d.o.MaxBytes {
		if d.sweep(n, ""); d.bytes+n > d.o.MaxBytes {
			return errOver
		}
	}
	d.bytes += n
	w.size += n
	return nil
}

// Commit stores the entry, which was fetched then, in one step. After an error
// nothing of it is left, and what was there under its key is still there.
func (w *Writer) Commit(fetched time.Time) error {
	if w.done {
		return errors.New("the entry was committed or aborted before")
	}
	if w.err != nil {
		w.Abort()
		return w.err
	}
	// Some file systems tell only now that there was no room.
	err := w.f.Close()
	if err == nil {
		err = w.root.Chtimes(w.temp, time.Time{}, fetched)
	}
	before, absent := w.root.Lstat(w.name)
	if err == nil {
		err = w.root.Rename(w.temp, w.name)
	}
	if err != nil {
		w.Abort()
		w.err = w.d.failed(err)
		return w.err
	}
	w.done = true
	d := w.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if absent == nil && d.ours(before) {
		d.bytes -= before.Size()
	} else {
		d.files++
	}
	if d.failing {
		d.failing = false
		d.o.Log.Info("OCSP responses and CRLs can be stored again", "folder", d.path)
	}
	if d.files > d.o.MaxFiles {
		d.sweep(0, w.name)
	}
	return nil
}

// Abort ends an entry that is not to be stored. After Commit it does nothing.
func (w *Writer) Abort() {
	if w.done {
		return
	}
	w.done = true
	w.f.Close()
	// Whatever stays behind is old one day, and swept.
	_ = w.root.Remove(w.temp)
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	w.d.bytes -= w.size
}

// failed tells the log of the first error in a row.
func (d *Dir) failed(err error) error {
	err = fmt.Errorf("writing to the state folder: %w", err)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.failing {
		d.failing = true
		d.o.Log.Warn("OCSP responses and CRLs cannot be stored: a restart will fetch them again", "folder", d.path, "error", err)
	}
	return err
}

// isTempName reports whether Create makes such names.
func isTempName(name string) bool {
	random, ok := strings.CutPrefix(name, tempPrefix)
	return ok && isHex(random, tempRandom)
}
