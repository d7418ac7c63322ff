package statedir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// othersWrite are the permissions that let others put files into a folder.
const othersWrite fs.FileMode = 0o022

// openFolder opens dir/name, provided that no other user may write there, and returns
// its path.
func openFolder(dir, name string, uid int) (string, *os.Root, error) {
	if dir == "" || name == "" || name == "." || name == ".." || name != filepath.Base(name) {
		return "", nil, fmt.Errorf("%q is no name of a folder in %q", name, dir)
	}
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, explain(dir, err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return "", nil, err
	}
	if err := checkParent(dir, info, uid); err != nil {
		return "", nil, err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", nil, explain(dir, err)
	}
	before, err := os.Lstat(path)
	if err != nil {
		return "", nil, err
	}
	if err := checkFolder(path, before, uid); err != nil {
		return "", nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return "", nil, explain(path, err)
	}
	after, err := root.Stat(".")
	if err == nil && !os.SameFile(before, after) {
		err = fmt.Errorf("%s was replaced while it was opened", path)
	}
	if err != nil {
		root.Close()
		return "", nil, err
	}
	return path, root, nil
}

// checkParent refuses a DIR whose entries others may replace.
func checkParent(dir string, info fs.FileInfo, uid int) error {
	owner, known := ownerOf(info)
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is no directory", dir)
	case !known || owner != uid && owner != 0:
		return fmt.Errorf("%s (%s) must belong to uid %d, as which this runs, or to root", dir, describe(info), uid)
	case info.Mode()&othersWrite != 0 && info.Mode()&fs.ModeSticky == 0:
		return fmt.Errorf("%s (%s) must not be writable by group or others, but for a sticky one (1777); a folder below it, which is then made, will do", dir, describe(info))
	}
	return nil
}

// checkFolder refuses a DIR/name into which others may write.
func checkFolder(path string, info fs.FileInfo, uid int) error {
	owner, known := ownerOf(info)
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s (%s) must be a directory, and no symbolic link to one", path, describe(info))
	case !known || owner != uid:
		return fmt.Errorf("%s (%s) must belong to uid %d, as which this runs", path, describe(info), uid)
	case info.Mode()&othersWrite != 0:
		return fmt.Errorf("%s (%s) must not be writable by group or others; 0700 is allowed", path, describe(info))
	}
	return nil
}

// explain adds to an error whose folder it was and what its mode is.
func explain(path string, err error) error {
	info, statErr := os.Stat(path)
	if statErr != nil {
		return err
	}
	return fmt.Errorf("%w (%s has %s)", err, path, describe(info))
}

// describe returns a file's mode and owner for a message.
func describe(info fs.FileInfo) string {
	owner := "unknown"
	if uid, known := ownerOf(info); known {
		owner = "uid " + strconv.Itoa(uid)
	}
	return fmt.Sprintf("mode %v, owner %s", info.Mode(), owner)
}

func ownerOf(info fs.FileInfo) (int, bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}

// renew opens the folder again if its path does not lead to it any more: it was
// removed, or another is in its place.
func (d *Dir) renew() error {
	now, err := os.Lstat(d.path)
	if err == nil {
		if open, err := d.root.Load().Stat("."); err == nil && os.SameFile(now, open) {
			return nil
		}
	}
	_, root, err := openFolder(filepath.Dir(d.path), filepath.Base(d.path), d.uid)
	if err != nil {
		return err
	}
	// The old one is not closed: writers may be at work in it.
	d.root.Store(root)
	return nil
}
