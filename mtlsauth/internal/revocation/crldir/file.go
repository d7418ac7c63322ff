package crldir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/crl"
)

const (
	// settleTime is how old a file's times must be before "nothing has changed"
	// is believed of it: two writes within one tick of a file system's clock (up
	// to 2 s) look the same from outside.
	settleTime = 2 * time.Second

	// retryEvery is how often a file is read again that could not be: a refusal
	// of memory comes after a hundred megabytes have been read.
	retryEvery = 30 * time.Second
)

var errPanic = errors.New("a fault in this program, see the log")

// file is a file of the folder, as far as it is known.
type file struct {
	path string

	seen    fs.FileInfo // as of the last reading; nil if there was none
	settled bool
	retry   time.Time // when to read it again, though it has not changed; or zero
	told    bool      // and the log, of what is wrong with it

	loaded *loaded // what is in force; nil for nothing
	failed error   // what came of the last reading
}

// loaded is a list and what it came from.
type loaded struct {
	list    *crl.List
	sum     fingerprint
	path    string
	release func()
}

// unchanged reports whether a file looks as it did when it was last read, and
// will be believed to.
func (f *file) unchanged(info fs.FileInfo, now time.Time) bool {
	return f.seen != nil && f.settled && sameVersion(f.seen, info) &&
		(f.retry.IsZero() || now.Before(f.retry))
}

func sameVersion(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && changeTime(a).Equal(changeTime(b))
}

// isSettled reports whether both times are old enough. One in the future is not
// the file's last tick.
func isSettled(info fs.FileInfo, now time.Time) bool {
	return now.Sub(info.ModTime()).Abs() > settleTime && now.Sub(changeTime(info)).Abs() > settleTime
}

// refresh reads the file if it has changed. What was in force stays if the file
// is of no use now.
func (f *file) refresh(ctx context.Context, d *Folder, info fs.FileInfo, anew bool) {
	now := time.Now()
	if !anew && f.unchanged(info, now) {
		return
	}
	next, info, err := f.read(ctx, d, info)
	if ctx.Err() != nil {
		if next != nil {
			next.release()
		}
		return
	}
	if f.seen == nil || !sameVersion(f.seen, info) {
		f.told = false
	}
	f.seen, f.settled, f.retry, f.failed = info, isSettled(info, now), time.Time{}, err
	if err != nil {
		// Only what the list itself is to blame for is there to stay.
		if _, ok := errors.AsType[*crl.Error](err); !ok {
			f.retry = now.Add(retryEvery)
		}
		f.tell(d)
		return
	}
	if f.loaded != nil && f.loaded.sum == next.sum {
		next.release() // those who use the old one need not change
		return
	}
	d.drop(f)
	f.loaded = next
}

// tell logs what is wrong with the file, once for each version of it, and not of
// one that may be only half written.
func (f *file) tell(d *Folder) {
	if f.told || !f.settled {
		return
	}
	f.told = true
	if f.loaded != nil {
		d.log.Warn("a file in -crl-dir is of no use: its earlier CRL stays in force until nextUpdate",
			"file", f.path, "err", f.failed, "next_update", stamp(f.loaded.list.NextUpdate))
		return
	}
	d.log.Warn("a file in -crl-dir is of no use", "file", f.path, "err", f.failed)
}

// read reads the file and returns what it looked like before. Opening waits for
// nobody who might write to a pipe, and what is no regular file is not read.
func (f *file) read(ctx context.Context, d *Folder, info fs.FileInfo) (*loaded, fs.FileInfo, error) {
	r, err := os.OpenFile(f.path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, info, err
	}
	defer r.Close()
	opened, err := r.Stat()
	switch {
	case err != nil:
		return nil, info, err
	case !opened.Mode().IsRegular():
		return nil, opened, errors.New("it is no regular file")
	case opened.Size() > d.o.MaxBytes:
		return nil, opened, &crl.Error{Kind: crl.TooLarge, Err: fmt.Errorf("its %d bytes are more than %d", opened.Size(), d.o.MaxBytes)}
	}
	if d.testingOnlyRead != nil {
		d.testingOnlyRead()
	}
	next, err := d.parse(&steps{ctx, r, &d.looking})
	if err != nil {
		return nil, opened, err
	}
	next.path = f.path
	return next, opened, nil
}

// parse reads a list and reserves what it takes. A panic is an error: one in
// this goroutine would end the process, and Kong's requests with it.
func (d *Folder) parse(r io.Reader) (next *loaded, err error) {
	held := reservation{reserve: d.o.Reserve}
	defer func() {
		if p := recover(); p != nil {
			d.log.Error("panic while a CRL was read", "err", fmt.Sprint(p), "stack", string(debug.Stack()))
			next, err = nil, errPanic
		}
		if err != nil {
			held.release()
		}
	}()
	sum := newFingerprinter()
	list, err := crl.Read(io.TeeReader(r, sum), crl.ReadOptions{MaxBytes: d.o.MaxBytes, Reserve: held.more})
	if err != nil {
		return nil, err
	}
	if err := held.shrink(list.Size()); err != nil {
		return nil, err
	}
	return &loaded{list: list, sum: sum.sum(), release: held.release}, nil
}
