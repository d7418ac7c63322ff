//go:build !linux

package cli

import "os"

// isTerminal is false: no server is started by hand where Kong does not run.
func isTerminal(*os.File) bool { return false }
