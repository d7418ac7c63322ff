package kongdata

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mtls-auth/mtlsauth/internal/filewatch"
	"mtls-auth/mtlsauth/internal/uuid"
)

const (
	// maxFolderEntries bounds what a wrong -ca-dir, such as /, can cost.
	maxFolderEntries = 20_000

	// maxIDFile bounds the key id of a Secret: a UUID and some white space.
	maxIDFile = 1 << 10

	// maxIgnoredNames is how many ignored files the log names.
	maxIgnoredNames = 5

	// secretAttempts is how often a mounted Secret is read that is replaced
	// while it is being read.
	secretAttempts = 3
)

// folderScan is one reading of the folder.
type folderScan struct {
	folder  *folder
	force   bool
	files   map[string]*folderFile
	secrets map[string]string
	ignored []string
	index   *folderIndex
}

func (s *folderScan) run() error {
	entries, err := filewatch.ReadDir(s.folder.path, maxFolderEntries)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		path := filepath.Join(s.folder.path, name)
		stem, isPEM := strings.CutSuffix(name, ".pem")
		switch {
		case strings.HasPrefix(name, "."), name == "lost+found":
			// ..data and its like, which the mounted names lead into, and what
			// the root of a file system has, which only root can read.
		case name == "id":
			s.secret(s.folder.path)
		case isPEM:
			id, ok := uuid.Parse(stem)
			if !ok {
				s.ignore(name)
				continue
			}
			s.file(id, path)
		case isDir(entry, path):
			s.secret(path)
		}
	}
	return nil
}

func isDir(entry fs.DirEntry, path string) bool {
	if entry.Type()&fs.ModeSymlink == 0 {
		return entry.IsDir()
	}
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func (s *folderScan) ignore(name string) {
	switch {
	case len(s.ignored) < maxIgnoredNames:
		s.ignored = append(s.ignored, name)
	case len(s.ignored) == maxIgnoredNames:
		s.ignored = append(s.ignored, "…")
	}
}

// file adds the certificate file of an id, read again if it has changed.
func (s *folderScan) file(id, path string) {
	s.add(id, s.readCert(path))
}

func (s *folderScan) add(id string, file *folderFile) {
	s.files[file.watch.Path()] = file
	s.index.byID[id] = append(s.index.byID[id], file)
}

func (s *folderScan) readCert(path string) *folderFile {
	old := s.folder.files[path]
	next := &folderFile{watch: filewatch.New(path, maxEntity)}
	if old != nil {
		next.watch = old.watch
	}
	data, changed, err := next.watch.Read(s.force)
	switch {
	case err != nil:
		next.err = err
	case changed:
		next.text = string(data)
	default:
		next.text = old.text
	}
	return next
}

// secret adds a mounted Secret: the keys id and cert, or ca.crt. A folder
// without id is none. The kubelet replaces a Secret by renaming the link
// ..data, so both keys are read through one reading of that link.
func (s *folderScan) secret(dir string) {
	for attempt := 1; ; attempt++ {
		base, linked := secretBase(dir)
		id, cert, err := s.readSecret(base)
		if now, _ := secretBase(dir); linked && now != base {
			if attempt < secretAttempts {
				continue
			}
			err = fmt.Errorf("%s was replaced again and again while it was read", dir)
		}
		s.addSecret(dir, id, cert, err)
		return
	}
}

// secretBase returns the folder that holds the keys, and whether that is where
// a link ..data leads.
func secretBase(dir string) (string, bool) {
	target, err := os.Readlink(filepath.Join(dir, "..data"))
	if err != nil {
		return dir, false
	}
	if filepath.IsAbs(target) {
		return target, true
	}
	return filepath.Join(dir, target), true
}

// readSecret reads both keys. An empty id without error means that this is no
// Secret of a CA certificate.
func (s *folderScan) readSecret(base string) (string, *folderFile, error) {
	data, _, err := filewatch.ReadFile(filepath.Join(base, "id"), maxIDFile)
	if filewatch.IsAbsent(err) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	id, ok := uuid.Parse(strings.TrimSpace(string(data)))
	if !ok {
		return "", nil, fmt.Errorf("%s holds no UUID", filepath.Join(base, "id"))
	}
	cert := s.readCert(filepath.Join(base, "cert"))
	if filewatch.IsAbsent(cert.err) {
		cert = s.readCert(filepath.Join(base, "ca.crt"))
	}
	if filewatch.IsAbsent(cert.err) {
		cert.err = fmt.Errorf("%s has the key id but neither cert nor ca.crt", base)
	}
	return id, cert, nil
}

// addSecret adds what was read. If the id could not be read it is taken to be
// what it was; if nobody knows what it was, it may be any id.
func (s *folderScan) addSecret(dir, id string, cert *folderFile, err error) {
	if err != nil {
		if id = s.folder.secrets[dir]; id == "" {
			s.index.blind = err
			return
		}
		cert = &folderFile{watch: filewatch.New(filepath.Join(dir, "id"), maxIDFile), err: err}
	}
	if id == "" {
		return
	}
	s.secrets[dir] = id
	s.add(id, cert)
}
