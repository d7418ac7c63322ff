package kongdata

import (
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/consumer"

	"go.yaml.in/yaml/v3"
)

// maxCredentials bounds the credentials of a file: each takes some hundred bytes
// for as long as the server runs.
const maxCredentials = 500_000

// The keys of a credential. Those that are known and of no use here are what Kong
// and decK write of every entity.
var (
	entityKeys   = []string{"tags", "created_at", "updated_at", "ws_id"}
	nestedKeys   = append([]string{"id", "subject_name", "ca_certificate"}, entityKeys...)
	topLevelKeys = append([]string{"id", "subject_name", "consumer", "ca_certificate"}, entityKeys...)

	consumerKeys      = []string{"id", "username", "custom_id"}
	caCertificateKeys = append([]string{"id", "cert", "cert_digest"}, entityKeys...)
)

// only refuses other keys: one that is misspelt, such as ca_certifcate, would let
// in more than its author meant.
func (f fields) only(keys []string) error {
	for _, key := range slices.Sorted(maps.Keys(f)) {
		if !slices.Contains(keys, key) {
			return fmt.Errorf("unknown key %q; must be one of %s", key[:min(len(key), 64)], strings.Join(keys, ", "))
		}
	}
	return nil
}

// credentialEntities are the entities with credentials, one of each plugin.
var credentialEntities = []string{"mtls_auth_credentials", "header_cert_auth_credentials"}

// credentialEntity names the entity with the credentials of the plugin that is installed
// under a name.
func credentialEntity(plugin string) string {
	if strings.HasPrefix(plugin, "header-cert-auth") {
		return credentialEntities[1]
	}
	return credentialEntities[0]
}

// credentialID is unique among the credentials of one plugin.
type credentialID struct{ entity, id string }

// addCredential adds an entry of the list of an entity.
func (e *entities) addCredential(entity, at string, f fields) error {
	ref, err := e.consumerOf(f["consumer"])
	if err != nil {
		return fmt.Errorf("consumer: %w", err)
	}
	return e.add(entity, at, f, topLevelKeys, ref)
}

// consumerOf reads the consumer of an entry: an id, a username, or an object with
// one of a consumer's keys.
func (e *entities) consumerOf(n *yaml.Node) (consumer.Ref, error) {
	switch kind := kindOf(n); kind {
	case aText:
		text, err := textOf(n)
		if err == nil && text == "" {
			err = errors.New("it is empty; must be a UUID or a username")
		}
		if err != nil {
			return consumer.Ref{}, err
		}
		return e.refer(consumer.ParseRef(text))
	case aMapping:
		f, err := mapping(n)
		if err == nil {
			err = f.only(consumerKeys)
		}
		if err != nil {
			return consumer.Ref{}, err
		}
		for by, key := range consumerKeys {
			read := f.text
			if consumer.By(by) == consumer.ByID {
				read = f.uuid
			}
			if text, err := read(key); text != "" || err != nil {
				ref, referErr := e.refer(consumer.RefTo(consumer.Query{By: consumer.By(by), Value: text}))
				return ref, errors.Join(err, referErr)
			}
		}
		return consumer.Ref{}, errors.New("it has neither id nor username nor custom_id")
	default:
		return consumer.Ref{}, fmt.Errorf("it is %s; must be a UUID, a username, or an object with id, username or custom_id", kind)
	}
}

func (e *entities) add(entity, at string, f fields, keys []string, ref consumer.Ref) error {
	if len(e.credentials[entity]) == maxCredentials {
		return fmt.Errorf("there are more than %d credentials", maxCredentials)
	}
	if err := f.only(keys); err != nil {
		return err
	}
	if ref.IsZero() {
		return errors.New("its consumer has neither id nor username nor custom_id")
	}
	ref, err := e.refer(ref)
	if err != nil {
		return fmt.Errorf("consumer: %w", err)
	}
	c := consumer.Credential{Consumer: ref}
	if c.ID, err = f.uuid("id"); err != nil {
		return err
	}
	if c.SubjectName, err = f.text("subject_name"); err != nil {
		return err
	}
	if strings.Contains(c.SubjectName, "${{") {
		return errors.New("subject_name: it holds one of decK's variables, which are not filled in here")
	}
	if err := readCA(f["ca_certificate"], &c); err != nil {
		return fmt.Errorf("ca_certificate: %w", err)
	}
	if err := c.Check(); err != nil {
		return err
	}
	id := credentialID{entity, c.ID}
	if other, twice := e.credentialIDs[id]; twice && c.ID != "" {
		return fmt.Errorf("id: %s is the id of %s too", c.ID, other)
	}
	e.credentialIDs[id] = at
	e.credentials[entity] = append(e.credentials[entity], c)
	return nil
}

// readCA reads a ca_certificate: absent, a UUID, PEM, or an object with id or cert,
// of which the id counts.
func readCA(n *yaml.Node, c *consumer.Credential) error {
	f := fields{"cert": n}
	switch kind := kindOf(n); kind {
	case absent:
		return nil
	case aText:
		if !strings.Contains(resolved(n).Value, "-----BEGIN ") {
			f = fields{"id": n}
		}
	case aMapping:
		var err error
		if f, err = mapping(n); err == nil {
			err = f.only(caCertificateKeys)
		}
		if err != nil {
			return err
		}
	default:
		return fmt.Errorf("it is %s; must be a UUID, an object with id, or a certificate in PEM", kind)
	}
	if kindOf(f["id"]) != absent {
		text, err := f.uuid("id")
		if err == nil && text == "" {
			err = errors.New("id: must be a UUID")
		}
		c.CACertificateID = text
		return err
	}
	cert, err := f.text("cert")
	if err != nil {
		return err
	}
	if cert == "" {
		return errors.New("it has neither id nor cert")
	}
	// Nothing is quoted: what was put there by mistake may be a key.
	block, rest := pem.Decode([]byte(cert))
	der, ok := certificate.InBlock(block)
	if !ok || strings.Contains(string(rest), "-----BEGIN ") {
		return errors.New("must be exactly one certificate in PEM")
	}
	if _, err := certificate.Parse(der); err != nil {
		return fmt.Errorf("reading the certificate: %w", err)
	}
	c.CACertificateSHA256 = sha256.Sum256(der)
	return nil
}
