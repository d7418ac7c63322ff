package pluginserver

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// IDs gives out instance ids that no other process on the same socket has
// given out: Kong's workers keep an id over a restart of the plugin server,
// and one that came to mean another configuration would have requests decided by the
// wrong policy. Ids are reserved in blocks in a file beside the socket, under
// its lock, before the first of a block is used. After 2³¹ ids they begin
// again.
//
// The file is not synced: it outlives the process, which is all it must, since
// workers that know an id do not outlive the machine.
type IDs struct {
	path string

	mu        sync.Mutex
	next, end int64 // the block: next up to but not including end
	block     int64
}

// Blocks are small at first, so that a server that is started over and over
// uses up few ids, and grow with use, so that the file is seldom touched.
const (
	firstBlock = 64
	lastBlock  = 8192
)

// OpenIDs returns the ids of the socket that path belongs to, and reserves the
// first of them. It fails when the file cannot be read, locked or written.
func OpenIDs(path string) (*IDs, error) {
	ids := &IDs{path: path, block: firstBlock}
	ids.mu.Lock()
	defer ids.mu.Unlock()
	return ids, ids.reserve()
}

// Next returns an id that was never returned before. It fails only when a new
// block cannot be reserved.
func (ids *IDs) Next() (int32, error) {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	if ids.next == ids.end {
		if err := ids.reserve(); err != nil {
			return 0, err
		}
	}
	id := ids.next
	ids.next++
	return int32(id), nil
}

func (ids *IDs) reserve() error {
	first, err := ids.reserveBlock()
	if err != nil {
		return fmt.Errorf("reserving instance ids in %s: %w", ids.path, err)
	}
	ids.next, ids.end = first, first+ids.block
	ids.block = min(2*ids.block, lastBlock)
	return nil
}

// reserveBlock moves the file's number on and returns where it was.
func (ids *IDs) reserveBlock() (int64, error) {
	f, err := ids.open()
	if err != nil {
		return 0, err
	}
	defer f.Close() // which also unlocks
	text := make([]byte, 16)
	n, _ := f.ReadAt(text, 0)
	first, err := strconv.ParseInt(strings.TrimSpace(string(text[:n])), 10, 64)
	if err != nil || first < 1 || first > math.MaxInt32 {
		// A new file, or one with other content. What was given out before is
		// unknown, so begin at a place that was hardly ever near.
		first = 1 + rand.Int64N(math.MaxInt32/2)
	}
	if first+ids.block > math.MaxInt32 {
		first = 1
	}
	// One write of fixed length: a process killed at this moment leaves either
	// number whole.
	text = fmt.Appendf(text[:0], "%010d\n", first+ids.block)
	if _, err := f.WriteAt(text, 0); err != nil {
		return 0, err
	}
	return first, f.Truncate(int64(len(text))) // of other content
}

// open opens and locks the file. One of another user, left by a
// server that was once started by hand as root, is replaced.
func (ids *IDs) open() (*os.File, error) {
	const flags = os.O_RDWR | os.O_CREATE | syscall.O_NOFOLLOW
	f, err := os.OpenFile(ids.path, flags, 0o600)
	if errors.Is(err, fs.ErrPermission) {
		if e := os.Remove(ids.path); errors.Is(e, fs.ErrNotExist) {
			return nil, err // it is the folder that nothing may be written to
		} else if e != nil {
			return nil, e
		}
		f, err = os.OpenFile(ids.path, flags, 0o600)
	}
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking: %w", err)
	}
	return f, nil
}
