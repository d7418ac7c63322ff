package revocation

import (
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"
)

// warnings writes what goes wrong with an address, once a minute at most.
type warnings struct {
	log *slog.Logger

	mu   sync.Mutex
	last map[string]time.Time
}

// maxWarned bounds the addresses that are remembered.
const maxWarned = 1000

func newWarnings(log *slog.Logger) *warnings {
	return &warnings{log: log, last: make(map[string]time.Time)}
}

func (w *warnings) warn(now time.Time, what, address string, err error) {
	w.mu.Lock()
	last, known := w.last[address]
	if known && now.Sub(last) < time.Minute {
		w.mu.Unlock()
		return
	}
	if !known && len(w.last) >= maxWarned {
		clear(w.last)
	}
	w.last[address] = now
	w.mu.Unlock()
	w.log.Warn(what, "address", shown(address), "error", cut(err.Error()))
}

// shown is an address for the log: cut, and without what may be a password.
func shown(address string) string {
	if strings.Contains(address, "@") {
		u, err := url.Parse(address)
		if err != nil {
			return "an address that is no URL"
		}
		u.User = nil
		address = u.String()
	}
	return cut(address)
}

// cut shortens a text whose length others choose.
func cut(s string) string {
	const most = 300
	if len(s) <= most {
		return s
	}
	return fmt.Sprintf("%.300s…", s)
}
