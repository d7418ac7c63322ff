//go:build release

package cli

import (
	"context"
	"errors"
	"io"
)

type demoOptions struct {
	Mode, Dir string
	Serve     bool
	Port      int
}

// runDemo is not in a release: the demo has a fake Kong and a CA in it.
func runDemo(context.Context, demoOptions, io.Writer) (bool, error) {
	return false, errors.New("this build has no demo: run \"go run . demo\" in a checkout of the source")
}
