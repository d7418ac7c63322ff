package statedir

import "os"

const (
	HeaderSize     = headerSize
	MaxETag        = maxETag
	TempAge        = tempAge
	CrowdedTempAge = crowdedTempAge
	TouchEvery     = touchEvery
)

// FileName is that of an entry.
func FileName(kind Kind, key Key) string { return fileName(kind, key) }

// OpenAs opens a folder as another user would.
func OpenAs(dir, name string, uid int) (*Dir, error) { return open(dir, name, Options{}, uid) }

// SetUID makes the files those of another user.
func (d *Dir) SetUID(uid int) { d.uid = uid }

// Counted is what the folder is believed to hold.
func (d *Dir) Counted() (bytes int64, files int, writing int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bytes, d.files, d.writing
}

// File is the file of an entry that is being written.
func (w *Writer) File() *os.File { return w.f }

// ParseHeader returns what a header says of an entry of that kind and key, and
// the header that says so.
func ParseHeader(data []byte) (kind Kind, key Key, m Meta, again []byte, err error) {
	var h header
	if err := h.unmarshal(data); err != nil {
		return h.kind, h.key, h.Meta, nil, err
	}
	return h.kind, h.key, h.Meta, h.marshal(), nil
}

// MakeHeader returns the header of an entry without bytes.
func MakeHeader(kind Kind, key Key, m Meta) []byte {
	h := header{kind: kind, key: key, Meta: m}
	return h.marshal()
}
