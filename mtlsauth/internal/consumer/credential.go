package consumer

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mtls-auth/mtlsauth/internal/uuid"
)

// Ref is how a configuration or a file names a consumer. The zero Ref names
// none.
type Ref struct {
	by    By
	text  string // as written
	loose bool   // a UUID or a username, whichever a consumer has
}

// ParseRef takes the "UUID or username" of a configuration. What looks like a
// UUID is asked for as an id first and, where no consumer has it, as a username,
// since Kong lets a username look like that. Nothing else is asked for as an id.
func ParseRef(text string) Ref {
	if _, ok := uuid.Parse(text); ok {
		return Ref{by: ByID, text: text, loose: true}
	}
	return Ref{by: ByUsername, text: text}
}

// RefTo names the consumer that has just this attribute.
func RefTo(q Query) Ref {
	return Ref{by: q.By, text: q.Value}
}

// IsZero reports whether the Ref names no consumer.
func (r Ref) IsZero() bool { return r.text == "" }

// same reports whether two refs are known to mean the same consumer.
func (r Ref) same(other Ref) bool { return r.query() == other.query() }

// query is the first query, with ids in lower case.
func (r Ref) query() Query {
	if r.by == ByID {
		return Query{ByID, strings.ToLower(r.text)}
	}
	return Query{r.by, r.text}
}

// String returns what the consumer is called, for messages.
func (r Ref) String() string { return r.text }

// Queries returns the queries by which the consumer is found, in their order.
func (r Ref) Queries() []Query {
	if r.loose {
		return []Query{r.query(), {ByUsername, r.text}}
	}
	return []Query{r.query()}
}

// Credential is an entry of mtls_auth_credentials: a certificate with the name,
// issued under the CA certificate if one is given, is the consumer's.
type Credential struct {
	ID          string // as written; may be empty
	SubjectName string
	// CACertificateID and CACertificateSHA256 (of the DER) are two ways to say
	// which CA certificate; at most one is given, and none means any CA that
	// the configuration trusts.
	CACertificateID     string
	CACertificateSHA256 [sha256.Size]byte
	Consumer            Ref
}

// CA is a configured CA certificate on a path.
type CA struct {
	ID     string
	SHA256 [sha256.Size]byte // of the DER
}

// Credentials is an immutable index of credentials.
type Credentials struct {
	list     []Credential
	byKey    map[credentialKey]int
	bound    bool // some name a CA certificate
	byDigest bool // some name it by its digest
}

// credentialKey: ca is empty, an id of 36 characters or a digest of 32 bytes.
type credentialKey struct{ name, ca string }

// NewCredentials indexes credentials. It refuses those that could match no
// certificate, and two that give one subject_name under one ca_certificate to
// different consumers. Of two to the same consumer the first stands. An id and a
// username count as different consumers: whether they are is not known here.
func NewCredentials(list []Credential) (*Credentials, error) {
	c := &Credentials{
		list:  make([]Credential, len(list)),
		byKey: make(map[credentialKey]int, len(list)),
	}
	for i, credential := range list {
		if err := credential.Check(); err != nil {
			return nil, fmt.Errorf("credentials[%d]: %w", i, err)
		}
		credential.CACertificateID = strings.ToLower(credential.CACertificateID)
		c.list[i] = credential
		key := credentialKey{credential.SubjectName, credential.CACertificateID}
		if credential.CACertificateSHA256 != ([sha256.Size]byte{}) {
			key.ca = string(credential.CACertificateSHA256[:])
			c.byDigest = true
		}
		c.bound = c.bound || key.ca != ""
		other, taken := c.byKey[key]
		if !taken {
			c.byKey[key] = i
		} else if err := conflict(&c.list[other], &credential); err != nil {
			return nil, fmt.Errorf("credentials[%d] and [%d]: %w", other, i, err)
		}
	}
	return c, nil
}

// Check returns what is wrong with a credential by itself, naming the field.
func (c *Credential) Check() error {
	if !usable(c.SubjectName) {
		return fmt.Errorf("subject_name: %q must be UTF-8, not empty and without control characters", cut(c.SubjectName))
	}
	if c.CACertificateID != "" {
		if _, ok := uuid.Parse(c.CACertificateID); !ok {
			return fmt.Errorf("ca_certificate: %q must be a UUID", cut(c.CACertificateID))
		}
		if c.CACertificateSHA256 != ([sha256.Size]byte{}) {
			return errors.New("ca_certificate: must be an id or a certificate, not both")
		}
	}
	if c.Consumer.IsZero() {
		return errors.New("consumer: must be given")
	}
	return nil
}

// conflict returns an error if two credentials of one name under one CA
// certificate are of different consumers.
func conflict(a, b *Credential) error {
	if a.Consumer.same(b.Consumer) {
		return nil
	}
	return fmt.Errorf("subject_name %q with %s is mapped to two consumers, %s and %s",
		cut(a.SubjectName), a.ca(), a.owner(), b.owner())
}

// Equal reports whether two indices hold the same credentials in the same order.
func (c *Credentials) Equal(other *Credentials) bool { return slices.Equal(c.list, other.list) }

func (c *Credential) ca() string {
	switch {
	case c.CACertificateID != "":
		return "ca_certificate " + c.CACertificateID
	case c.CACertificateSHA256 != [sha256.Size]byte{}:
		return fmt.Sprintf("ca_certificate %x", c.CACertificateSHA256)
	}
	return "no ca_certificate"
}

func (c *Credential) owner() string {
	owner := c.Consumer.query().String()
	if c.ID != "" {
		owner += " (credential " + cut(c.ID) + ")"
	}
	return owner
}

// underCA returns the credential for a name under a CA certificate, nil for
// none. Where one names the CA by id and another by certificate, which is not seen
// before, they must agree: fails closed.
func (c *Credentials) underCA(name string, ca *CA) (*Credential, error) {
	if !c.bound {
		return nil, nil
	}
	var byID, byDigest *Credential
	// An empty id is the key of credentials for any CA.
	if ca.ID != "" {
		byID = c.at(credentialKey{name, strings.ToLower(ca.ID)})
	}
	if c.byDigest {
		byDigest = c.at(credentialKey{name, string(ca.SHA256[:])})
	}
	switch {
	case byDigest == nil:
		return byID, nil
	case byID == nil:
		return byDigest, nil
	}
	if err := conflict(byID, byDigest); err != nil {
		return nil, err
	}
	return byID, nil
}

// underAny returns the credential for a name that names no CA certificate.
func (c *Credentials) underAny(name string) *Credential {
	return c.at(credentialKey{name: name})
}

func (c *Credentials) at(key credentialKey) *Credential {
	if i, ok := c.byKey[key]; ok {
		return &c.list[i]
	}
	return nil
}
