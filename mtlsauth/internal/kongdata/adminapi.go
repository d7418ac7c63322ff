package kongdata

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

	// maxDrained and drainTime bound what of an answer that is not used is read,
	// so that the connection can be used again: Kong's own come at once and are
	// short.
	maxDrained = 16 << 10
	drainTime  = 100 * time.Millisecond
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

// entity decodes the JSON at a path. Only 404 is ErrNotFound.
func (a *adminAPI) entity(ctx context.Context, client *adminClient, path string, into any) error {
	body, err := a.exchange(ctx, client, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		// The error would quote the answer.
		return errors.New("the answer is not the JSON of an entity")
	}
	return nil
}

// get asks for a path, with the token.
func (a *adminAPI) get(ctx context.Context, client *adminClient, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.address.base+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "mtls-auth")
	if client.secrets.token != "" {
		req.Header.Set("Kong-Admin-Token", client.secrets.token)
	}
	return client.http.Do(req)
}

func (a *adminAPI) exchange(ctx context.Context, client *adminClient, path string) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resp, err := a.get(ctx, client, path)
	if err != nil {
		return nil, explainTransport(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		stop := time.AfterFunc(drainTime, cancel)
		io.CopyN(io.Discard, resp.Body, maxDrained)
		stop.Stop()
		if resp.StatusCode == http.StatusNotFound {
			return nil, ErrNotFound
		}
		return nil, fmt.Errorf("it answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxEntity+1))
	if err != nil {
		return nil, explainTransport(err)
	}
	if len(body) > maxEntity {
		return nil, fmt.Errorf("the answer has more than %d bytes", maxEntity)
	}
	return body, nil
}

// transportError is an exchange that brought no answer.
type transportError struct {
	err error
}

func (e *transportError) Error() string { return e.err.Error() }
func (e *transportError) Unwrap() error { return e.err }

// explainTransport drops the URL that net/http puts before its errors: the
// source's name says it.
func explainTransport(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	return &transportError{err}
}
