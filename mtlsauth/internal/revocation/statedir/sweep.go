package statedir

import (
	"context"
	"os"
	"slices"
	"time"
)

const (
	// sweepEvery is how often the folder is looked over. Only what other
	// processes write makes it grow in between.
	sweepEvery = 5 * time.Minute

	// tempAge is when a temporary file is one that a process left behind. It is
	// counted from the last write, and no exchange lasts for so long.
	tempAge = 5 * time.Minute

	// maxListed bounds one look at a folder that is filled with what is not ours
	// to remove. What is past it waits for room before it.
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
	if err := d.renew(); err != nil {
		_ = d.failed(err) // the log has it
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sweep(0, "")
}

// found is a file of ours in the folder.
type found struct {
	name    string
	size    int64
	fetched time.Time
	temp    bool
}

// sweep counts the files, removes those that were left behind and, until there
// is room for so many more bytes, those that were fetched first. Where there was
// too little room it makes a tenth more, so as not to be called for every write.
// The entry newest, which was written just now, stays. Dir.mu is held.
func (d *Dir) sweep(room int64, newest string) {
	root, now := d.root.Load(), time.Now()
	d.bytes, d.files = 0, 0
	var entries []found
	for _, f := range d.list(root) {
		// A time in the future is as far away as one in the past: the clock was
		// wrong, and nothing may stay for ever.
		if f.temp && now.Sub(f.fetched).Abs() > tempAge && root.Remove(f.name) == nil {
			continue
		}
		d.bytes += f.size
		d.files++
		if !f.temp && f.name != newest {
			entries = append(entries, f)
		}
	}
	fits := func(spare int64) bool {
		return d.bytes+room <= d.o.MaxBytes-d.o.MaxBytes/10*spare && d.files <= d.o.MaxFiles-d.o.MaxFiles/10*int(spare)
	}
	if fits(0) {
		return
	}
	slices.SortFunc(entries, func(a, b found) int { return a.fetched.Compare(b.fetched) })
	for _, f := range entries {
		if fits(1) {
			return
		}
		if root.Remove(f.name) == nil {
			d.bytes -= f.size
			d.files--
		}
	}
}

// list returns our files in the folder. A file that vanishes meanwhile is not
// there.
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
			if !temp && !isEntryName(name) {
				continue
			}
			if info, err := root.Lstat(name); err == nil && d.ours(info) {
				out = append(out, found{name, info.Size(), info.ModTime(), temp})
			}
		}
		if err != nil || len(entries) == 0 {
			break
		}
	}
	return out
}
