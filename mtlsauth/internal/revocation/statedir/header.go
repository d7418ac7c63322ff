package statedir

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
)

const (
	// magic begins every file; its last byte is the version of the format.
	magic = "mtlsst\x00\x01"

	// headerSize is fixed, so that the header can be written after a body whose
	// length nobody knew.
	headerSize = 1 << 10

	// maxETag and maxLastModified are what the header has room for. An ETag has
	// no bound (RFC 9110, section 8.8.3), but those in the field have less than
	// a hundred bytes; an HTTP date has 29.
	maxETag         = 512
	maxLastModified = 128
)

// Meta is what is stored beside the bytes of an entry.
type Meta struct {
	// Fetched is when the bytes were had from the network.
	Fetched time.Time
	// ETag and LastModified are the validators that came with them (RFC 9110,
	// section 8.8), empty if there were none.
	ETag, LastModified string
}

// header is the beginning of a file.
type header struct {
	kind Kind
	key  Key
	size int64 // of the body
	sum  [sha256.Size]byte
	Meta
}

// marshal returns the header's bytes: the fields, zeros, and a checksum over
// both. A validator that has no room is left out: all it costs is a whole
// transfer where "not modified" might have done.
func (h *header) marshal() []byte {
	out := make([]byte, 0, headerSize)
	out = append(out, magic...)
	out = append(out, byte(h.kind))
	out = append(out, h.key[:]...)
	out = binary.BigEndian.AppendUint64(out, uint64(h.size))
	out = append(out, h.sum[:]...)
	out = binary.BigEndian.AppendUint64(out, uint64(h.Fetched.UnixNano()))
	out = appendString(out, h.ETag, maxETag)
	out = appendString(out, h.LastModified, maxLastModified)
	out = append(out, make([]byte, headerSize-sha256.Size-len(out))...)
	sum := sha256.Sum256(out)
	return append(out, sum[:]...)
}

func appendString(out []byte, s string, limit int) []byte {
	if len(s) > limit {
		s = ""
	}
	out = binary.BigEndian.AppendUint16(out, uint16(len(s)))
	return append(out, s...)
}

var errHeader = errors.New("the header is none, or of another entry")

// unmarshal undoes marshal and accepts nothing else: magic, checksum and zeros
// are right if the same bytes come out again.
func (h *header) unmarshal(data []byte) error {
	if len(data) != headerSize {
		return errHeader
	}
	var got header
	rest := data[len(magic):]
	next := func(n int) []byte {
		if n > len(rest) {
			return make([]byte, n) // what comes of it is refused below
		}
		field := rest[:n]
		rest = rest[n:]
		return field
	}
	got.kind = Kind(next(1)[0])
	copy(got.key[:], next(len(got.key)))
	got.size = int64(binary.BigEndian.Uint64(next(8)))
	copy(got.sum[:], next(len(got.sum)))
	got.Fetched = time.Unix(0, int64(binary.BigEndian.Uint64(next(8))))
	got.ETag = string(next(int(binary.BigEndian.Uint16(next(2)))))
	got.LastModified = string(next(int(binary.BigEndian.Uint16(next(2)))))
	if !bytes.Equal(got.marshal(), data) {
		return errHeader
	}
	*h = got
	return nil
}
