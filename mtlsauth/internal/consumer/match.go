package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ConsumerBy is consumer_by: which attributes of a consumer a name is compared
// with. The zero value turns that off.
type ConsumerBy struct {
	Username, CustomID bool
}

// Matcher finds the consumer of a certificate. It is safe for use by many
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
	// nil one is a source that has not been read: an error for every
	// certificate, since any may be mapped there.
	Credentials []*Credentials
}

// Match is the consumer of a certificate.
type Match struct {
	Consumer *Consumer // nil: no consumer matches, which is no error
	// CredentialID is the credential's id, else the name that matched.
	CredentialID string
	// Fetched is when the oldest answer was asked for that this rests on. A
	// decision made of it ends cache_ttl later. Zero: nothing was looked up.
	Fetched time.Time
	// Credential is the mapping that matched, and Query the attribute of the consumer;
	// nil and zero where the other did, or none.
	Credential *Credential
	Query      Query
	// Incomplete is set where no consumer matches and not all names were looked
	// at: the certificate must be refused, default_consumer or not.
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

// Match returns the consumer of a certificate, the first hit of: credentials for a CA
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
	credential, name, err := s.credential()
	if err != nil {
		return Match{}, err
	}
	if credential != nil {
		return m.mapped(ctx, credential, name, ask)
	}
	queries := m.queries(s.Names)
	f, err := m.Lookups.first(ctx, ask, queries)
	switch {
	case err != nil:
		return Match{}, err
	case f.consumer == nil:
		return Match{Fetched: f.fetched, Incomplete: s.Names.More}, nil
	}
	return Match{Consumer: f.consumer, CredentialID: f.query.Value, Query: f.query, Fetched: f.fetched}, nil
}

// credential returns the first credential in matching order and the name that it
// is for, nil for none.
func (s *Subject) credential() (*Credential, string, error) {
	for i := range s.CAs {
		for _, name := range s.Names.Values {
			for _, set := range s.Credentials {
				if credential, err := set.underCA(name, &s.CAs[i]); credential != nil || err != nil {
					return credential, name, err
				}
			}
		}
	}
	for _, name := range s.Names.Values {
		for _, set := range s.Credentials {
			if credential := set.underAny(name); credential != nil {
				return credential, name, nil
			}
		}
	}
	return nil, "", nil
}

func (m *Matcher) mapped(ctx context.Context, credential *Credential, name string, ask Ask) (Match, error) {
	consumer, fetched, err := m.Resolve(ctx, credential.Consumer, ask)
	if err != nil {
		return Match{}, fmt.Errorf("credential %q for subject_name %q: %w", credential.ID, cut(credential.SubjectName), err)
	}
	match := Match{Consumer: consumer, CredentialID: credential.ID, Credential: credential, Fetched: fetched}
	if match.CredentialID == "" {
		match.CredentialID = name
	}
	return match, nil
}

// queries are those of consumer_by, in their order.
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
	f, err := m.Lookups.first(ctx, ask, r.Queries())
	if err != nil {
		return nil, time.Time{}, err
	}
	if f.consumer == nil {
		return nil, time.Time{}, &MissingError{Consumer: r}
	}
	return f.consumer, f.fetched, nil
}
