package kongdata

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
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

// folder is -ca-dir: one `<uuid>.pem` file for each CA certificate, or sub-folders
// with the keys id and cert (or ca.crt) as a Kubernetes Secret has them when it is
// mounted, or such a folder itself.
//
// A file that cannot be read, or holds no whole certificate because it is being
// written, says nothing of its id: what was known stays. Two files of one id with
// different contents are a mistake that cannot be resolved here: the id is refused.
type folder struct {
	path string
	log  *slog.Logger

	files   map[string]*certFile
	secrets map[string]string // the last id of each sub-folder
	ignored string            // what the log was last told of
}

// certFile is one certificate file.
type certFile struct {
	*filewatch.File
	text   string // without white space at its ends
	answer Answer
}

// caFolder is -ca-dir as a source.
func caFolder(path string, log *slog.Logger) Source {
	f := &folder{path: path, log: log}
	return Source{Name: "-ca-dir " + path, Read: f.read}
}

// read looks at every file and reads those that have changed.
func (f *folder) read(_ context.Context, r Request) Contents {
	entries, err := filewatch.ReadDir(f.path, maxFolderEntries)
	if err != nil {
		return Contents{Err: fmt.Errorf("reading the folder: %w", err)}
	}
	next := &folderReading{
		folder: f, force: r.Force,
		files: make(map[string]*certFile, len(f.files)), secrets: make(map[string]string),
		byID: make(map[string][]*certFile, len(f.files)),
	}
	for _, entry := range entries {
		next.add(entry)
	}
	f.files, f.secrets = next.files, next.secrets
	ignored := strings.Join(next.ignored, ", ")
	if ignored != "" && ignored != f.ignored {
		f.log.Warn("files in -ca-dir are ignored: their names are not <uuid>.pem", "folder", f.path, "files", ignored)
	}
	f.ignored = ignored
	return next.contents()
}

// folderReading is one reading of the folder.
type folderReading struct {
	folder  *folder
	force   bool
	files   map[string]*certFile // by path
	secrets map[string]string
	ignored []string
	byID    map[string][]*certFile
	blind   error // an id could not be read: any may be meant
}

func (r *folderReading) add(entry fs.DirEntry) {
	name := entry.Name()
	path := filepath.Join(r.folder.path, name)
	stem, isPEM := strings.CutSuffix(name, ".pem")
	switch {
	case strings.HasPrefix(name, "."), name == "lost+found":
		// ..data and its like, which the mounted names lead into, and what the
		// root of a file system has, which only root can read.
	case name == "id":
		r.addSecret(r.folder.path)
	case isPEM:
		if id, ok := uuid.Parse(stem); ok {
			r.byID[id] = append(r.byID[id], r.readCert(path))
		} else if len(r.ignored) < maxIgnoredNames {
			r.ignored = append(r.ignored, name)
		} else if len(r.ignored) == maxIgnoredNames {
			r.ignored = append(r.ignored, "…")
		}
	case isDir(entry, path):
		r.addSecret(path)
	}
}

func isDir(entry fs.DirEntry, path string) bool {
	if entry.Type()&fs.ModeSymlink == 0 {
		return entry.IsDir()
	}
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// contents is what the reading brought. An id that is in no file is absent only if
// every file could be read that might have named it.
func (r *folderReading) contents() Contents {
	c := Contents{CACertificates: make(map[string]Answer, len(r.byID)), Err: r.blind}
	for id, files := range r.byID {
		answer := files[0].answer
		for _, file := range files[1:] {
			switch {
			case file.answer.Err != nil && file.text == "": // it could not be read
				answer = file.answer
			case files[0].text != "" && file.text != files[0].text:
				answer = Answer{Err: &RefusedError{fmt.Sprintf("%s and %s differ and have the same id", files[0].Path(), file.Path())}}
			}
		}
		c.CACertificates[id] = answer
	}
	return c
}

// readCert returns the certificate file at a path, read if it has changed.
func (r *folderReading) readCert(path string) *certFile {
	file := &certFile{File: filewatch.New(path, maxEntity)}
	old := r.folder.files[path]
	if old != nil {
		file.File = old.File
	}
	data, changed, err := file.Read(r.force)
	switch {
	case err != nil:
		file.answer.Err = err
	case changed:
		file.text = strings.TrimSpace(string(data))
		if certificateEnd.MatchString(file.text) {
			file.answer = judgeCA(file.text)
		} else {
			file.answer.Err = fmt.Errorf("%s holds no whole PEM certificate", path)
		}
	default:
		file = old
	}
	r.files[path] = file
	return file
}

// addSecret adds a mounted Secret: the keys id and cert, or ca.crt. A folder without
// id is passed over. The kubelet replaces a Secret by renaming the link ..data, so
// both keys are read through one reading of that link. If the id cannot be read it
// is taken to be what it was; if that is not known, it may be any id.
func (r *folderReading) addSecret(dir string) {
	var id string
	var cert *certFile
	var err error
	for range secretAttempts {
		base := secretBase(dir)
		id, cert, err = r.readSecret(base)
		if secretBase(dir) == base {
			break
		}
		err = fmt.Errorf("%s was replaced again and again while it was read", dir)
	}
	if err != nil {
		if id = r.folder.secrets[dir]; id == "" {
			r.blind = err
			return
		}
		cert = &certFile{answer: Answer{Err: err}}
	}
	if id != "" {
		r.secrets[dir] = id
		r.byID[id] = append(r.byID[id], cert)
	}
}

// secretBase returns the folder that holds the keys: where a link ..data leads, if
// there is one.
func secretBase(dir string) string {
	target, err := os.Readlink(filepath.Join(dir, "..data"))
	switch {
	case err != nil:
		return dir
	case filepath.IsAbs(target):
		return target
	}
	return filepath.Join(dir, target)
}

// readSecret reads both keys. An empty id without error means that this is not the
// Secret of a CA certificate.
func (r *folderReading) readSecret(base string) (string, *certFile, error) {
	data, _, err := filewatch.ReadFile(filepath.Join(base, "id"), maxIDFile)
	if filewatch.IsAbsent(err) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	id, ok := uuid.Parse(strings.TrimSpace(string(data)))
	if !ok {
		return "", nil, fmt.Errorf("%s must hold a UUID", filepath.Join(base, "id"))
	}
	cert := r.readCert(filepath.Join(base, "cert"))
	if filewatch.IsAbsent(cert.answer.Err) {
		cert = r.readCert(filepath.Join(base, "ca.crt"))
	}
	if filewatch.IsAbsent(cert.answer.Err) {
		cert.answer.Err = errors.New(base + " has the key id but neither cert nor ca.crt")
	}
	return id, cert, nil
}
