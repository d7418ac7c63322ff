package consumer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
)

// File is the file of -credentials. It is read again when it has changed; a
// version that can not be used leaves the last good one in force.
type File struct {
	path    string
	limit   int64
	section bool // one of the keys of credentials has to be there
	current atomic.Pointer[Credentials]

	mu sync.Mutex // held by Refresh

	// The last version that was read without an error: what it looked like
	// from outside, what it was, and whether a second look found the same. Two
	// writes within one tick of a file system's clock look alike from outside,
	// so one look is not believed.
	seen      os.FileInfo
	digest    [sha256.Size]byte
	confirmed bool
}

// maxCredentialsFile bounds a file of -credentials, in bytes: some 50,000
// credentials, whose YAML takes seconds and a hundred times its size to read.
const maxCredentialsFile = 8 << 20

// NewFile returns the file of -credentials, which has not been read.
func NewFile(path string) *File {
	return &File{path: path, limit: maxCredentialsFile, section: true}
}

// NewDeclarativeFile returns a declarative file of Kong's, which has not been
// read. It may have credentials or none.
func NewDeclarativeFile(path string) *File {
	return &File{path: path, limit: maxFile}
}

// Path returns the file's path.
func (f *File) Path() string { return f.path }

// Current returns the credentials in force; nil until a version could be used,
// which Match takes for an error. The pointer changes exactly when the
// credentials do.
func (f *File) Current() *Credentials { return f.current.Load() }

// Refresh reads the file if it looks changed, or with force. An error, for the
// log, means that Current is an older version than the file, if it is any, and
// is returned again by every call until the file is mended. A file that is gone
// is an error too.
func (f *File) Refresh(ctx context.Context, force bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := f.refresh(force); err != nil {
		f.seen = nil
		return fmt.Errorf("reading the credentials: %w", err)
	}
	return nil
}

func (f *File) refresh(force bool) error {
	info, err := os.Stat(f.path)
	if err != nil {
		return err
	}
	alike := f.seen != nil && os.SameFile(info, f.seen) &&
		info.Size() == f.seen.Size() && info.ModTime().Equal(f.seen.ModTime())
	if alike && f.confirmed && !force {
		return nil
	}
	// Opening a pipe would wait for a writer.
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", f.path)
	}
	if info.Size() > f.limit {
		return fmt.Errorf("%s has %d bytes, at most %d are allowed", f.path, info.Size(), f.limit)
	}
	data, info, err := readFile(f.path)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(data)
	if f.seen != nil && digest == f.digest {
		f.seen, f.confirmed = info, alike
		return nil
	}
	list, err := ParseFile(data)
	if errors.Is(err, ErrNoSection) && !f.section {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	credentials, err := NewCredentials(list)
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	if old := f.current.Load(); old == nil || !slices.Equal(old.list, credentials.list) {
		f.current.Store(credentials)
	}
	f.seen, f.digest, f.confirmed = info, digest, false
	return nil
}

// readFile reads a file and what it looked like before.
func readFile(path string) ([]byte, os.FileInfo, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	// It may have grown since. One byte more is enough for ParseFile to refuse.
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, nil, err
	}
	return data, info, nil
}
