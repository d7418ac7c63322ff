package kongdata

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// settleTime is how old a file's time of change must be before "nothing has
// changed" is believed of it: two writes within one tick of a file system's
// clock (up to 2 s) look the same from outside.
const settleTime = 3 * time.Second

// watchedFile is a file that is read again when it has changed.
type watchedFile struct {
	path  string
	limit int64

	seen    os.FileInfo // as of the last reading; nil if there was none
	settled bool
}

// read returns the content, or changed false if the file looks as it did when
// it was last read. After an error the next call reads.
func (w *watchedFile) read(force bool) (data []byte, changed bool, err error) {
	info, err := os.Stat(w.path)
	if err != nil {
		w.seen = nil
		return nil, false, err
	}
	if !force && w.unchanged(info) {
		return nil, false, nil
	}
	w.seen = nil
	data, info, err = readFile(w.path, w.limit)
	if err != nil {
		return nil, false, err
	}
	w.seen, w.settled = info, time.Since(info.ModTime()) > settleTime
	return data, true, nil
}

func (w *watchedFile) unchanged(info os.FileInfo) bool {
	return w.seen != nil && w.settled && os.SameFile(info, w.seen) &&
		info.Size() == w.seen.Size() && info.ModTime().Equal(w.seen.ModTime())
}

// readFile reads a regular file of at most limit bytes and what it looked like
// before. Anything else is refused: opening a pipe would wait for a writer, and
// opening a device may do something. What becomes one of them between the look
// and the opening is opened without waiting and not read.
func readFile(path string, limit int64) ([]byte, os.FileInfo, error) {
	info, err := os.Stat(path)
	if err == nil {
		err = mustBeRegular(path, info)
	}
	if err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err = f.Stat()
	if err == nil {
		err = mustBeRegular(path, info)
	}
	if err != nil {
		return nil, nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, nil, err
	}
	if int64(len(data)) > limit {
		return nil, nil, fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return data, info, nil
}

func mustBeRegular(path string, info os.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", path)
	}
	return nil
}
