package faults

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

var (
	firstSeed = flag.Int("seed", 1, "the first seed")
	seedCount = flag.Int("seeds", 0, "how many seeds in each mode (15; 3 with -race, 1 with -short)")
	onlyMode  = flag.String("mode", "", "lua or plugin-server (both)")
	toFolder  = flag.String("figures", "", "write the figures into this folder")
)

// atOnce is how many simulations run at once: they mostly wait.
const atOnce = 12

// The ways by which Kong reaches the server.
const (
	luaMode          = "lua"
	pluginServerMode = "plugin-server"
)

var (
	program string // the program under test
	luaPath string // its Lua files
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if flag.Lookup("test.list").Value.String() != "" {
		return m.Run(), nil
	}
	dir, err := os.MkdirTemp("", "mtls-auth-faults-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	program, luaPath = filepath.Join(dir, "mtls-auth"), filepath.Join(dir, "lua")
	build := []string{"build", "-o", program}
	if raceEnabled {
		build = append(build, "-race")
	}
	if out, err := exec.Command("go", append(build, "mtls-auth")...).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("building the program: %w\n%s", err, out)
	}
	if out, err := exec.Command(program, "lua", "-out", luaPath).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("writing the Lua files: %w\n%s", err, out)
	}
	return m.Run(), nil
}

func TestFaults(t *testing.T) {
	seeds := *seedCount
	if seeds == 0 {
		switch {
		case testing.Short():
			seeds = 1
		case raceEnabled:
			seeds = 3
		default:
			seeds = 15
		}
	}
	var all []*figures
	for _, mode := range []string{luaMode, pluginServerMode} {
		if *onlyMode == "" || *onlyMode == mode {
			all = append(all, &figures{Mode: mode, First: *firstSeed})
		}
	}
	// Not t.Parallel: the testing package keeps what parallel tests have left to the end of
	// all of them, which is 20 GB for 2,000 simulations.
	t.Run("seeds", func(t *testing.T) {
		type one struct {
			seed int
			*figures
		}
		next := make(chan one)
		var workers sync.WaitGroup
		for range atOnce {
			workers.Go(func() {
				for o := range next {
					t.Run(fmt.Sprintf("%s/%d", o.Mode, o.seed), func(t *testing.T) { simulate(t, o.Mode, o.seed, o.figures) })
				}
			})
		}
		deadline, limited := t.Deadline()
		for seed := *firstSeed; seed < *firstSeed+seeds; seed++ {
			if limited && time.Until(deadline) < 3*time.Minute {
				t.Logf("-timeout is near: seed %d and those after it are not run", seed)
				break
			}
			for _, f := range all {
				next <- one{seed, f}
			}
		}
		close(next)
		workers.Wait()
	})
	for _, f := range all {
		t.Log(f)
		if *toFolder != "" {
			if err := f.write(*toFolder); err != nil {
				t.Error(err)
			}
		}
	}
}
