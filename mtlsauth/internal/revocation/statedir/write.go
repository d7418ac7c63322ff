package statedir

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"strings"
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
	head header
	hash hash.Hash
	err  error // the first failure: nothing may be committed after it
	done bool

	reserved int64 // of Dir.writing
}

// Create begins an entry, under a temporary name with mode 0600. What is there
// under its key stays until Commit.
func (d *Dir) Create(kind Kind, key Key) (*Writer, error) {
	name := fileName(kind, key)
	var random [tempRandom]byte
	rand.Read(random[:])
	temp := tempPrefix + hex.EncodeToString(random[:])

	d.mu.Lock()
	defer d.mu.Unlock()
	root := d.root.Load()
	f, err := createTemp(root, temp)
	if errors.Is(err, fs.ErrNotExist) {
		// The folder itself was removed.
		if err = d.renew(); err == nil {
			root = d.root.Load()
			f, err = createTemp(root, temp)
		}
	}
	if err != nil {
		return nil, d.failed(fmt.Errorf("writing to the state folder: %w", err))
	}
	d.temps[temp] = true
	w := &Writer{d: d, root: root, f: f, temp: temp, name: name, hash: sha256.New()}
	w.head = header{kind: kind, key: key}
	if err := w.reserve(headerSize); err != nil {
		w.discard()
		return nil, err
	}
	if _, err := f.Seek(headerSize, 0); err != nil {
		w.discard()
		return nil, d.failed(fmt.Errorf("writing to the state folder: %w", err))
	}
	return w, nil
}

func createTemp(root *os.Root, temp string) (*os.File, error) {
	return root.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// Write adds to the entry's bytes. An error is final: Commit returns it, too.
// With ErrTooLarge the entry can never be stored here.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	w.d.mu.Lock()
	w.err = w.reserve(int64(len(p)))
	w.d.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.f.Write(p)
	w.hash.Write(p[:n])
	w.head.size += int64(n)
	if err != nil {
		w.err = w.fail(err)
	}
	return n, w.err
}

// reserve counts n more bytes of a file that is being written, and makes room
// for them. Dir.mu is held.
func (w *Writer) reserve(n int64) error {
	d := w.d
	if w.reserved+n > d.o.MaxBytes {
		return ErrTooLarge
	}
	if d.bytes+d.writing+n > d.o.MaxBytes {
		if d.sweep(n, ""); d.bytes+d.writing+n > d.o.MaxBytes {
			return errOver
		}
	}
	d.writing += n
	w.reserved += n
	return nil
}

// Commit stores the entry in one step. After an error nothing of it is left,
// and what was there under its key is still there.
func (w *Writer) Commit(m Meta) error {
	if w.done {
		return errors.New("the entry was committed or aborted before")
	}
	if w.err != nil {
		w.Abort()
		return w.err
	}
	w.head.Meta = m
	w.hash.Sum(w.head.sum[:0])
	_, err := w.f.WriteAt(w.head.marshal(), 0)
	// Some file systems tell only now that there was no room.
	if closeErr := w.f.Close(); err == nil {
		err = closeErr
	}
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	if err == nil {
		err = w.rename()
	}
	if err != nil {
		w.discard()
		w.err = w.d.failed(fmt.Errorf("writing to the state folder: %w", err))
		return w.err
	}
	w.d.succeeded()
	if w.d.files > w.d.o.MaxFiles {
		w.d.sweep(0, w.name)
	}
	return nil
}

// rename gives the file its name and counts it there. Dir.mu is held.
func (w *Writer) rename() error {
	var replaced int64
	before, err := w.root.Lstat(w.name)
	known := err == nil && w.d.ours(before)
	if known {
		replaced = before.Size()
	}
	if err := w.root.Rename(w.temp, w.name); err != nil {
		return err
	}
	w.done = true
	w.forget()
	w.d.bytes += headerSize + w.head.size - replaced
	if !known {
		w.d.files++
	}
	return nil
}

// Abort ends an entry that is not to be stored. After Commit it does nothing.
func (w *Writer) Abort() {
	if w.done {
		return
	}
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	w.discard()
}

// discard removes the temporary file. Dir.mu is held.
func (w *Writer) discard() {
	w.done = true
	w.f.Close()
	// Whatever stays behind is old one day, and swept.
	_ = w.root.Remove(w.temp)
	w.forget()
}

// forget ends the counting of the temporary file. Dir.mu is held.
func (w *Writer) forget() {
	delete(w.d.temps, w.temp)
	w.d.writing -= w.reserved
}

func (w *Writer) fail(err error) error {
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	return w.d.failed(fmt.Errorf("writing to the state folder: %w", err))
}

// failed tells the log of the first error in a row. Dir.mu is held.
func (d *Dir) failed(err error) error {
	if !d.failing {
		d.failing = true
		d.o.Log.Warn("OCSP answers and CRLs can not be stored: a restart will ask for them anew", "folder", d.path, "err", err)
	}
	return err
}

// succeeded ends a row of errors. Dir.mu is held.
func (d *Dir) succeeded() {
	if d.failing {
		d.failing = false
		d.o.Log.Info("OCSP answers and CRLs can be stored again", "folder", d.path)
	}
}

// isTempName reports whether Create makes such names.
func isTempName(name string) bool {
	random, ok := strings.CutPrefix(name, tempPrefix)
	return ok && isHex(random, tempRandom)
}
