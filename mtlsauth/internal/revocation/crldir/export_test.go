package crldir

import "sync/atomic"

const (
	MaxEntries = maxEntries
	HangAfter  = hangAfter
	RetryEvery = retryEvery
)

// Fingerprint is that of a file's bytes, which arrive in parts of so many.
func Fingerprint(data []byte, part int) [32]byte {
	f := newFingerprinter()
	for len(data) > part {
		f.Write(data[:part])
		data = data[part:]
	}
	f.Write(data)
	return f.sum()
}

// CountReads counts how often a file is read for a list. It is called before
// Run.
func CountReads(f *Folder) *atomic.Int64 {
	count := new(atomic.Int64)
	f.testingOnlyRead = func() { count.Add(1) }
	return count
}

// Shrink asks for memory in these parts, keeps what it needs of them for so many
// bytes, and returns what is kept and for what it asked in addition.
func Shrink(parts []int, bytes int) (kept, added int) {
	r := reservation{reserve: func(n int) (func(), error) {
		kept += n
		added += n
		return func() { kept -= n }, nil
	}}
	for _, n := range parts {
		r.more(n)
	}
	added = 0
	r.shrink(bytes)
	return kept, added
}
