package filewatch

import (
	"io/fs"
	"syscall"
	"time"
)

// changeTime is when a file was last changed in any way: a copy may take its
// other times over from elsewhere.
func changeTime(info fs.FileInfo) time.Time {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return time.Time{}
	}
	return time.Unix(stat.Ctim.Unix())
}
