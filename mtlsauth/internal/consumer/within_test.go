package consumer_test

import (
	"fmt"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
)

func TestLookupsWithinLittleMemory(t *testing.T) {
	directory := town()
	l := consumer.NewLookups(9 << 10)
	ask := consumer.Ask{Directory: directory, Now: start, MaxAge: time.Minute}
	asked := func(name string) bool {
		t.Helper()
		before := len(directory.batches)
		if _, _, err := who(t, l, name, ask); err != nil {
			t.Fatal(err)
		}
		return len(directory.batches) != before
	}
	asked("alice")
	first := "stranger 0"
	asked(first)
	if asked(first) {
		t.Error("an absent name was not remembered")
	}
	for n := range 10 { // of which a KiB holds two
		asked(fmt.Sprintf("stranger %d", n+1))
	}
	if !asked(first) {
		t.Error("eleven absent names are remembered in a KiB")
	}
	if asked("alice") {
		t.Error("names that are absent pushed out a consumer")
	}
	l.Forget()
	for n := range 11 {
		asked(fmt.Sprintf("stranger %d", n))
	}
	if !asked(first) {
		t.Error("after Forget the memory is no longer bounded")
	}
}
