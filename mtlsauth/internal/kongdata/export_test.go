package kongdata

import (
	"net/http"
	"time"

	"mtls-auth/mtlsauth/internal/kongenv"
)

var (
	ParseCA          = parseCA
	ParseAdminURL    = parseAdminURL
	ParseDeclarative = parseDeclarative
	LoopbackOnly     = loopbackOnly
	DeclarativeID    = declarativeID
	PathSegment      = pathSegment
	Escape           = escape
)

const (
	AtOnce         = atOnce
	FirstRoundWait = firstRoundWait
	MaxEntity      = maxEntity
)

// AdminAddress returns the first of URLs that may be asked, or "".
func AdminAddress(urls []string, allowHTTP bool) string {
	a, ok := usable(urls, allowHTTP)
	if !ok {
		return ""
	}
	return a.String()
}

// CertCount and EntryCount are what the store holds.
func (s *Store) CertCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.certs)
}

func (s *Store) EntryCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries) + len(s.sets)
}

// ExplainKongEnv is the error of a .kong_env that can not be read.
func ExplainKongEnv(prefix string, err error) error {
	return newKongEnv(Config{Prefix: prefix}, nil).explain(err)
}

// AwaitIdle returns when nothing that Reload asked for is under way.
func (s *Store) AwaitIdle() {
	for {
		s.mu.Lock()
		busy := s.reload
		for _, e := range s.entries {
			busy = busy || e.asking
		}
		s.mu.Unlock()
		if !busy {
			return
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// LoopbackClient is the client for an address that is loopback by its name.
func LoopbackClient() (*http.Client, error) {
	address, err := parseAdminURL("http://localhost:8001", false)
	if err != nil {
		return nil, err
	}
	return newAdminAccess(Config{}, nil).client(address)
}

// Failing is how many ids each source is said not to have answered for.
func (s *Store) Failing() []int {
	out := make([]int, len(s.sources))
	for i, source := range s.sources {
		source.mu.Lock()
		out[i] = len(source.failing)
		source.mu.Unlock()
	}
	return out
}

// SharedClient is the client that the Admin API at an address is asked with.
func SharedClient(raw string) (*http.Client, error) {
	address, err := parseAdminURL(raw, false)
	if err != nil {
		return nil, err
	}
	return newAdminAccess(Config{}, nil).client(address)
}

const (
	RequestTimeout = requestTimeout
)

// KongEnvPins are the files that a .kong_env has trusted as they are.
func KongEnvPins(prefix string, env *kongenv.Settings) int {
	target := newKongEnv(Config{Prefix: prefix}, nil).target(env)
	if api, ok := target.source.(*adminAPI); ok {
		return len(api.access.pinFiles)
	}
	return 0
}
