package statedir

import "os"

const (
	// Overhead is what an entry without validators takes beside its bytes.
	Overhead     = 2
	MaxValidator = maxValidator
	TempAge      = tempAge
	SweepEvery   = sweepEvery
)

var FileName = fileName

// Counted returns what the folder is taken to hold.
func (d *Dir) Counted() (bytes int64, files int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bytes, d.files
}

// OpenAs opens a folder as another user would.
func OpenAs(dir, name string, uid int) (*Dir, error) { return open(dir, name, Options{}, uid) }

// SetUID makes the files those of another user.
func (d *Dir) SetUID(uid int) { d.uid = uid }

// File is the file of an entry that is being written.
func (w *Writer) File() *os.File { return w.f }
