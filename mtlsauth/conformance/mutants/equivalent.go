package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// equivalent are the mutants of a package that no test can tell from the original.
type equivalent struct {
	keys map[string]bool // and whether they were used
}

// readEquivalent reads those of one package: lines of the package, " ", the mutant's key, " # " and
// the reason.
func readEquivalent(path, room string) (*equivalent, error) {
	e := &equivalent{keys: map[string]bool{}}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for n, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, reason, ok := strings.Cut(line, " # ")
		if !ok || strings.TrimSpace(reason) == "" {
			return nil, fmt.Errorf("%s:%d: must be PACKAGE KEY # REASON", path, n+1)
		}
		if of, key, ok := strings.Cut(key, " "); ok && of == room {
			e.keys[key] = false
		}
	}
	return e, nil
}

func (e *equivalent) has(m *mutant) bool {
	if _, ok := e.keys[m.key()]; ok {
		e.keys[m.key()] = true
		return true
	}
	return false
}

func (e *equivalent) unused() []string {
	var all []string
	for key, used := range e.keys {
		if !used {
			all = append(all, key)
		}
	}
	return all
}

// figures are those of one package.
type figures struct {
	Room       string `json:"package"`
	Date       string `json:"date"`
	Mutants    int    `json:"mutants"`
	Killed     int    `json:"killed"`
	Equivalent int    `json:"equivalent"`
	Living     int    `json:"living"`
	Unused     int    `json:"-"` // lines of the list of equivalent ones
	// Lives are those that live, by file and line.
	Lives []string `json:"lives"`
}

func (f *figures) write(folder string) error {
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "mutants-"+strings.ReplaceAll(f.Room, "/", "-")+".json"), append(text, '\n'), 0o644)
}
