// Package kong has the files of the Lua plugins mtls-auth and header-cert-auth, which run in
// Kong's workers and ask one server for decisions. The second uses modules of the first.
package kong

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

//go:embed plugins/mtls-auth plugins/header-cert-auth
var embedded embed.FS

// The plugins' own names. Under another one a plugin has no entity of its own.
const (
	Name       = "mtls-auth"
	HeaderName = "header-cert-auth"
)

// Names returns the names of the plugins that are installed with mtls-auth under this name:
// with mtls-auth-go, say, header-cert-auth-go. The Lua files find each other by that.
func Names(name string) []string {
	if suffix, ok := strings.CutPrefix(name, Name); ok {
		return []string{name, HeaderName + suffix}
	}
	return []string{name}
}

// sourceOf returns the own name of the plugin that is installed under a name.
func sourceOf(name string) string {
	if strings.HasPrefix(name, HeaderName) {
		return HeaderName
	}
	return Name
}

// own are the files of a plugin's entity, such as mtls_auth_credentials. Only the plugin of
// its own name has them: on Kong Enterprise, where it is installed under another name,
// entity and table are those of Kong's plugin.
var own = []string{"daos.lua", "migrations"}

// A NameError is an invalid plugin name.
type NameError struct{ Name string }

func (e *NameError) Error() string {
	return fmt.Sprintf("invalid plugin name %q: must have letters, digits, - and _ only", e.Name)
}

// former are files that earlier versions had.
var former = []string{"engine.lua"}

// names are those that stand for one folder in Lua's search path: no dot in them.
var names = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// installed is where Kong's images have Kong's Lua code: the plugins of Kong
// Enterprise lie there.
var installed = "/usr/local/share/lua/5.1"

// Files returns the Lua files of the plugin under this name, by their paths in
// the plugin's folder.
func Files(name string) (map[string][]byte, error) {
	if !names.MatchString(name) {
		return nil, &NameError{name}
	}
	files, source := make(map[string][]byte), sourceOf(name)
	embeddedDir := "plugins/" + source
	err := fs.WalkDir(embedded, embeddedDir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative := strings.TrimPrefix(strings.TrimPrefix(file, embeddedDir), "/")
		if name != source && slices.Contains(own, relative) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !d.IsDir() {
			files[relative], err = embedded.ReadFile(file)
		}
		return err
	})
	return files, err
}

// Folder returns where below dir the plugin of this name lies, for
// lua_package_path = dir/?.lua.
func Folder(dir, name string) string { return filepath.Join(dir, "kong", "plugins", name) }

// binaryFile returns the path of the program that the plugin starts.
const binaryFile = "binary.lua"

// Write puts the plugins of [Names] below dir and returns the paths of their files. They
// start the program at the path binary.
// A folder that an earlier call has left is replaced as a whole. A folder with any file
// that is not the plugin's stays as it is, which is an error.
func Write(dir, name, binary string) (written []string, err error) {
	for _, plugin := range Names(name) {
		if _, err := replaceable(Folder(dir, plugin), plugin); err != nil {
			return nil, err
		}
		if _, err := replaceable(Folder(installed, plugin), plugin); err != nil {
			return nil, fmt.Errorf("it would be found before Kong's own: install this one under another name, such as %s-go: %w", name, err)
		}
	}
	for _, plugin := range Names(name) {
		files, err := writePlugin(dir, plugin, binary)
		if err != nil {
			return nil, err
		}
		written = append(written, files...)
	}
	slices.Sort(written)
	return written, nil
}

func writePlugin(dir, name, binary string) (written []string, err error) {
	files, err := Files(name)
	if err != nil {
		return nil, err
	}
	if _, ok := files[binaryFile]; ok {
		files[binaryFile] = []byte("-- The path of the program mtls-auth, as `mtls-auth lua -out` was called.\nreturn " + luaString(binary) + "\n")
	}
	folder := Folder(dir, name)
	replaces, err := replaceable(folder, name)
	if err != nil {
		return nil, err
	}
	parent := filepath.Dir(folder)
	if err := makeFolder(parent); err != nil {
		return nil, err
	}
	// Beside its place, so that a rename puts it there.
	stage, err := os.MkdirTemp(parent, "."+name+"-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stage)) }()
	fresh, old := filepath.Join(stage, "new"), filepath.Join(stage, "old")
	for file, text := range files {
		if err := writeFile(filepath.Join(fresh, filepath.FromSlash(file)), text); err != nil {
			return nil, err
		}
		written = append(written, filepath.Join(folder, filepath.FromSlash(file)))
	}
	if replaces {
		if err := os.Rename(folder, old); err != nil {
			return nil, err
		}
	}
	if err := os.Rename(fresh, folder); err != nil {
		if replaces {
			err = errors.Join(err, os.Rename(old, folder))
		}
		return nil, err
	}
	return written, nil
}

// luaString returns a Lua literal for a text.
func luaString(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(text) {
		if c < ' ' || c == '"' || c == '\\' || c == 0x7f {
			fmt.Fprintf(&b, "\\%03d", c)
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// makeFolder makes a folder, and those above it, that any user can read: Kong's workers
// may run as another one. The umask does not count, and an existing folder stays as it is.
func makeFolder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := makeFolder(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return os.Chmod(dir, 0o755)
}

// writeFile writes a file that they can read.
func writeFile(file string, text []byte) error {
	if err := makeFolder(filepath.Dir(file)); err != nil {
		return err
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return err
	}
	return os.Chmod(file, 0o644)
}

// replaceable tells whether the folder of a plugin exists. It is an error if it must not be replaced:
// it has another plugin's files, such as Kong Enterprise's.
func replaceable(folder, name string) (bool, error) {
	ours, err := Files(sourceOf(name))
	if err != nil {
		return false, err
	}
	for _, file := range former {
		ours[file] = nil
	}
	err = filepath.WalkDir(folder, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(folder, file)
		if err != nil {
			return err
		}
		relative = filepath.ToSlash(relative)
		if relative == "." && d.IsDir() || d.IsDir() && isFolderOf(relative, ours) {
			return nil
		}
		if _, ok := ours[relative]; !ok || !d.Type().IsRegular() {
			return fmt.Errorf("%s is not a file of this plugin, so %s stays as it is", file, folder)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func isFolderOf(dir string, files map[string][]byte) bool {
	for file := range files {
		if path.Dir(file) == dir {
			return true
		}
	}
	return false
}
