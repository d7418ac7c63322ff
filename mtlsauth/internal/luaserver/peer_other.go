//go:build !linux

package luaserver

// permitted leaves the check to the mode of the socket's file.
func permitted(Exchange) error { return nil }
