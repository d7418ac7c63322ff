//go:build !linux

package nativedoor

// permitted leaves it to the mode of the socket's file who may ask.
func permitted(Exchange) error { return nil }
