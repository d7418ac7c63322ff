package kongdata

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/uuid"
)

const (
	// atOnce bounds the exchanges with the Admin API at the same time, so that a
	// start with thousands of ids does not fill its connections. Those about
	// consumers, which requests wait for, are counted apart from those about CA
	// certificates: neither holds up the other.
	atOnce = 8

	// requestTimeout bounds one exchange, connection included: a local Admin API
	// answers in milliseconds, and one that takes longer than this is down.
	requestTimeout = 5 * time.Second

	// maxUnanswered is how many exchanges in a row may fail before the other CA
	// certificates are not asked for: with a thousand ids, waiting for each would
	// take minutes.
	maxUnanswered = 3
)

// adminAPI is Kong's Admin API, asked for one entity at a time. 404 is "gone";
// everything else that is not an entity with the id that was asked for is "down".
type adminAPI struct {
	address adminAddress
	access  adminAccess
	lookups chan struct{} // places for exchanges about consumers
	current atomic.Pointer[adminClient]

	answers map[string]adminAnswer // about CA certificates; belongs to read
}

// adminAnswer is an answer with the text that it was made of.
type adminAnswer struct {
	text string
	Answer
}

// adminClient is how the Admin API is reached at present.
type adminClient struct {
	http    *http.Client
	secrets adminSecrets
	err     error // a file of the access cannot be used
}

func newAdminAPI(address adminAddress, access adminAccess) *adminAPI {
	return &adminAPI{address: address, access: access, lookups: make(chan struct{}, atOnce)}
}

// source is the Admin API as a source.
func (a *adminAPI) source() Source {
	return Source{Name: "Admin API " + a.address.String(), Read: a.read, Consumer: a.consumer}
}

// read asks for the CA certificates that are not known, or for all. The first time
// it only connects: then consumers can be looked up.
func (a *adminAPI) read(ctx context.Context, r Request) Contents {
	first := a.current.Load() == nil
	client, fault := a.connect(ctx)
	if first || client.err != nil {
		return Contents{Err: client.err, Fault: fault, Asked: true}
	}
	var ids []string
	answers := make(map[string]adminAnswer, len(r.IDs))
	for _, id := range r.IDs {
		if known, ok := a.answers[id]; ok && known.Err == nil && !r.All {
			answers[id] = known
		} else {
			ids = append(ids, id)
		}
	}
	asked := make([]adminAnswer, len(ids))
	places := make(chan struct{}, atOnce)
	var unanswered atomic.Int32 // exchanges in a row
	var asking sync.WaitGroup
	for i, id := range ids {
		places <- struct{}{}
		asking.Go(func() {
			defer func() { <-places }()
			if unanswered.Load() >= maxUnanswered {
				asked[i].Err = errors.New("not asked, since it did not answer before")
				return
			}
			asked[i].text, asked[i].Err = a.caCertificate(ctx, client, id)
			if _, ok := errors.AsType[*transportError](asked[i].Err); ok {
				unanswered.Add(1)
			} else {
				unanswered.Store(0)
			}
		})
	}
	asking.Wait()
	contents := Contents{CACertificates: make(map[string]Answer, len(r.IDs)), Fault: fault, Asked: true}
	for i, id := range ids {
		switch before := a.answers[id]; {
		case asked[i].Err != nil:
		case asked[i].text == before.text:
			asked[i] = before
		default:
			asked[i].Answer = judgeCA(asked[i].text)
		}
		answers[id] = asked[i]
	}
	for id, answer := range answers {
		contents.CACertificates[id] = answer.Answer
	}
	a.answers = answers
	return contents
}

// connect returns how the Admin API is reached with the token, certificates and key
// that the files hold now. Where they cannot be used, as half a pair that is being
// replaced, it is what worked before, and the error says why. Connections end with ctx.
func (a *adminAPI) connect(ctx context.Context) (*adminClient, error) {
	old := a.current.Load()
	works := old != nil && old.err == nil
	secrets, err := a.access.read()
	if err == nil && works && old.secrets.equal(secrets) {
		return old, nil
	}
	next := &adminClient{secrets: secrets, err: err}
	if err == nil {
		next.http, next.err = a.access.client(a.address, secrets)
	}
	if next.err != nil && works {
		return old, next.err
	}
	if next.http != nil {
		context.AfterFunc(ctx, next.http.CloseIdleConnections)
	}
	a.current.Store(next)
	if old != nil && old.http != nil {
		old.http.CloseIdleConnections()
	}
	return next, next.err
}

// caCertificate returns the PEM text at /ca_certificates/{id}.
func (a *adminAPI) caCertificate(ctx context.Context, client *adminClient, id string) (string, error) {
	if _, ok := uuid.Parse(id); !ok {
		return "", ErrNotFound // Kong has no entity with such an id
	}
	var entity struct {
		ID   string `json:"id"`
		Cert string `json:"cert"`
	}
	err := a.entity(ctx, client, "/ca_certificates/"+url.PathEscape(id), &entity)
	switch {
	case err != nil:
		return "", err
	case !strings.EqualFold(entity.ID, id):
		return "", errors.New("the answer is for another id than was asked for")
	case entity.Cert == "":
		return "", errors.New("the answer holds no certificate")
	}
	return entity.Cert, nil
}

// consumer asks for a consumer; how many may be asked for at once is bounded.
func (a *adminAPI) consumer(ctx context.Context, q consumer.Query) (*consumer.Consumer, error) {
	select {
	case a.lookups <- struct{}{}:
		defer func() { <-a.lookups }()
	case <-ctx.Done():
	}
	// A place that is free because all lookups of a request end is no reason to
	// ask once more. Its context is over a moment before this one hears of it.
	err := ctx.Err()
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		err = context.DeadlineExceeded
	}
	if err != nil {
		return nil, fmt.Errorf("too many lookups before this one: %w", err)
	}
	client := a.current.Load()
	switch {
	case client == nil:
		return nil, errors.New("the Admin API has not been asked yet")
	case client.err != nil:
		return nil, client.err
	}
	return a.findConsumer(ctx, client, q)
}
