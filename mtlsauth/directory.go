package mtlsauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"

	pdk "github.com/Kong/go-pdk"
	"github.com/Kong/go-pdk/server/kong_plugin_protocol"
	"golang.org/x/sync/singleflight"
	"google.golang.org/protobuf/proto"

	"mtls-auth/mtlsauth/internal/cacert"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/pluginserver"
)

// sources looks consumers up where CA certificates come from. Equal questions
// at once are one.
type sources struct {
	store   *cacert.Store
	flights singleflight.Group
	log     *slog.Logger
	warned  atomic.Bool
}

// attributes are the attributes that consumers are asked for by, in the words
// of the two rooms.
var attributes = map[consumer.By]cacert.Field{
	consumer.ByID:       cacert.ByID,
	consumer.ByUsername: cacert.ByUsername,
	consumer.ByCustomID: cacert.ByCustomID,
}

func (s *sources) find(ctx context.Context, q consumer.Query) (*consumer.Consumer, error) {
	by := attributes[q.By]
	// The question goes on when the request that asked it first ends: others
	// may wait for it.
	answer := s.flights.DoChan(by.String()+" "+q.Value, func() (found any, err error) {
		defer func() {
			if r := recover(); r != nil { // it would end the process
				err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
			}
		}()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), consumer.MaxWait)
		defer cancel()
		return s.store.Consumer(ctx, by, q.Value)
	})
	select {
	case a := <-answer:
		if a.Err != nil {
			return nil, a.Err
		}
		c := consumer.Consumer(a.Val.(cacert.Consumer))
		return &c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// directory finds consumers for one event: from the sources, and where none of
// them has the consumer, or knows any, from Kong itself over the event's
// connection. It lives as long as the event.
type directory struct {
	sources *sources
	event   *pluginserver.Event
}

var _ consumer.Directory = directory{}

// Find implements consumer.Directory. Kong's load_consumer knows no custom_id:
// without a source nobody is found by one, which a warning says once.
func (d directory) Find(ctx context.Context, queries []consumer.Query) []consumer.Result {
	results := make([]consumer.Result, len(queries))
	var wg sync.WaitGroup
	for i, q := range queries {
		wg.Go(func() { results[i].Consumer, results[i].Err = d.sources.find(ctx, q) })
	}
	wg.Wait()
	var left []int // for the PDK
	for i := range results {
		err := results[i].Err
		unknown, noSource := errors.Is(err, cacert.ErrNotFound), errors.Is(err, cacert.ErrNoConsumers)
		switch {
		case queries[i].By != consumer.ByCustomID && (unknown || noSource || errors.Is(err, cacert.ErrUnanswerable)):
			left = append(left, i)
		case unknown:
			results[i].Err = nil // nobody
		case noSource:
			results[i].Err = nil
			if !d.sources.warned.Swap(true) {
				d.sources.log.Warn("no consumer is found by custom_id: Kong tells plugin servers nothing of it, and there is no source of consumers (-admin-url, -declarative-config)")
			}
		}
	}
	d.load(queries, results, left)
	return results
}

// load asks Kong for consumers, in one write.
func (d directory) load(queries []consumer.Query, results []consumer.Result, left []int) {
	if len(left) == 0 {
		return
	}
	calls, err := pluginserver.Record(func(kong *pdk.PDK) error {
		for _, i := range left {
			if _, err := kong.Client.LoadConsumer(queries[i].Value, queries[i].By == consumer.ByUsername); err != nil {
				return err
			}
		}
		return nil
	})
	var replies [][]byte
	if err == nil {
		replies, err = d.event.Ask(calls)
	}
	for n, i := range left {
		results[i] = consumer.Result{Err: err}
		if err == nil {
			results[i].Consumer, results[i].Err = loaded(replies[n])
		}
	}
}

// loaded reads load_consumer's reply: an empty one is nobody.
func loaded(reply []byte) (*consumer.Consumer, error) {
	if len(reply) == 0 {
		return nil, nil
	}
	var c kong_plugin_protocol.Consumer
	if err := proto.Unmarshal(reply, &c); err != nil {
		return nil, err
	}
	return &consumer.Consumer{ID: c.Id, Username: c.Username, CustomID: c.CustomId, Tags: c.Tags, CreatedAt: c.CreatedAt}, nil
}
