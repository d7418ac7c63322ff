package luaserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
)

// directory finds consumers and credentials in Kong's database, through the worker that
// asks, in one round trip for all. It lives as long as the exchange and is used by one
// goroutine.
type directory struct {
	exchange *deciding
	asked    bool
	err      error // of the round trip
	results  map[consumer.Query]consumer.Result
}

var _ consumer.Prefetcher = (*directory)(nil)

// Prefetch implements consumer.Prefetcher.
func (d *directory) Prefetch(ctx context.Context, q consumer.Questions) (*consumer.Credentials, error) {
	if d.err != nil {
		return nil, d.err
	}
	ask := lookup{Credentials: [][2]string{}, Consumers: [][2]string{}}
	for _, key := range q.Credentials {
		ask.Credentials = append(ask.Credentials, [2]string{key.SubjectName, key.CACertificateID})
	}
	var queries []consumer.Query
	if d.results == nil {
		d.results = make(map[consumer.Query]consumer.Result)
	}
	for _, query := range q.Consumers {
		if _, known := d.results[query]; !known {
			d.results[query] = consumer.Result{}
			queries = append(queries, query)
			ask.Consumers = append(ask.Consumers, [2]string{query.By.String(), query.Value})
		}
	}
	if len(ask.Credentials) == 0 && len(ask.Consumers) == 0 {
		return consumer.NewCredentials(nil)
	}
	if d.asked {
		d.err = errors.New("consumers were already looked up for this request")
		return nil, d.err
	}
	d.asked = true
	var list []consumer.Credential
	if list, d.err = d.roundTrip(ctx, ask, queries); d.err != nil {
		return nil, d.err
	}
	var credentials *consumer.Credentials
	credentials, d.err = consumer.NewCredentials(list)
	return credentials, d.err
}

// Find implements consumer.Directory. A consumer that was not asked for is a failure, not
// absence.
func (d *directory) Find(_ context.Context, queries []consumer.Query) []consumer.Result {
	results := make([]consumer.Result, len(queries))
	for i, q := range queries {
		r, ok := d.results[q]
		switch {
		case d.err != nil:
			r = consumer.Result{Err: d.err}
		case !ok:
			r = consumer.Result{Err: errors.New("the consumer was not looked up")}
		}
		results[i] = r
	}
	return results
}

// roundTrip asks the worker, and takes its answer for what was asked only.
func (d *directory) roundTrip(ctx context.Context, ask lookup, queries []consumer.Query) ([]consumer.Credential, error) {
	x := d.exchange
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(consumer.MaxWait)
	}
	x.writing.Lock()
	err := say(x.Exchange, lookupAsked{ask})
	x.writing.Unlock()
	var frame []byte
	if err == nil {
		frame, err = x.Read(deadline)
	}
	var answer found
	if err == nil {
		if err = json.Unmarshal(frame, &answer); err == nil && answer.Op != "found" {
			err = fmt.Errorf("op %q: must be found", answer.Op)
		}
	}
	if err != nil {
		x.broken = fmt.Errorf("looking up consumers in Kong's database: %w", err)
		return nil, x.broken
	}
	if len(answer.Errors) > 0 {
		return nil, fmt.Errorf("looking up consumers in Kong's database: %s", strings.Join(answer.Errors, "; "))
	}
	for _, c := range answer.Consumers {
		if c.N < 1 || c.N > len(queries) {
			return nil, fmt.Errorf("looking up consumers in Kong's database: consumer %d of %d", c.N, len(queries))
		}
		d.results[queries[c.N-1]] = c.result() // matched where it is used
	}
	list := make([]consumer.Credential, 0, len(answer.Credentials))
	for _, c := range answer.Credentials {
		if c.N < 1 || c.N > len(ask.Credentials) {
			return nil, fmt.Errorf("looking up credentials in Kong's database: credential %d of %d", c.N, len(ask.Credentials))
		}
		name, ca := ask.Credentials[c.N-1][0], ask.Credentials[c.N-1][1]
		if c.SubjectName != name || !strings.EqualFold(c.CACertificate, ca) || c.ID == "" || c.Consumer.ID == "" {
			return nil, fmt.Errorf("looking up credentials in Kong's database: what came back for subject_name %q and ca_certificate %q is another credential, or one without an id or a consumer", name, ca)
		}
		owner := consumer.Query{By: consumer.ByID, Value: strings.ToLower(c.Consumer.ID)}
		d.results[owner] = c.Consumer.result()
		list = append(list, consumer.Credential{
			ID: c.ID, SubjectName: name, CACertificateID: ca, Consumer: consumer.RefTo(owner),
		})
	}
	return list, nil
}

func (c consumerJSON) result() consumer.Result {
	return consumer.Result{Consumer: &consumer.Consumer{ID: c.ID, Username: c.Username, CustomID: c.CustomID}}
}
