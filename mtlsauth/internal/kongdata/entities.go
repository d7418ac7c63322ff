package kongdata

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"mtls-auth/mtlsauth/internal/consumer"
)

// entities are those of a file that this program uses. CA certificates without an
// id are left out: Kong makes one up then, which no configuration can name.
type entities struct {
	caCertificates map[string]Answer
	caTexts        []Entity                         // the same, as they stand in the file
	consumers      map[consumer.Query]*fileConsumer // by each of their attributes
	credentials    map[string][]consumer.Credential // by their entity
	credentialIDs  map[credentialID]string          // where each was seen

	lists map[string]bool // that there are, of consumers and of credentials
	more  bool            // there are further YAML documents, which do not count
}

// fileConsumer is a consumer of a file.
type fileConsumer struct {
	consumer.Consumer // its id may be derived, and empty
	ref               consumer.Ref
}

// parseEntities reads a file in Kong's declarative format or decK's. It fails
// closed: a mistake in one of the entities is one of the whole file, as for Kong,
// and a text that is no mapping, an empty one included, is an error: half a file
// must not remove everything.
func parseEntities(data []byte, name string) (*entities, error) {
	document, more, err := readDocument(data, name)
	if err != nil {
		return nil, err
	}
	return entitiesOf(document, more)
}

func entitiesOf(document fields, more bool) (*entities, error) {
	e := &entities{
		caCertificates: make(map[string]Answer),
		consumers:      make(map[consumer.Query]*fileConsumer),
		credentials:    make(map[string][]consumer.Credential),
		credentialIDs:  make(map[credentialID]string),
		lists:          make(map[string]bool),
		more:           more,
	}
	_, err := document.each("ca_certificates", e.addCA)
	if err != nil {
		return nil, err
	}
	if e.lists["consumers"], err = document.each("consumers", e.addConsumer); err != nil {
		return nil, err
	}
	for _, entity := range credentialEntities {
		add := func(at string, f fields) error { return e.addCredential(entity, at, f) }
		if e.lists[entity], err = document.each(entity, add); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (e *entities) addCA(_ string, f fields) error {
	id, err := f.uuid("id")
	if err != nil || id == "" {
		return err
	}
	cert, err := f.text("cert")
	if err != nil {
		return err
	}
	if _, twice := e.caCertificates[id]; twice {
		return fmt.Errorf("id: %s appears twice", id)
	}
	e.caCertificates[id] = judgeCA(cert)
	e.caTexts = append(e.caTexts, Entity{ID: id, Cert: cert})
	return nil
}

// addConsumer fails when two consumers have one id, username or custom_id, as Kong
// does.
func (e *entities) addConsumer(at string, f fields) error {
	c := new(fileConsumer)
	var err error
	if c.ID, err = f.uuid("id"); err != nil {
		return err
	}
	if c.Username, err = f.text("username"); err != nil {
		return err
	}
	if c.CustomID, err = f.text("custom_id"); err != nil {
		return err
	}
	if c.Tags, err = f.texts("tags"); err != nil {
		return err
	}
	if seconds, err := strconv.ParseFloat(resolved(f["created_at"]).Value, 64); err == nil {
		c.CreatedAt = int64(seconds)
	}
	derived := false
	switch {
	case c.ID != "":
		c.ref = consumer.RefTo(consumer.Query{By: consumer.ByID, Value: c.ID})
	case c.Username != "":
		c.ref = consumer.RefTo(consumer.Query{By: consumer.ByUsername, Value: c.Username})
		c.ID, derived = derivedID("consumers", c.Username), true
	case c.CustomID != "":
		c.ref = consumer.RefTo(consumer.Query{By: consumer.ByCustomID, Value: c.CustomID})
	}
	for _, q := range []consumer.Query{{By: consumer.ByUsername, Value: c.Username}, {By: consumer.ByCustomID, Value: c.CustomID}, {By: consumer.ByID, Value: c.ID}} {
		if q.Value == "" {
			continue
		}
		if e.consumers[q] != nil {
			what := ""
			if q.By == consumer.ByID && derived {
				what = ", which Kong derives from its username,"
			}
			return fmt.Errorf("the %s%s appears twice", q, what)
		}
		e.consumers[q] = c
	}
	for _, entity := range credentialEntities {
		_, err = f.each(entity, func(below string, f fields) error {
			return e.add(entity, at+": "+below, f, nestedKeys, c.ref)
		})
		if err != nil && !c.ref.IsZero() {
			err = fmt.Errorf("%s: %w", c.ref.Queries()[0], err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// find returns the consumer that a query asks for.
func (e *entities) find(q consumer.Query) (*consumer.Consumer, error) {
	c := e.consumers[q]
	switch {
	case c == nil:
		return nil, ErrNotFound
	case c.ID == "":
		return nil, fmt.Errorf("%w: the consumer with custom_id %q has neither id nor username in it, and Kong makes up another id each time", ErrUnanswerable, c.CustomID)
	}
	return &c.Consumer, nil
}

// refer returns how to refer to a consumer that a credential names: as the file
// describes it, if it does.
func (e *entities) refer(ref consumer.Ref) (consumer.Ref, error) {
	if strings.Contains(ref.String(), "${{") {
		return consumer.Ref{}, errors.New("it holds one of decK's variables, which are not filled in here")
	}
	for _, q := range ref.Queries() {
		if c := e.consumers[q]; c != nil {
			return c.ref, nil
		}
	}
	return ref, nil
}

// derivedNamespace is what Kong derives ids from (kong/db/schema/others/
// declarative_config.lua, unchanged since Kong 1.2).
var derivedNamespace = [16]byte{0xfd, 0x02, 0x80, 0x1f, 0x09, 0x57, 0x4a, 0x15, 0xa5, 0x5a, 0xc8, 0xd9, 0x60, 0x6f, 0x30, 0xb5}

// derivedID is the id that Kong gives an entity without one: for a kind whose key
// is unique, as a consumer's username is, a UUID of version 5 (RFC 9562, section
// 5.5) of that key, in the namespace of the kind's name.
func derivedID(kind, key string) string {
	id := uuid5(uuid5(derivedNamespace, kind), key)
	text := hex.EncodeToString(id[:])
	return strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-")
}

func uuid5(namespace [16]byte, name string) [16]byte {
	sum := sha1.Sum(append(namespace[:], name...))
	id := [16]byte(sum[:16])
	id[6] = id[6]&0x0f | 0x50
	id[8] = id[8]&0x3f | 0x80
	return id
}
