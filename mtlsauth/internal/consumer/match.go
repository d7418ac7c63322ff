package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// How says how a certificate was found to be somebody's. The zero value is
// that it was not.
type How uint8

// The ways, in the order in which they are tried.
const (
	Nobody            How = iota
	BoundCredential       // a credential for a CA certificate of the path
	UnboundCredential     // a credential for any trusted CA
	Username              // consumer_by
	CustomID              // consumer_by
)

// String returns the way in words for a log.
func (h How) String() string {
	switch h {
	case BoundCredential:
		return "credential with ca_certificate"
	case UnboundCredential:
		return "credential"
	case Username:
		return "username"
	case CustomID:
		return "custom_id"
	}
	return "nobody"
}

// ConsumerBy is consumer_by: which attributes of a consumer a name is compared
// with. The zero value turns that off.
type ConsumerBy struct {
	Username, CustomID bool
}

// Matcher finds out whose certificate it is. It is safe for use by many
// requests at once.
type Matcher struct {
	ConsumerBy ConsumerBy
	Lookups    *Lookups
}

// Subject is what a certificate is matched with.
type Subject struct {
	Names Names
	// CAs are the configured CA certificates on the path, nearest the leaf
	// first.
	CAs []CA
	// Credentials are asked in their order, the configuration's own first. A
	// nil one is a source that has not been read: an error for everybody, since
	// nobody can say whom it would have mapped.
	Credentials []*Credentials
}

// Match is whose certificate it is.
type Match struct {
	How      How       // Nobody is not an error
	Consumer *Consumer // nil for Nobody
	Name     string    // the name that matched
	CAID     string    // the CA certificate that a BoundCredential was found with
	// CredentialID is the credential's id, else the name that matched.
	CredentialID string
	// Fetched is when the oldest answer was asked for that this rests on. A
	// decision made of it ends cache_ttl later. Zero: nothing was looked up.
	Fetched time.Time
	// Incomplete is set for Nobody where not all names were looked at: the
	// certificate is to be refused, default_consumer or not.
	Incomplete bool
}

// MissingError says that a consumer that a configuration or a credential names
// does not exist: a source answered so.
type MissingError struct {
	Consumer Ref
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("the consumer with %s doesn't exist", e.Consumer.query())
}

var errNotRead = errors.New("a source of credentials has not been read yet")

// Match returns whose certificate it is, the first hit of: credentials for a CA
// certificate of the path, credentials for any CA, consumers by username or
// custom_id. Each step is exhausted for all names before the next one.
//
// Credentials for the CA nearest the leaf come first, for all names, then those
// of the next CA: mappings to the direct issuer, all that Kong Enterprise
// speaks of, give the same result whatever is mapped to a CA above it. Consumers
// are asked for name by name, for each by username before custom_id.
//
// It fails closed: a lookup that failed before the first hit is an error, and
// one whose mapped consumer does not exist is a *MissingError; neither lets a
// later step answer.
func (m *Matcher) Match(ctx context.Context, s Subject, ask Ask) (Match, error) {
	for _, c := range s.Credentials {
		if c == nil {
			return Match{}, errNotRead
		}
	}
	credential, match, err := s.credential()
	if err != nil {
		return Match{}, err
	}
	if credential != nil {
		return m.mapped(ctx, credential, match, ask)
	}
	return m.byAttribute(ctx, s.Names, ask)
}

// credential returns the first credential in matching order, nil for none.
func (s *Subject) credential() (*Credential, Match, error) {
	for i := range s.CAs {
		for _, name := range s.Names.Values {
			for _, set := range s.Credentials {
				credential, err := set.underCA(name, &s.CAs[i])
				if err != nil {
					return nil, Match{}, err
				}
				if credential != nil {
					return credential, Match{How: BoundCredential, Name: name, CAID: s.CAs[i].ID}, nil
				}
			}
		}
	}
	for _, name := range s.Names.Values {
		for _, set := range s.Credentials {
			if credential := set.underAny(name); credential != nil {
				return credential, Match{How: UnboundCredential, Name: name}, nil
			}
		}
	}
	return nil, Match{}, nil
}

func (m *Matcher) mapped(ctx context.Context, credential *Credential, match Match, ask Ask) (Match, error) {
	consumer, fetched, err := m.Resolve(ctx, credential.Consumer, ask)
	if err != nil {
		return Match{}, fmt.Errorf("credential %q for subject_name %q: %w", credential.ID, cut(credential.SubjectName), err)
	}
	match.Consumer, match.Fetched = consumer, fetched
	match.CredentialID = credential.ID
	if match.CredentialID == "" {
		match.CredentialID = match.Name
	}
	return match, nil
}

func (m *Matcher) byAttribute(ctx context.Context, names Names, ask Ask) (Match, error) {
	queries := m.queries(names)
	f, err := m.Lookups.first(ctx, ask, queries)
	switch {
	case err != nil:
		return Match{}, err
	case f.consumer == nil:
		return Match{Fetched: f.fetched, Incomplete: names.More}, nil
	}
	hit := queries[f.index]
	how := Username
	if hit.By == ByCustomID {
		how = CustomID
	}
	return Match{How: how, Consumer: f.consumer, Name: hit.Value, CredentialID: hit.Value, Fetched: f.fetched}, nil
}

// queries are the questions of consumer_by, in their order.
func (m *Matcher) queries(names Names) []Query {
	var queries []Query
	for _, name := range names.Values {
		if m.ConsumerBy.Username {
			queries = append(queries, Query{ByUsername, name})
		}
		if m.ConsumerBy.CustomID {
			queries = append(queries, Query{ByCustomID, name})
		}
	}
	return queries
}

// Resolve returns the consumer that a configuration names (default_consumer,
// anonymous, a credential's), and when the oldest answer was asked for that
// this rests on. One that does not exist is a *MissingError.
func (m *Matcher) Resolve(ctx context.Context, r Ref, ask Ask) (*Consumer, time.Time, error) {
	f, err := m.Lookups.first(ctx, ask, r.queries())
	if err != nil {
		return nil, time.Time{}, err
	}
	if f.consumer == nil {
		return nil, time.Time{}, &MissingError{Consumer: r}
	}
	return f.consumer, f.fetched, nil
}
