package consumer

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The keys of a credential. Those that are known and of no use here are what
// Kong and decK write of every entity.
var (
	nestedKeys   = []string{"id", "subject_name", "ca_certificate"}
	topLevelKeys = []string{"id", "subject_name", "consumer", "ca_certificate"}
	entityKeys   = []string{"tags", "created_at", "updated_at", "ws_id"}

	consumerKeys      = []string{"id", "username", "custom_id"}
	caCertificateKeys = []string{"id", "cert", "cert_digest"}
)

// entries are the credentials of a file as they are collected.
type entries struct {
	list  []Credential
	ids   map[string]string // where each credential's id was seen
	known map[Query]Ref     // the consumers that the file describes; zero for what two share
}

func (e *entries) addConsumer(at string, value any) error {
	fields, err := asMapping(at, value)
	if err != nil {
		return err
	}
	list, err := asList(at+": mtls_auth_credentials", fields["mtls_auth_credentials"])
	if err != nil {
		return err
	}
	ref, label, err := e.describe(fields)
	if len(list) == 0 {
		// A consumer without credentials is none of our business.
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	for i, value := range list {
		at := fmt.Sprintf("%s (%s): mtls_auth_credentials[%d]", at, label, i)
		if err := e.add(at, value, nestedKeys, ref); err != nil {
			return err
		}
	}
	return nil
}

// describe returns how to refer to a consumer of the file, and notes it for
// entries that name it.
func (e *entries) describe(fields map[string]any) (Ref, string, error) {
	queries, err := consumerQueries(fields)
	if err != nil {
		return Ref{}, "", err
	}
	ref := RefTo(queries[0])
	for _, q := range queries {
		if other, twice := e.known[q]; twice && other != ref {
			e.known[q] = Ref{}
		} else {
			e.known[q] = ref
		}
	}
	return ref, queries[0].String(), nil
}

// consumerQueries returns the ways to ask for a consumer: by id, username,
// custom_id, as far as it has them.
func consumerQueries(fields map[string]any) ([]Query, error) {
	var queries []Query
	for by, key := range consumerKeys {
		text, err := asText(key, fields[key])
		if err != nil {
			return nil, err
		}
		if text == "" {
			continue
		}
		if By(by) == ByID {
			if text, err = asUUID(key, text); err != nil {
				return nil, err
			}
		}
		queries = append(queries, Query{By(by), text})
	}
	if len(queries) == 0 {
		return nil, errors.New("it has neither id nor username nor custom_id")
	}
	return queries, nil
}

func (e *entries) addTopLevel(at string, value any) error {
	fields, err := asMapping(at, value)
	if err != nil {
		return err
	}
	ref, err := e.consumerOf(fields["consumer"])
	if err != nil {
		return fmt.Errorf("%s: consumer: %w", at, err)
	}
	return e.add(at, value, topLevelKeys, ref)
}

// consumerOf reads the consumer of a top-level entry: an id, a username, or an
// object with one of a consumer's keys.
func (e *entries) consumerOf(value any) (Ref, error) {
	var ref Ref
	switch value := value.(type) {
	case string:
		if value == "" {
			return Ref{}, errors.New("it is empty; allowed are a UUID and a username")
		}
		ref = ParseRef(value)
	case map[string]any:
		if err := onlyKeys(value, consumerKeys); err != nil {
			return Ref{}, err
		}
		queries, err := consumerQueries(value)
		if err != nil {
			return Ref{}, err
		}
		ref = RefTo(queries[0])
	default:
		return Ref{}, fmt.Errorf("it is %s; allowed are a UUID, a username, and an object with id, username or custom_id", kindOf(value))
	}
	for _, q := range ref.Queries() {
		known, ok := e.known[q]
		if ok && known.IsZero() {
			return Ref{}, fmt.Errorf("two consumers of this file have %s", q)
		}
		if ok {
			return known, nil
		}
	}
	return ref, nil
}

func (e *entries) add(at string, value any, allowed []string, ref Ref) error {
	if len(e.list) == maxCredentials {
		return fmt.Errorf("%s: there are more than %d credentials", at, maxCredentials)
	}
	fields, err := asMapping(at, value)
	if err != nil {
		return err
	}
	credential, err := newCredential(fields, allowed, ref)
	if err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	if id := strings.ToLower(credential.ID); id != "" {
		if other, twice := e.ids[id]; twice {
			return fmt.Errorf("%s: id: %s is the id of %s too", at, credential.ID, other)
		}
		e.ids[id] = at
	}
	e.list = append(e.list, credential)
	return nil
}

func newCredential(fields map[string]any, allowed []string, ref Ref) (Credential, error) {
	if err := onlyKeys(fields, slices.Concat(allowed, entityKeys)); err != nil {
		return Credential{}, err
	}
	c := Credential{Consumer: ref}
	var err error
	if c.ID, err = asText("id", fields["id"]); err != nil {
		return Credential{}, err
	}
	if c.ID != "" {
		if _, err := asUUID("id", c.ID); err != nil {
			return Credential{}, err
		}
	}
	if c.SubjectName, err = asText("subject_name", fields["subject_name"]); err != nil {
		return Credential{}, err
	}
	if err := c.readCA(fields["ca_certificate"]); err != nil {
		return Credential{}, fmt.Errorf("ca_certificate: %w", err)
	}
	return c, c.Check()
}

// readCA reads a ca_certificate: absent, a UUID, PEM, or an object with id or
// cert, of which the id counts.
func (c *Credential) readCA(value any) error {
	if object, ok := value.(map[string]any); ok {
		if err := onlyKeys(object, slices.Concat(caCertificateKeys, entityKeys)); err != nil {
			return err
		}
		if value = object["id"]; value == nil {
			value = object["cert"]
		}
		if value == nil {
			return errors.New("it has neither id nor cert")
		}
	}
	switch value := value.(type) {
	case nil:
		return nil
	case string:
		if strings.Contains(value, "-----BEGIN ") {
			return c.readCAPEM(value)
		}
		id, err := asUUID("", value)
		c.CACertificateID = id
		return err
	}
	return fmt.Errorf("it is %s; allowed are a UUID, an object with id, and a certificate in PEM", kindOf(value))
}

// readCAPEM quotes nothing: what was put there by mistake may be a key.
func (c *Credential) readCAPEM(text string) error {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || strings.Contains(string(rest), "-----BEGIN ") {
		return errors.New("it must be exactly one certificate in PEM")
	}
	if _, err := x509.ParseCertificate(block.Bytes); err != nil {
		return fmt.Errorf("parsing the certificate: %w", err)
	}
	c.CACertificateSHA256 = sha256.Sum256(block.Bytes)
	return nil
}

// onlyKeys refuses unknown keys: one that is misspelt, such as ca_certifcate,
// would let in more than its author meant.
func onlyKeys(fields map[string]any, allowed []string) error {
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(allowed, key) {
			return fmt.Errorf("unknown key %q; allowed are %s", cut(key), strings.Join(allowed, ", "))
		}
	}
	return nil
}
