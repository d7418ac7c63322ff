package konglog

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Faults is a logger of what goes on in the background, where no request is at
// hand to write to Kong's log with. Everything goes to the process's own
// output; lines from warn on (from error on with -log-level error) are also
// kept for the next event, each once a minute at most: see [Log.Due].
type Faults struct {
	*slog.Logger
	kept *keptFaults
}

// handler handles the lines of Faults.
type handler struct {
	printed slog.Handler
	level   slog.Level  // from which lines are kept
	attrs   []slog.Attr // of a logger made by With
	kept    *keptFaults
}

type keptFaults struct {
	next atomic.Int64 // Unix nanoseconds at which a line is due; 0 for none

	mu     sync.Mutex
	byLine map[string]*keptFault
}

type keptFault struct {
	level slog.Level
	count int       // since it was last sent
	sent  time.Time // zero when it was not
}

const (
	repeatFault = time.Minute
	// maxFaults bounds the lines that are kept: the faults of this
	// program are few, only their details vary.
	maxFaults = 64
	// furtherFaults is the line for those beyond it.
	furtherFaults = `fault="more errors; see the plugin server's own log"`
)

func newFaults(printed slog.Handler, level slog.Level) *Faults {
	kept := &keptFaults{byLine: make(map[string]*keptFault)}
	return &Faults{slog.New(&handler{printed: printed, level: max(level, slog.LevelWarn), kept: kept}), kept}
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level || h.printed.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= h.level {
		text := new(pairs)
		text.add("fault", r.Message)
		for _, a := range h.attrs {
			text.add(a.Key, a.Value.String())
		}
		r.Attrs(func(a slog.Attr) bool {
			text.add(a.Key, a.Value.String())
			return true
		})
		h.kept.keep(text.String(), r.Level)
	}
	if !h.printed.Enabled(ctx, r.Level) {
		return nil
	}
	return h.printed.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{
		printed: h.printed.WithAttrs(attrs),
		level:   h.level,
		attrs:   append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...),
		kept:    h.kept,
	}
}

// WithGroup implements slog.Handler. The kept lines are flat.
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{printed: h.printed.WithGroup(name), level: h.level, attrs: h.attrs, kept: h.kept}
}

func (k *keptFaults) keep(text string, level slog.Level) {
	k.mu.Lock()
	defer k.mu.Unlock()
	kept := k.byLine[text]
	if kept == nil {
		if len(k.byLine) >= maxFaults {
			text = furtherFaults
			kept = k.byLine[text]
		}
		if kept == nil {
			kept = &keptFault{level: level}
			k.byLine[text] = kept
		}
	}
	kept.count++
	k.plan(kept.sent.Add(repeatFault))
}

// plan has due look at an instant at the latest.
func (k *keptFaults) plan(at time.Time) {
	nanos := max(at.UnixNano(), 1)
	if next := k.next.Load(); next == 0 || nanos < next {
		k.next.Store(nanos)
	}
}

// due returns the lines to send now. With nothing to send it costs one load.
func (f *Faults) due(now time.Time) []Line {
	k := f.kept
	if next := k.next.Load(); next == 0 || now.UnixNano() < next {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next.Store(0)
	var lines []Line
	for text, kept := range k.byLine {
		switch age := now.Sub(kept.sent); {
		case age < repeatFault:
			k.plan(kept.sent.Add(repeatFault))
		case kept.count == 0:
			delete(k.byLine, text) // silent for a minute: over
		default:
			line := text
			if kept.count > 1 {
				line += " times=" + strconv.Itoa(kept.count)
			}
			lines = append(lines, Line{kept.level, line})
			kept.count, kept.sent = 0, now
			k.plan(now.Add(repeatFault))
		}
	}
	return lines
}
