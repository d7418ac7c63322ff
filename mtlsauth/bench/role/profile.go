package role

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
)

// profiles is the folder for profiles, in the environment.
const profiles = "MTLS_AUTH_BENCH_PROFILES"

// Profile has every process that is run from now on write a profile of its
// processor time into a folder.
func Profile(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	return os.Setenv(profiles, dir)
}

// profiled runs f, and writes its profile if one is asked for.
func profiled(name string, f func() error) error {
	dir := os.Getenv(profiles)
	if dir == "" {
		return f()
	}
	file, err := os.Create(filepath.Join(dir, fmt.Sprintf("%s-%d.pprof", name, os.Getpid())))
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return errors.Join(err, file.Close())
	}
	err = f()
	pprof.StopCPUProfile()
	return errors.Join(err, file.Close())
}
