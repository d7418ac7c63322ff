package crl

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"sort"
)

// chunkSize is the most that is allocated at once while entries are read:
// growing one slice would need it twice over at the end.
const chunkSize = 64 << 10

// columnOverhead is about what a column takes beside its chunks.
const columnOverhead = 160

// builder collects serial numbers, by length, for an index.
type builder struct {
	columns map[int]*column
	last    *column
	reserve func(int) error
}

// column holds the records of one length as they come: the bytes before the
// mixed ones, the mixed ones and the status.
type column struct {
	length, width, count int
	chunks               [][]byte
}

func newBuilder(reserve func(int) error) *builder {
	return &builder{columns: map[int]*column{}, reserve: reserve}
}

// add fails only by reserve.
func (b *builder) add(serial []byte, s status) error {
	c := b.last
	if c == nil || c.length != len(serial) {
		var err error
		if c, err = b.column(len(serial)); err != nil {
			return err
		}
		b.last = c
	}
	chunk, err := c.room(b.reserve)
	if err != nil {
		return err
	}
	rest, mixed := split(serial)
	*chunk = append(*chunk, rest...)
	*chunk = binary.BigEndian.AppendUint64(*chunk, mixed)
	*chunk = append(*chunk, byte(s))
	c.count++
	return nil
}

func (b *builder) column(length int) (*column, error) {
	if c := b.columns[length]; c != nil {
		return c, nil
	}
	if err := b.reserve(columnOverhead); err != nil {
		return nil, err
	}
	c := &column{length: length, width: max(length, mixedSize) + 1}
	b.columns[length] = c
	return c, nil
}

// room returns a chunk with room for one more record. Chunks begin small, so
// that a list of many lengths takes no more than twice what it holds.
func (c *column) room(reserve func(int) error) (*[]byte, error) {
	if n := len(c.chunks); n > 0 {
		if last := &c.chunks[n-1]; cap(*last)-len(*last) >= c.width {
			return last, nil
		}
	}
	records := max(1, min(c.count, chunkSize/c.width))
	if err := reserve(records * c.width); err != nil {
		return nil, err
	}
	c.chunks = append(c.chunks, make([]byte, 0, records*c.width))
	return &c.chunks[len(c.chunks)-1], nil
}

// build makes the index and gives the chunks up on its way.
func (b *builder) build() (index, error) {
	x := index{tables: make([]table, 0, len(b.columns))}
	for length, c := range b.columns {
		t, err := c.table(b.reserve)
		if err != nil {
			return index{}, err
		}
		x.tables = append(x.tables, t)
		delete(b.columns, length)
	}
	b.last = nil
	slices.SortFunc(x.tables, func(a, b table) int { return a.length - b.length })
	return x, nil
}

// table is a counting sort by bucket.
func (c *column) table(reserve func(int) error) (table, error) {
	bucketBits := bits.Len(uint(c.count-1) / bucketLoad)
	t := table{length: c.length, shift: 64 - bucketBits, drop: bucketBits / 8}
	width := t.width()
	if err := reserve(tableOverhead + 4<<bucketBits + c.count*width); err != nil {
		return table{}, err
	}
	t.ends = make([]uint32, 1<<bucketBits)
	t.records = make([]byte, c.count*width)

	restSize := c.width - mixedSize - 1
	mixedOf := func(record []byte) uint64 { return binary.BigEndian.Uint64(record[restSize:]) }
	for _, chunk := range c.chunks {
		for ; len(chunk) > 0; chunk = chunk[c.width:] {
			t.ends[t.bucket(mixedOf(chunk))]++
		}
	}
	start := uint32(0)
	for i, n := range t.ends {
		t.ends[i] = start
		start += n
	}
	// Each start moves on to become the end.
	for i, chunk := range c.chunks {
		for ; len(chunk) > 0; chunk = chunk[c.width:] {
			end := &t.ends[t.bucket(mixedOf(chunk))]
			record := t.records[int(*end)*width:][:width]
			copy(record, chunk[:restSize])
			copy(record[restSize:], chunk[restSize+t.drop:c.width])
			*end++
		}
		c.chunks[i] = nil
	}
	for bucket := range t.ends {
		if from, to := t.bounds(bucket); to-from > maxScan {
			sort.Sort(&packed{t.records[from*width : to*width], make([]byte, width), width})
		}
	}
	return t, nil
}

// packed sorts records in place.
type packed struct {
	records, spare []byte
	width          int
}

func (p *packed) at(i int) []byte    { return p.records[i*p.width:][:p.width] }
func (p *packed) Len() int           { return len(p.records) / p.width }
func (p *packed) Less(i, j int) bool { return bytes.Compare(p.at(i), p.at(j)) < 0 }
func (p *packed) Swap(i, j int) {
	copy(p.spare, p.at(i))
	copy(p.at(i), p.at(j))
	copy(p.at(j), p.spare)
}
