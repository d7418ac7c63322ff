package kongdata

import (
	"net/http"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongenv"
)

var (
	JudgeCA       = judgeCA
	ParseEntities = parseEntities
	LoopbackOnly  = loopbackOnly
	DerivedID     = derivedID
	PathSegment   = pathSegment
	Escape        = escape
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

// EntryCount is how many ids and sets the store holds.
func (s *Store) EntryCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries) + len(s.sets)
}

// ExplainKongEnv is the error of a .kong_env that cannot be read.
func ExplainKongEnv(prefix string, err error) error {
	return newEnvSource(Config{Prefix: prefix}, nil).explain(err)
}

// LoopbackClient is the client for an address that is loopback by its name.
func LoopbackClient() (*http.Client, error) {
	address, err := parseAdminURL("http://localhost:8001", false)
	if err != nil {
		return nil, err
	}
	return adminAccess{}.client(address, adminSecrets{})
}

// SharedClient is the client that the Admin API at an address is asked with.
func SharedClient(raw string) (*http.Client, error) {
	address, err := parseAdminURL(raw, false)
	if err != nil {
		return nil, err
	}
	return adminAccess{}.client(address, adminSecrets{})
}

const (
	RequestTimeout = requestTimeout
)

// KongEnvTarget names the source that a .kong_env leads to, with its pins.
func KongEnvTarget(prefix string, env *kongenv.Settings) string {
	return newEnvSource(Config{Prefix: prefix}, nil).target(env).key
}

// ParseCredentials reads a file of -credentials.
func ParseCredentials(data []byte) (*entities, error) {
	return parseCredentials(data, "", credentialEntities[0])
}

// Credentials are those of a file.
func (e *entities) Credentials() []consumer.Credential { return e.credentials[credentialEntities[0]] }
