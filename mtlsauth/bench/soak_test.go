package main

import (
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/bench/kong"
	"mtls-auth/mtlsauth/bench/role"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes several seconds")
	}
	out, _ := bare(t, 0, "-soak", "4s")
	if !strings.Contains(out, "was right, and the server has not grown") {
		t.Errorf("got\n%s", out)
	}
}

func answered(status int) *rpc.Request {
	if status == 0 {
		return new(rpc.Request)
	}
	return &rpc.Request{Exit: &rpc.Exit{Status: status}}
}

// What was right counts for the grace after a change, and no longer.
func TestWantsFollowAChange(t *testing.T) {
	w := &wants{grace: time.Minute}
	w.set(kong.Want{})
	w.set(kong.Want{Status: 401})
	changed := w.changes[1].at
	after := func(d time.Duration) time.Time { return changed.Add(d) }
	for _, test := range []struct {
		name         string
		status       int
		begun, ended time.Duration
		right        bool
	}{
		{"the old answer before the change", 0, -2 * time.Second, -time.Second, true},
		{"the new answer before the change", 401, -2 * time.Second, -time.Second, false},
		{"the old answer to a request that the change came upon", 0, -time.Second, time.Second, true},
		{"the new answer to it", 401, -time.Second, time.Second, true},
		{"the old answer within the grace", 0, 59 * time.Second, 60 * time.Second, true},
		{"the old answer after the grace", 0, 61 * time.Second, 62 * time.Second, false},
		{"the new answer after the grace", 401, 61 * time.Second, 62 * time.Second, true},
		{"another answer", 500, 0, time.Second, false},
	} {
		// The first answer was right for as long as anybody asks.
		w.changes[0].at = changed.Add(-time.Hour)
		err := w.check(answered(test.status), after(test.begun), after(test.ended))
		if (err == nil) != test.right {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
}

func TestGrowth(t *testing.T) {
	before := held{Usage: role.Usage{Heap: 50 << 20, Gos: 30, Handles: 20}}
	for name, test := range map[string]struct {
		after held
		grown bool
	}{
		"no more":              {before, false},
		"some megabytes":       {held{Usage: role.Usage{Heap: 60 << 20, Gos: 30, Handles: 20}}, false},
		"many megabytes":       {held{Usage: role.Usage{Heap: 80 << 20, Gos: 30, Handles: 20}}, true},
		"many, with cause":     {held{Usage: role.Usage{Heap: 80 << 20, Gos: 30, Handles: 20}, pairs: 10_000}, false},
		"goroutines":           {held{Usage: role.Usage{Heap: 50 << 20, Gos: 60, Handles: 20}}, true},
		"descriptors":          {held{Usage: role.Usage{Heap: 50 << 20, Gos: 30, Handles: 50}}, true},
		"a few of both, by it": {held{Usage: role.Usage{Heap: 50 << 20, Gos: 40, Handles: 30}}, false},
	} {
		if err := test.after.grownSince(before); (err != nil) != test.grown {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
