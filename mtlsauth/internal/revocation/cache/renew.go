package cache

import "time"

// next is when a way of asking is to be renewed, if it is wanted then. What is
// asked again at each request is not.
func (e *entry[V]) next(w *way[V], now time.Time) (time.Time, bool) {
	if w.failures > 0 {
		return w.next, true
	}
	at := e.due(w.question.TTL)
	if at.Before(now) {
		at = now.Add(soon)
	}
	return at, w.question.TTL >= soon
}

// longestNap is how long a renewal is planned ahead without another look at the clock,
// which may be set.
const longestNap = time.Hour

// renewAt plans a renewal.
func (e *entry[V]) renewAt(w *way[V], at time.Time) {
	time.AfterFunc(min(time.Until(at), longestNap), func() {
		if !e.o.Exchanges.renews.Load() {
			return
		}
		now := time.Now()
		if now.Before(at) {
			e.renewAt(w, at)
		} else if next, again := e.renew(w, now); again {
			e.renewAt(w, next)
		}
	})
}

// renew starts an exchange if the value is due and was wanted since the last time.
// It returns when to come again, if so.
func (e *entry[V]) renew(w *way[V], now time.Time) (time.Time, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w.planned = false
	if e.gone || w.exchange != nil || !w.wanted {
		return time.Time{}, false
	}
	// A request may have had it renewed in between.
	if at, again := e.next(w, now.Add(-soon)); again && at.After(now) {
		w.at, w.planned = at, true
		return at, true
	}
	if err := e.start(w, &Exchange{renewal: true, retry: w.failures > 0}); err != nil {
		w.at, w.planned = now.Add(soon), true
		return w.at, true
	}
	w.wanted = false
	return time.Time{}, false
}
