// Package filewatch reads files that may change at any time, and tells whether
// they have, without reading them and without waiting for anything but the disk.
//
// A file is what its path leads to, symbolic links followed: a mounted ConfigMap
// or Secret of Kubernetes is replaced by renaming the link ..data, and all its
// files are then other ones. Only regular files are read. Opening a pipe would
// wait for a writer, and opening a device may do something; what becomes one of
// them between the look and the opening is opened without waiting and not read.
package filewatch

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// settleTime is how old a file's times must be before "nothing has changed" is
// believed of it: two writes within one tick of a file system's clock (up to
// 2 s) look the same from outside.
const settleTime = 3 * time.Second

// ErrNotRegular is the error of a path that leads to something else than a
// regular file.
var ErrNotRegular = errors.New("not a regular file")

// Version is what a file looked like when it was read. The zero Version is that
// of a file which has not been read.
type Version struct {
	info    fs.FileInfo
	settled bool
}

// VersionOf returns the version of a file that looked like info when it was
// opened for reading, at a time that was taken before that.
func VersionOf(info fs.FileInfo, now time.Time) Version {
	return Version{info, settled(info.ModTime(), now) && settled(changeTime(info), now)}
}

// settled reports whether a time is old enough. One in the future is not the
// file's last tick.
func settled(t, now time.Time) bool { return now.Sub(t).Abs() > settleTime }

// Is reports whether a file looks as it did in this version, by what it is
// (device and inode), its size, and when it and its properties were changed.
func (v Version) Is(info fs.FileInfo) bool {
	return v.info != nil && os.SameFile(v.info, info) && v.info.Size() == info.Size() &&
		v.info.ModTime().Equal(info.ModTime()) && changeTime(v.info).Equal(changeTime(info))
}

// Settled reports whether the file had not just been changed when it was read.
// What Is says of another version is not to be believed, and what was read may
// be half of what is being written.
func (v Version) Settled() bool { return v.settled }

// File is a file that is read again when it has changed. It is not safe for
// concurrent use.
type File struct {
	path  string
	limit int64
	last  Version
}

// New returns the file at path, which has not been read. One of more than limit
// bytes is an error.
func New(path string, limit int64) *File { return &File{path: path, limit: limit} }

// Path returns the file's path.
func (f *File) Path() string { return f.path }

// Read returns the content, or changed false if the file looks as it did when it
// was last read. With force, and after an error, it is read in any case.
func (f *File) Read(force bool) (data []byte, changed bool, err error) {
	now := time.Now()
	info, err := stat(f.path)
	if err == nil && !force && f.last.Is(info) && f.last.Settled() {
		return nil, false, nil
	}
	f.last = Version{}
	if err != nil {
		return nil, false, err
	}
	data, info, err = ReadFile(f.path, f.limit)
	if err != nil {
		return nil, false, err
	}
	f.last = VersionOf(info, now)
	return data, true, nil
}

// Settled reports whether the file had not just been changed when it was last
// read; see [Version.Settled].
func (f *File) Settled() bool { return f.last.Settled() }

// Again has the next Read read the file in any case.
func (f *File) Again() { f.last = Version{} }

// ReadFile reads a regular file of at most limit bytes, and returns what it
// looked like before.
func ReadFile(path string, limit int64) ([]byte, fs.FileInfo, error) {
	f, info, err := Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if info.Size() > limit {
		return nil, nil, tooLarge(path, limit)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1)) // it may grow
	if err != nil {
		return nil, nil, err
	}
	if int64(len(data)) > limit {
		return nil, nil, tooLarge(path, limit)
	}
	return data, info, nil
}

func tooLarge(path string, limit int64) error {
	return fmt.Errorf("%s has more than %d bytes", path, limit)
}

// Open opens a regular file for reading, and returns what it looked like then.
// Of anything else the error is an [ErrNotRegular].
func Open(path string) (*os.File, fs.FileInfo, error) {
	if _, err := stat(path); err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", path, ErrNotRegular)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

func stat(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", path, ErrNotRegular)
	}
	return info, err
}

// ReadDir lists a folder in order of names. One of more than limit entries is an
// error: it bounds what a wrong path, such as /, can cost.
func ReadDir(path string, limit int) ([]fs.DirEntry, error) {
	d, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(limit + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(entries) > limit {
		return nil, fmt.Errorf("%s has more than %d entries", path, limit)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// IsAbsent reports whether an error means that there is nothing at a path.
func IsAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
