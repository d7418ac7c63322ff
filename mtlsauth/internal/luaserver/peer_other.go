//go:build !linux

package luaserver

// permitted leaves it to the mode of the socket's file who may ask.
func permitted(Exchange) error { return nil }
