package kongdata

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/uuid"
)

// adminConsumer is a consumer as the Admin API writes it. An attribute that a
// consumer lacks is null.
type adminConsumer struct {
	ID        string          `json:"id"`
	Username  string          `json:"username"`
	CustomID  string          `json:"custom_id"`
	Tags      luaList[string] `json:"tags"`
	CreatedAt int64           `json:"created_at"`
}

func (c adminConsumer) consumer() *consumer.Consumer {
	return &consumer.Consumer{ID: c.ID, Username: c.Username, CustomID: c.CustomID, Tags: c.Tags, CreatedAt: c.CreatedAt}
}

// adminConsumerList is the answer to /consumers?custom_id=.
type adminConsumerList struct {
	Data   luaList[adminConsumer] `json:"data"`
	Next   any                    `json:"next"`
	Offset any                    `json:"offset"`
}

// luaList is a JSON list. Lua knows no difference between an empty list and an
// empty object, and an older Kong writes {} for "no consumer has this custom_id".
type luaList[T any] []T

func (l *luaList[T]) UnmarshalJSON(data []byte) error {
	if string(data) == "{}" {
		*l = luaList[T]{}
		return nil
	}
	return json.Unmarshal(data, (*[]T)(l))
}

// findConsumer asks for /consumers/{username or id} or /consumers?custom_id=. That
// the answer is for the query is judged by the store.
//
// Kong takes a UUID in that place for an id and never for a username, so a username
// of this shape cannot be asked for: neither 404 nor the consumer with that id says
// anything about it, and both are ErrUnanswerable.
func (a *adminAPI) findConsumer(ctx context.Context, client *adminClient, q consumer.Query) (*consumer.Consumer, error) {
	// encoding/json writes U+FFFD for bytes that it cannot read, so that an
	// answer for other bytes would look like one for this name.
	if strings.ContainsRune(q.Value, utf8.RuneError) {
		return nil, fmt.Errorf("%w: the %s is not UTF-8 or holds U+FFFD", ErrUnanswerable, q.By)
	}
	if q.By == consumer.ByCustomID {
		return a.findByCustomID(ctx, client, q.Value)
	}
	segment, err := pathSegment(q.Value)
	if err != nil {
		return nil, err
	}
	var entity adminConsumer
	err = a.entity(ctx, client, "/consumers/"+segment, &entity)
	if _, isUUID := uuid.Parse(q.Value); isUUID && q.By == consumer.ByUsername {
		if errors.Is(err, ErrNotFound) || err == nil && entity.Username != q.Value {
			return nil, fmt.Errorf("%w: Kong's Admin API takes the username %q for an id", ErrUnanswerable, q.Value)
		}
	}
	if err != nil {
		return nil, err
	}
	return entity.consumer(), nil
}

func (a *adminAPI) findByCustomID(ctx context.Context, client *adminClient, value string) (*consumer.Consumer, error) {
	var list adminConsumerList
	err := a.entity(ctx, client, "/consumers?custom_id="+escape(value), &list)
	switch {
	case errors.Is(err, ErrNotFound):
		// A list is there even when it is empty.
		return nil, errors.New("it answered 404 Not Found to a list")
	case err != nil:
		return nil, err
	case list.Data == nil:
		return nil, errors.New("the answer is not a list")
	case list.Next != nil, list.Offset != nil:
		return nil, errors.New("the answer is one page of several, so not about one custom_id")
	case len(list.Data) == 0:
		return nil, ErrNotFound
	case len(list.Data) > 1:
		return nil, fmt.Errorf("the answer holds %d consumers, one has been asked for", len(list.Data))
	}
	return list.Data[0].consumer(), nil
}

// pathSegment writes a name so that it is one segment of a path, whatever it
// holds. The two names that a path does not stay the same with are refused:
// written as %2E they still are "." and ".." to a proxy between.
func pathSegment(name string) (string, error) {
	switch name {
	case "", ".", "..":
		return "", fmt.Errorf("%w: %q has no place in an address", ErrUnanswerable, name)
	}
	return escape(name), nil
}

// escape percent-encodes all but the unreserved characters (RFC 3986, section 2.3).
// url.PathEscape leaves more, above all "+", which Kong reads as a space.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
