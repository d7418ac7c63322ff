package statedir

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// touchEvery is how old the mark of a file's last use may get before reading
// renews it: what is used every day is told from what is not, at one write an
// hour.
const touchEvery = time.Hour

// Entry is an entry that is being read.
type Entry struct {
	// Meta is what was stored with the bytes. Fetched is zero where the time
	// stored is in the future of the clock, which was wrong then or is now: an
	// entry of unknown age, to be asked for anew, not one that stays fresh until
	// that time.
	Meta
	// Size is the length of the body in bytes.
	Size int64
	// ModTime is when the entry was last written, or read an hour or more later.
	ModTime time.Time
	// Body is the bytes. It hands out the last of them only if the checksum over
	// all fits; otherwise it returns an error, which is a miss, and removes the
	// file. The caller closes it.
	Body io.ReadCloser
}

var errDamaged = errors.New("the bytes are not those that were written")

// missError is a file that is no entry: a miss, with its cause.
type missError struct {
	path  string
	cause error
}

func (e *missError) Error() string   { return "reading " + e.path + ": " + e.cause.Error() }
func (e *missError) Unwrap() []error { return []error{fs.ErrNotExist, e.cause} }

// Read opens an entry. A miss is fs.ErrNotExist; so is a file that is not what
// its name says, which is removed if it is a regular file of ours. Any other
// error means that the folder could not be read, to a caller a miss as well.
func (d *Dir) Read(kind Kind, key Key) (*Entry, error) {
	root, name := d.root.Load(), fileName(kind, key)
	f, info, err := d.openRegular(root, name)
	if err != nil {
		return nil, err
	}
	h, err := readHeader(f, kind, key)
	if err == nil && (info.Size() != headerSize+h.size || info.Size() > d.o.MaxBytes) {
		err = fmt.Errorf("%d bytes are not those that the header tells of, or more than allowed", info.Size())
	}
	if err != nil {
		f.Close()
		if readFailed(err) {
			return nil, err
		}
		d.drop(root, name, info)
		return nil, &missError{f.Name(), err}
	}
	now := time.Now()
	if now.Sub(info.ModTime()).Abs() > touchEvery {
		// Only the order in which entries go depends on it. A link that has come
		// in the file's place leads nowhere out of the folder.
		_ = root.Chtimes(name, time.Time{}, now)
	}
	if h.Fetched.After(now) {
		h.Fetched = time.Time{}
	}
	return &Entry{Meta: h.Meta, Size: h.size, ModTime: info.ModTime(), Body: &body{
		f: f, left: h.size, hash: sha256.New(), sum: h.sum,
		damaged: func() { d.drop(root, name, info) },
	}}, nil
}

// openRegular opens a file of ours. It follows no link, and neither waits for
// the writer of a pipe nor wakes a device: what is none of our files is not
// opened, and what becomes such a thing in between is opened without waiting
// and not read.
func (d *Dir) openRegular(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	before, err := root.Lstat(name)
	if err != nil {
		return nil, nil, err
	}
	foreign := &missError{d.path + "/" + name, errors.New("it is no regular file of ours")}
	if !d.ours(before) {
		return nil, nil, foreign
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !d.ours(info) {
		err = foreign
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// readHeader reads the header of the entry of that kind and key.
func readHeader(f *os.File, kind Kind, key Key) (*header, error) {
	data := make([]byte, headerSize)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, err
	}
	h := new(header)
	if err := h.unmarshal(data); err != nil {
		return nil, err
	}
	if h.kind != kind || h.key != key {
		return nil, errHeader
	}
	return h, nil
}

// readFailed tells an error of the file system from a file that is wrong.
func readFailed(err error) bool {
	_, failed := errors.AsType[*fs.PathError](err)
	return failed
}

// body reads what follows the header.
type body struct {
	f       *os.File
	left    int64
	hash    hash.Hash
	sum     [sha256.Size]byte
	checked bool
	err     error
	damaged func()
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.left == 0 && b.checked {
		return 0, io.EOF
	}
	n, err := b.f.Read(p[:min(int64(len(p)), b.left)])
	b.hash.Write(p[:n])
	b.left -= int64(n)
	switch {
	case b.left == 0 && !bytes.Equal(b.hash.Sum(nil), b.sum[:]), b.left > 0 && errors.Is(err, io.EOF):
		b.err = &missError{b.f.Name(), errDamaged}
		b.damaged()
		return 0, b.err
	case b.left == 0:
		b.checked = true
		if n == 0 {
			return 0, io.EOF
		}
		return n, nil
	case err != nil:
		b.err = err
	}
	return n, err
}

func (b *body) Close() error { return b.f.Close() }
