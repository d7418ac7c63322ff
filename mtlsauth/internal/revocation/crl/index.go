package crl

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"
)

// index finds serial numbers, exactly. It has a table for each length of them.
type index struct{ tables []table }

// table holds the serial numbers of one length in buckets. The last eight
// bytes of a number are mixed with a hash of those before in a way that can be
// undone, and the upper bits of the result number the bucket. So these bits
// need not be kept: a record is the bytes before the last eight, what is left
// of the result, and the status, with nothing lost.
type table struct {
	length  int // of the serial numbers
	shift   int // from a mixed value to its bucket
	drop    int // bytes of the mixed value that the bucket implies
	ends    []uint32
	records []byte
}

const (
	// mixedSize is the part of a serial number that is mixed.
	mixedSize = 8

	// bucketLoad is about how many records share a bucket at most: two cache
	// lines of them, for half a byte each of the buckets' ends.
	bucketLoad = 8

	// maxScan is the length from which a bucket is kept in order and searched by
	// halves. By chance one in ten thousand million is; one list that repeats a
	// number has it as it likes.
	maxScan = 32
)

// seed keeps the author of a list from choosing the bucket.
var seed = maphash.MakeSeed()

// split returns the bytes before those that are mixed, and the mixed ones. A
// number of fewer than eight bytes is as if padded: lengths do not meet.
func split(serial []byte) (rest []byte, mixed uint64) {
	if n := len(serial) - mixedSize; n >= 0 {
		rest, mixed = serial[:n], binary.BigEndian.Uint64(serial[n:])
	} else {
		for _, b := range serial {
			mixed = mixed<<8 | uint64(b)
		}
	}
	return rest, mix(mixed ^ maphash.Bytes(seed, rest))
}

// mix is a bijection that lets every bit depend on all: the finalizer of
// MurmurHash3.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// lookup returns the lowest status of a serial number.
func (x *index) lookup(serial []byte) (status, bool) {
	i, found := slices.BinarySearchFunc(x.tables, len(serial), func(t table, n int) int { return t.length - n })
	if !found {
		return 0, false
	}
	return x.tables[i].lookup(serial)
}

func (t *table) lookup(serial []byte) (status, bool) {
	rest, mixed := split(serial)
	var tail [mixedSize]byte
	binary.BigEndian.PutUint64(tail[:], mixed)
	key := tail[t.drop:]

	bucket := t.bucket(mixed)
	width := t.width()
	from, to := t.bounds(bucket)
	records := t.records[from*width : to*width]
	if to-from > maxScan {
		return searchRecords(records, width, rest, key)
	}
	var lowest status
	found := false
	for ; len(records) > 0; records = records[width:] {
		if bytes.Equal(records[len(rest):width-1], key) && bytes.Equal(records[:len(rest)], rest) {
			if s := status(records[width-1]); !found || s < lowest {
				lowest, found = s, true
			}
		}
	}
	return lowest, found
}

// searchRecords is lookup in records that are in order. Among equal numbers the
// lowest status comes first.
func searchRecords(records []byte, width int, rest, key []byte) (status, bool) {
	compare := func(i int) int {
		record := records[i*width : (i+1)*width]
		if c := bytes.Compare(record[:len(rest)], rest); c != 0 {
			return c
		}
		return bytes.Compare(record[len(rest):width-1], key)
	}
	low, high := 0, len(records)/width
	for low < high {
		if middle := int(uint(low+high) / 2); compare(middle) < 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low*width == len(records) || compare(low) != 0 {
		return 0, false
	}
	return status(records[(low+1)*width-1]), true
}

// bucket numbers the bucket of a mixed value; a shift by 64 gives 0.
func (t *table) bucket(mixed uint64) int { return int(mixed >> t.shift) }

// width is the size of a record.
func (t *table) width() int { return max(t.length-mixedSize, 0) + mixedSize - t.drop + 1 }

// bounds returns the first record of a bucket and the one after the last.
func (t *table) bounds(bucket int) (from, to int) {
	if bucket > 0 {
		from = int(t.ends[bucket-1])
	}
	return from, int(t.ends[bucket])
}

func (x *index) size() int {
	size := 0
	for _, t := range x.tables {
		size += tableOverhead + len(t.records) + 4*len(t.ends)
	}
	return size
}

// tableOverhead is about the size of a table beside its slices' content.
const tableOverhead = 80
