package engine

import "time"

// State is what metrics tell of the engine at one moment.
type State struct {
	// CAs is until when each configured CA certificate is valid, by id. Those that could
	// not be loaded are counted in CAsMissing.
	CAs        map[string]time.Time
	CAsMissing int
	// CRLs is the first nextUpdate of each issuer's CRLs, by issuer (RFC 4514).
	CRLs map[string]time.Time
	// Entries and Bytes are of the caches, by their kind; of some caches the bytes are not
	// counted.
	Entries map[string]int
	Bytes   map[string]int64
	// Limits is how often each limit has been reached.
	Limits map[string]uint64
}

// State returns the engine's.
func (e *Engine) State() State {
	s := State{
		CAs: make(map[string]time.Time), Entries: make(map[string]int), Bytes: make(map[string]int64),
		Limits: e.limiter.Reached(),
	}
	missing := make(map[string]bool)
	e.mu.Lock()
	for p := range e.active {
		snapshot := p.cas.Snapshot()
		for _, ca := range snapshot.CAs {
			s.CAs[ca.ID] = ca.Certificate.NotAfter
		}
		for _, id := range snapshot.Missing {
			missing[id] = true
		}
	}
	s.Entries["policies"] = len(e.active)
	e.mu.Unlock()
	for id := range missing {
		if _, known := s.CAs[id]; !known {
			s.CAsMissing++
		}
	}
	s.Entries["decisions"], s.Bytes["decisions"] = e.cache.Size()
	s.Entries["consumers"], s.Bytes["consumers"] = e.lookups.Size()
	if e.status.checker != nil {
		kept := e.status.checker.Usage()
		s.CRLs = kept.NextUpdate
		s.Entries["ocsp"], s.Entries["crls"], s.Bytes["crls"] = kept.Answers, kept.Lists, kept.ListBytes
	}
	return s
}

// OnExchange has f told of each exchange with an OCSP responder or a host of CRLs: its kind
// (ocsp or crl), what came of it, and how long it took. It is called before Run.
func (e *Engine) OnExchange(f func(kind, result string, took time.Duration)) { e.status.exchanged = f }
