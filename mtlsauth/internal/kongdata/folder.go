package kongdata

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"mtls-auth/mtlsauth/internal/filewatch"
)

// folder is -ca-dir: one `<uuid>.pem` file for each CA certificate, or
// sub-folders with the keys id and cert (or ca.crt) as a Kubernetes Secret has
// them when it is mounted, or such a folder itself.
//
// A file that can not be read, or holds no whole certificate because somebody
// is writing it, is no answer for its id: what was known stays. Two files of
// one id with different contents are a mistake that nobody here can resolve:
// the id is refused.
type folder struct {
	path  string
	log   *slog.Logger
	index atomic.Pointer[folderIndex]

	// Only Refresh uses what follows.
	files   map[string]*folderFile
	secrets map[string]string // the last id of each sub-folder
	ignored string            // what the log was last told of
}

// folderIndex is what the folder held when it was last read.
type folderIndex struct {
	byID  map[string][]*folderFile
	err   error // the folder could not be read: no answers
	blind error // an id could not be read: nobody knows what it is
}

// folderFile is one certificate file. It is replaced, not changed, after it
// went into an index.
type folderFile struct {
	watch *filewatch.File
	text  string
	err   error
}

func newFolder(path string, log *slog.Logger) *folder {
	return &folder{path: path, log: log, secrets: make(map[string]string)}
}

func (f *folder) Name() string { return "-ca-dir " + f.path }

// CACertificate answers from what was read last. An id that is in no file is
// ErrNotFound only if every file could be read that might have named it.
func (f *folder) CACertificate(_ context.Context, id string) (string, error) {
	index := f.index.Load()
	switch {
	case index == nil:
		return "", fmt.Errorf("%s has not been read yet", f.path)
	case index.err != nil:
		return "", index.err
	}
	files := index.byID[id]
	if len(files) == 0 {
		if index.blind != nil {
			return "", index.blind
		}
		return "", ErrNotFound
	}
	for _, file := range files {
		if file.err != nil {
			return "", file.err
		}
		if strings.TrimSpace(file.text) != strings.TrimSpace(files[0].text) {
			return "", &RefusedError{fmt.Sprintf("%s and %s differ and have the same id", files[0].watch.Path(), file.watch.Path())}
		}
	}
	if !strings.Contains(files[0].text, certificateEnd) {
		return "", fmt.Errorf("%s holds no whole PEM certificate", files[0].watch.Path())
	}
	return files[0].text, nil
}

// Refresh looks at every file and reads those that have changed.
func (f *folder) Refresh(_ context.Context, force bool) {
	scan := &folderScan{
		folder:  f,
		force:   force,
		files:   make(map[string]*folderFile, len(f.files)),
		secrets: make(map[string]string),
		index:   &folderIndex{byID: make(map[string][]*folderFile, len(f.files))},
	}
	if err := scan.run(); err != nil {
		f.index.Store(&folderIndex{err: fmt.Errorf("reading the folder: %w", err)})
		return
	}
	f.files, f.secrets = scan.files, scan.secrets
	f.index.Store(scan.index)
	ignored := strings.Join(scan.ignored, ", ")
	if ignored != "" && ignored != f.ignored {
		f.log.Warn("files in -ca-dir are ignored: their names are no <uuid>.pem", "source", f.Name(), "files", ignored)
	}
	f.ignored = ignored
}
