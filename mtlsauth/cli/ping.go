package cli

import (
	"errors"
	"fmt"
	"time"

	"mtls-auth/mtlsauth"
)

const pingHelp = `usage: mtls-auth ping [-kong-prefix DIR] [-timeout DURATION]
Asks the server behind the socket in Kong's prefix whether it answers. Made for probes: it
never binds the socket and changes nothing. The socket has the name of this program's file.
Exit code 0 if the server is ready to decide, 1 with the cause if not, 2 for wrong use.

`

// pingTimeout is how long a ping waits by default: probes give up after a second.
const pingTimeout = time.Second

func ping(c call) int {
	set := commandFlags("ping")
	prefix := prefixFlag(set)
	timeout := pingTimeout
	set.Func("timeout", "the longest to wait, a `DURATION` (default 1s)", func(value string) error {
		var err error
		if timeout, err = time.ParseDuration(value); err != nil || timeout <= 0 {
			return errors.New("must be a duration over 0, such as 1s")
		}
		return nil
	})
	if code, done := parseCommand(c, set, pingHelp); done {
		return code
	}
	pong, err := mtlsauth.Ping(c.name, *prefix, timeout)
	if err != nil {
		return failure(c.stderr, "ping", err)
	}
	fmt.Fprintf(c.stdout, "mtls-auth %s answers, ready to decide (pid %d)\n", pong.Version, pong.PID)
	return exitFine
}
