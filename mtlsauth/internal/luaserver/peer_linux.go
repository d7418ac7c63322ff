package luaserver

import (
	"fmt"
	"os"
	"syscall"
)

// permitted returns an error unless the peer is a process of this user or of root's. The
// mode of the socket's file says so as well; this holds also when the mode was changed,
// and between binding the socket and setting its mode.
func permitted(e Exchange) error {
	c, err := e.Peer()
	if err != nil {
		return fmt.Errorf("reading who asks: %w", err)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return fmt.Errorf("reading who asks: %w", err)
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
		return fmt.Errorf("reading who asks: %w", err)
	}
	if own := uint32(os.Geteuid()); peer.Uid != own && peer.Uid != 0 {
		return fmt.Errorf("a process of user %d asks: must be of user %d or root (another -socket-mode lets others ask)", peer.Uid, own)
	}
	return nil
}
