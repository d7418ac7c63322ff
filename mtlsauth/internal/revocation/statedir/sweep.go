package statedir

import (
	"context"
	"io/fs"
	"os"
	"slices"
	"time"
)

const (
	// sweepEvery is how often the folder is looked over. Only what other
	// processes write makes it grow in between.
	sweepEvery = 5 * time.Minute

	// tempAge is when a temporary file is one that a process left behind. It is
	// counted from the last write, and no exchange pauses for so long.
	tempAge = time.Hour

	// crowdedTempAge is the same where room is wanted: a server that is killed
	// again and again leaves a CRL behind each time. An exchange is over, or has
	// failed, after a minute.
	crowdedTempAge = 5 * time.Minute

	// maxListed bounds one look at a folder that somebody else has filled, with
	// what is not ours to remove. What is past it waits for room before it.
	maxListed = 1 << 20

	// listAtOnce is how many names are read at a time.
	listAtOnce = 1024
)

// Run keeps the folder in its bounds and removes what interrupted writers left,
// at once and every few minutes, until ctx ends.
func (d *Dir) Run(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		d.look()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (d *Dir) look() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.renew(); err != nil {
		_ = d.failed(err) // the log has it
		return
	}
	d.sweep(0, "")
}

// found is a file of ours in the folder.
type found struct {
	name string
	size int64
	used time.Time
	temp bool
}

// sweep counts the files, removes those that were left behind and, until there
// is room for so many more bytes, those that were not used for longest. Where
// there was too little room it makes a tenth more, so as not to be called for
// every write. The entry newest, which was written just now, stays: others may
// be of the same tick. Dir.mu is held.
func (d *Dir) sweep(room int64, newest string) {
	root := d.root.Load()
	files := d.list(root)
	now := time.Now()
	d.bytes, d.files = 0, 0
	kept := files[:0]
	for _, f := range files {
		if f.temp && f.idle(now) > tempAge && root.Remove(f.name) == nil {
			continue
		}
		d.bytes += f.size
		d.files++
		kept = append(kept, f)
	}
	fits := func(spare int64) bool {
		return d.bytes+d.writing+room <= d.o.MaxBytes-d.o.MaxBytes/10*spare && d.files <= d.o.MaxFiles-d.o.MaxFiles/10*int(spare)
	}
	if fits(0) {
		return
	}
	slices.SortFunc(kept, func(a, b found) int {
		if a.temp != b.temp { // nobody will ever read those
			if a.temp {
				return -1
			}
			return 1
		}
		return a.used.Compare(b.used)
	})
	for _, f := range kept {
		if fits(1) {
			return
		}
		if f.name == newest || f.temp && f.idle(now) <= crowdedTempAge {
			continue // or somebody writes it
		}
		if root.Remove(f.name) == nil {
			d.bytes -= f.size
			d.files--
		}
	}
}

// idle is how long a file was not used. A time in the future is as far away as
// one in the past: the clock was wrong, and nothing may stay for ever.
func (f found) idle(now time.Time) time.Duration { return now.Sub(f.used).Abs() }

// list returns our files in the folder but for those that we are writing. A
// file that vanishes meanwhile is not there.
func (d *Dir) list(root *os.Root) []found {
	dir, err := root.Open(".")
	if err != nil {
		return nil
	}
	defer dir.Close()
	var out []found
	for listed := 0; listed < maxListed; listed += listAtOnce {
		entries, err := dir.ReadDir(listAtOnce)
		for _, entry := range entries {
			name := entry.Name()
			temp := isTempName(name)
			if !temp && !isEntryName(name) || d.temps[name] {
				continue
			}
			if info, err := root.Lstat(name); err == nil && d.ours(info) {
				out = append(out, toFound(info, temp))
			}
		}
		if err != nil || len(entries) == 0 {
			break
		}
	}
	return out
}

func toFound(info fs.FileInfo, temp bool) found {
	return found{name: info.Name(), size: info.Size(), used: info.ModTime(), temp: temp}
}
