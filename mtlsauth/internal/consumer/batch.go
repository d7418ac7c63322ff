package consumer

import "context"

// CredentialKey is what a credential is asked for by: its subject_name, byte for
// byte, and the id of its CA certificate, "" for one that names none.
type CredentialKey struct{ SubjectName, CACertificateID string }

// Questions are all that may have to be known to match a certificate.
type Questions struct {
	Credentials []CredentialKey
	Consumers   []Query
}

// Prefetcher is a Directory that costs a round trip each time it is asked,
// however much: it is asked everything at once, and Find answers from what came
// back. Which of the answers counts is decided by Match.
type Prefetcher interface {
	Directory
	// Prefetch asks what is not known yet. It returns the credentials that were
	// found. It fails closed: an error about any of them is one about all, since
	// it may hide the one that counts. What becomes of a consumer Find tells.
	Prefetch(ctx context.Context, questions Questions) (*Credentials, error)
}

// Questions returns all that Match may ask for a subject, and that refs, the
// consumers a configuration names, may be resolved by.
func (m *Matcher) Questions(s Subject, refs ...Ref) (Questions, error) {
	var q Questions
	for _, ca := range s.CAs {
		for _, name := range s.Names.Values {
			q.Credentials = append(q.Credentials, CredentialKey{name, ca.ID})
		}
	}
	for _, name := range s.Names.Values {
		q.Credentials = append(q.Credentials, CredentialKey{SubjectName: name})
	}
	q.Consumers = m.queries(s.Names)
	// A credential of the configuration's own is matched without asking; its
	// consumer is not.
	own, _, err := s.credential()
	if err != nil {
		return Questions{}, err
	}
	if own != nil {
		refs = append(refs, own.Consumer)
	}
	for _, r := range refs {
		if !r.IsZero() {
			q.Consumers = append(q.Consumers, r.Queries()...)
		}
	}
	return q, nil
}
