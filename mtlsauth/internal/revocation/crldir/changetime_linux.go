package crldir

import (
	"io/fs"
	"syscall"
	"time"
)

// changeTime is when a file was last changed in any way, the times that a copy
// took over from elsewhere included.
func changeTime(info fs.FileInfo) time.Time {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return time.Time{}
	}
	return time.Unix(stat.Ctim.Unix())
}
