//go:build release

package cli

import (
	"context"
	"errors"
	"io"
)

// runDemo is not in a release: the demo has a fake Kong and a CA in it.
func runDemo(context.Context, string, bool, io.Writer) (bool, error) {
	return false, errors.New("this build has no demo: run \"go run . demo\" in a checkout of the source")
}
