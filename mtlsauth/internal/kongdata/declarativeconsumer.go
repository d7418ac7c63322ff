package kongdata

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"mtls-auth/mtlsauth/internal/uuid"
)

// declarativeConsumer is a consumer in the declarative format. All of it may be
// missing.
type declarativeConsumer struct {
	ID        string   `yaml:"id" json:"id"`
	Username  string   `yaml:"username" json:"username"`
	CustomID  string   `yaml:"custom_id" json:"custom_id"`
	Tags      []string `yaml:"tags" json:"tags"`
	CreatedAt int64    `yaml:"created_at" json:"created_at"`
}

// consumerIndex finds consumers by each attribute.
type consumerIndex [fieldCount]map[string]*Consumer

// Consumer answers from the version that was read last. While that is broken,
// whoever was in the last good one is still found; for others it fails closed:
// they may be in the new one.
func (d *declarative) Consumer(_ context.Context, by Field, value string) (Consumer, error) {
	state := d.current.Load()
	if state == nil {
		return Consumer{}, errors.New("the file has not been read yet")
	}
	if state.entities != nil {
		if c := state.entities.consumers[by][value]; c != nil && c.ID == "" {
			return Consumer{}, fmt.Errorf("%w: the consumer with custom_id %q has neither id nor username in it, and Kong makes up another id each time", ErrUnanswerable, c.CustomID)
		} else if c != nil {
			return *c, nil
		}
	}
	if state.err != nil {
		return Consumer{}, state.err
	}
	return Consumer{}, ErrNotFound
}

func (d *declarative) fault() error {
	if state := d.current.Load(); state != nil {
		return state.err
	}
	return nil
}

// indexConsumers fails when two consumers have one id, username or custom_id,
// as Kong does.
func indexConsumers(consumers []declarativeConsumer) (consumerIndex, error) {
	var index consumerIndex
	for by := range index {
		index[by] = make(map[string]*Consumer, len(consumers))
	}
	for i, c := range consumers {
		entry := &Consumer{Username: c.Username, CustomID: c.CustomID, Tags: c.Tags, CreatedAt: c.CreatedAt}
		switch {
		case c.ID != "":
			id, ok := uuid.Parse(c.ID)
			if !ok {
				return consumerIndex{}, fmt.Errorf("consumers[%d]: its id is no UUID", i)
			}
			entry.ID = id
		case c.Username != "":
			entry.ID = declarativeID("consumers", c.Username)
		}
		// The id comes last, since it may be derived from the username.
		for _, by := range []Field{ByUsername, ByCustomID, ByID} {
			value := entry.attribute(by)
			if value == "" {
				continue
			}
			// What is not UTF-8 has become this character, and could be
			// anybody's name.
			if strings.ContainsRune(value, utf8.RuneError) {
				return consumerIndex{}, fmt.Errorf("consumers[%d]: its %s is not UTF-8", i, by)
			}
			if index[by][value] != nil {
				return consumerIndex{}, fmt.Errorf("consumers[%d]: the %s %q appears twice", i, by, value)
			}
			index[by][value] = entry
		}
	}
	return index, nil
}

// declarativeNamespace is what Kong derives ids from (kong/db/schema/others/
// declarative_config.lua, unchanged since Kong 1.2).
var declarativeNamespace = [16]byte{0xfd, 0x02, 0x80, 0x1f, 0x09, 0x57, 0x4a, 0x15, 0xa5, 0x5a, 0xc8, 0xd9, 0x60, 0x6f, 0x30, 0xb5}

// declarativeID is the id that Kong gives an entity without one: for a kind
// whose key is unique, as a consumer's username is, a UUID of version 5 (RFC
// 9562, section 5.5) of that key, in the namespace of the kind's name.
func declarativeID(kind, key string) string {
	id := uuid5(uuid5(declarativeNamespace, kind), key)
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
