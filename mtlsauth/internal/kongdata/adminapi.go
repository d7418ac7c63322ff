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
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/uuid"
)

const (
	// requestTimeout bounds one exchange with the Admin API, connection
	// included: a local one answers in milliseconds, and one that takes
	// longer than this is down.
	requestTimeout = 5 * time.Second

	// maxUnanswered is how many exchanges in a row may fail before the rest
	// of a round is not tried: with a thousand ids, waiting for each would
	// take minutes. Consumers are asked for by requests that bound their own
	// wait, and when those end it says nothing about the Admin API.
	maxUnanswered = 3

	// maxDrained and drainTime bound what of an answer that nobody wants is
	// read, so that the connection can be used again: Kong's own come at once
	// and are short.
	maxDrained = 16 << 10
	drainTime  = 100 * time.Millisecond
)

// adminAPI is Kong's Admin API, asked for one entity at a time. 404 is "gone";
// everything that is not an entity with the id that was asked for is no answer.
type adminAPI struct {
	address adminAddress
	access  *adminAccess

	current    atomic.Pointer[adminClient]
	unanswered atomic.Int32 // exchanges about CA certificates
}

// adminClient is how the Admin API is reached at present.
type adminClient struct {
	http  *http.Client
	token string
	err   error // a file of the access can not be used
}

func newAdminAPI(address adminAddress, access *adminAccess) *adminAPI {
	return &adminAPI{address: address, access: access}
}

func (a *adminAPI) Name() string { return "Admin API " + a.address.String() }

// Refresh reads the token, certificates and key again that have changed, and
// gives the Admin API another chance.
func (a *adminAPI) Refresh(_ context.Context, force bool) {
	a.unanswered.Store(0)
	old := a.current.Load()
	changed, err := a.access.read(force)
	switch {
	case err != nil:
		a.current.Store(&adminClient{err: err})
	case changed || old == nil || old.err != nil:
		client, err := a.access.client(a.address)
		a.current.Store(&adminClient{http: client, token: a.access.token, err: err})
	default:
		return
	}
	closeClient(old)
}

// Close ends the connections that are not in use.
func (a *adminAPI) Close() error {
	closeClient(a.current.Load())
	return nil
}

func closeClient(c *adminClient) {
	if c != nil && c.http != nil {
		c.http.CloseIdleConnections()
	}
}

// CACertificate asks for /ca_certificates/{id}.
func (a *adminAPI) CACertificate(ctx context.Context, id string) (string, error) {
	if _, ok := uuid.Parse(id); !ok {
		return "", ErrNotFound // Kong has no entity under such an id
	}
	if a.unanswered.Load() >= maxUnanswered {
		return "", errors.New("not asked, since it did not answer before")
	}
	var entity struct {
		ID   string `json:"id"`
		Cert string `json:"cert"`
	}
	err := a.entity(ctx, "/ca_certificates/"+url.PathEscape(id), &entity)
	if _, ok := errors.AsType[*transportError](err); ok {
		a.unanswered.Add(1)
	} else {
		a.unanswered.Store(0)
	}
	if err != nil {
		return "", err
	}
	if !strings.EqualFold(entity.ID, id) {
		return "", errors.New("the answer is for another id than was asked for")
	}
	if entity.Cert == "" {
		return "", errors.New("the answer holds no certificate")
	}
	return entity.Cert, nil
}

// entity decodes the JSON at a path. Only 404 is ErrNotFound.
func (a *adminAPI) entity(ctx context.Context, path string, into any) error {
	client := a.current.Load()
	switch {
	case client == nil:
		return errors.New("the Admin API has not been asked yet")
	case client.err != nil:
		return client.err
	}
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

func (a *adminAPI) exchange(ctx context.Context, client *adminClient, path string) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.address.base+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "mtls-auth")
	if client.token != "" {
		req.Header.Set("Kong-Admin-Token", client.token)
	}
	resp, err := client.http.Do(req)
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
