package pluginserver

import (
	"fmt"
	"io/fs"
	"net"
	"os"
)

// maxPath is the longest path of a Unix socket (sockaddr_un, less the final
// NUL); beyond it the kernel says no more than "invalid argument".
const maxPath = 107

// Listen listens on the Unix socket at path and gives its file the mode. What
// is there is replaced in one step, also the socket of a running server: at
// every moment somebody answers at path. The file stays when the listener is
// closed: on `kong reload` the old server ends seconds after the new one has
// taken its place.
func Listen(path string, mode fs.FileMode) (net.Listener, error) {
	beside := fmt.Sprintf("%s.%d", path, os.Getpid())
	if len(beside) > maxPath {
		return nil, fmt.Errorf("listening on %s: the path to bind, %s, has %d bytes and at most %d are allowed: use a shorter Kong prefix",
			path, beside, len(beside), maxPath)
	}
	if err := os.Remove(beside); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("listening on %s: %w", path, err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: beside, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false)
	err = os.Chmod(beside, mode)
	if err == nil {
		err = os.Rename(beside, path)
	}
	if err != nil {
		l.Close()
		os.Remove(beside)
		return nil, fmt.Errorf("listening on %s: %w", path, err)
	}
	return l, nil
}
