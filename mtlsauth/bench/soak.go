package main

import "time"

func (b *bench) soak(time.Duration) error { return nil }
