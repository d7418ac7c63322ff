package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
)

// directory finds consumers for one event: from the sources, and where none of
// them has the consumer, or knows any, from Kong itself. It lives as long as the
// event.
type directory struct {
	engine *Engine
	loader Loader
	// known is a consumer that has to be there (default_consumer, anonymous);
	// zero for none. See load.
	known consumer.Ref
}

var _ consumer.Directory = directory{}

// Find implements consumer.Directory. Kong's load_consumer knows no custom_id:
// without a source no consumer is found by one, which a warning says once.
func (d directory) Find(ctx context.Context, queries []consumer.Query) []consumer.Result {
	results := d.engine.consumers.Find(ctx, queries)
	var left []int // for the PDK
	alone := false // some of them only it can know
	for i := range results {
		err := results[i].Err
		absent, noSource := err == nil && results[i].Consumer == nil, errors.Is(err, kongdata.ErrNoConsumers)
		switch {
		case queries[i].By != consumer.ByCustomID && (absent || noSource || errors.Is(err, kongdata.ErrUnanswerable)):
			left = append(left, i)
			alone = alone || !absent
		case noSource:
			results[i].Err = nil
			if !d.engine.warnedID.Swap(true) {
				d.engine.log.Sources.Warn("no consumer is found by custom_id: Kong does not tell it to plugin servers, and there is no source of consumers (-admin-url, -declarative-config)")
			}
		}
	}
	d.load(queries, results, left, alone)
	return results
}

// load asks Kong for consumers, all at once.
//
// Kong answers a load_consumer that failed (its database is away) as one that
// found no consumer. A consumer that only Kong knows would then be taken for absent, and the
// request would go on as default_consumer or as anonymous. So a consumer that has to be there is
// asked for along with the others: where Kong does not know that one either,
// it knows nothing.
func (d directory) load(queries []consumer.Query, results []consumer.Result, left []int, alone bool) {
	if len(left) == 0 {
		return
	}
	asked := make([]consumer.Query, 0, len(left)+2)
	for _, i := range left {
		asked = append(asked, queries[i])
	}
	var proof []consumer.Query
	if alone && !d.known.IsZero() {
		proof = d.known.Queries()
	}
	found, err := d.loader.LoadConsumers(append(asked, proof...))
	knowing := len(proof) == 0 || slices.ContainsFunc(asked, func(q consumer.Query) bool { return slices.Contains(proof, q) })
	if err == nil {
		knowing = knowing || slices.ContainsFunc(found[len(left):], func(c *consumer.Consumer) bool { return c != nil })
	}
	for n, i := range left {
		switch {
		case err != nil:
			results[i] = consumer.Result{Err: err}
		case found[n] == nil && !knowing:
			results[i] = consumer.Result{Err: fmt.Errorf("no consumer at all is found by Kong, not even %s", d.known)}
		default:
			results[i] = consumer.Result{Consumer: found[n]}
		}
	}
}
