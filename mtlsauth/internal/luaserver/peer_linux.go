package luaserver

import (
	"fmt"
	"os"
	"syscall"
)

// permitted returns an error unless a process of this user, or of root's, is at the
// other side. The mode of the socket's file says so as well; this holds where
// somebody widened it, or between two steps of setting it up.
func permitted(e Exchange) error {
	c, err := e.Peer()
	if err != nil {
		return fmt.Errorf("who asks: %w", err)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return fmt.Errorf("who asks: %w", err)
	}
	var peer *syscall.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		peer, failed = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("who asks: %w", err)
	}
	if own := uint32(os.Geteuid()); peer.Uid != own && peer.Uid != 0 {
		return fmt.Errorf("a process of user %d asks: only those of user %d and of root are answered (with another -socket-mode, those whom it lets in)", peer.Uid, own)
	}
	return nil
}
