package consumer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// MaxWait is the longest that the lookups of one request may take in all. Kong
// itself gives up on a plugin server after a minute; clients do so sooner.
const MaxWait = 2 * time.Second

// Consumer is a Kong consumer, as a source knows it. It is shared by requests
// and never changed.
type Consumer struct {
	ID        string
	Username  string
	CustomID  string
	Tags      []string
	CreatedAt int64 // seconds since 1970
}

// By is the attribute that a consumer is asked for by.
type By uint8

// The attributes.
const (
	ByID By = iota
	ByUsername
	ByCustomID
)

// String returns the attribute's name in Kong.
func (b By) String() string {
	switch b {
	case ByID:
		return "id"
	case ByUsername:
		return "username"
	case ByCustomID:
		return "custom_id"
	}
	return "unknown attribute"
}

// Query asks for the consumer whose attribute has a value: byte for byte, but
// ids in lower case.
type Query struct {
	By    By
	Value string
}

func (q Query) String() string { return fmt.Sprintf("%s %q", q.By, cut(q.Value)) }

// Result is the answer to a query. With neither a consumer nor an error a source
// answered that no consumer has the attribute; every other failure to find one
// (down, refused, unreadable) is an error.
type Result struct {
	Consumer *Consumer
	Err      error
}

// Directory is where consumers are found.
type Directory interface {
	// Find answers the queries, in one batch and in their order: as many
	// results as queries. Each stands for itself, so that one that fails does
	// not fail the others. A value is only ever that of the attribute it is
	// asked by: a username that looks like an id is never taken for one. Find
	// returns when ctx ends, and gives its consumers away.
	Find(ctx context.Context, queries []Query) []Result
}

// find asks the directory and judges what comes back. It fails closed: what does
// not answer the query is a failure, not absence.
func find(ctx context.Context, d Directory, queries []Query) []Result {
	if d == nil {
		return failures(len(queries), errors.New("no source of consumers"))
	}
	results := d.Find(ctx, queries)
	if len(results) != len(queries) {
		return failures(len(queries), fmt.Errorf("%d answers to %d queries", len(results), len(queries)))
	}
	judged := make([]Result, len(results))
	for i, r := range results {
		err := r.Err
		if err == nil && r.Consumer != nil {
			err = queries[i].Check(r.Consumer)
		}
		if err != nil {
			judged[i].Err = fmt.Errorf("looking up the consumer with %s: %w", queries[i], err)
			continue
		}
		judged[i].Consumer = r.Consumer
	}
	return judged
}

func failures(n int, err error) []Result {
	results := make([]Result, n)
	for i := range results {
		results[i].Err = fmt.Errorf("looking up consumers: %w", err)
	}
	return results
}

// Check returns why a consumer does not answer the query.
func (q Query) Check(c *Consumer) error {
	if c.ID == "" {
		return errors.New("the answer is a consumer without an id")
	}
	var got string
	want := q.Value
	switch q.By {
	case ByID:
		got, want = strings.ToLower(c.ID), strings.ToLower(want)
	case ByUsername:
		got = c.Username
	case ByCustomID:
		got = c.CustomID
	default:
		return errors.New("asked by an unknown attribute")
	}
	// An empty value would find every consumer that lacks the attribute.
	if got != want || want == "" {
		return fmt.Errorf("the answer is the consumer with %s", Query{q.By, got})
	}
	return nil
}

// maxShown is the longest part of a value that an error quotes, in bytes.
const maxShown = 128

func cut(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(s[:maxShown], "") + "…"
}
