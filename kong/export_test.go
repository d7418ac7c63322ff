package kong

import "testing"

// InstalledIn makes a folder that of Kong's own Lua code.
func InstalledIn(t *testing.T, dir string) {
	before := installed
	installed = dir
	t.Cleanup(func() { installed = before })
}
