package kongdata

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	// maxDrained and drainTime bound what of an answer that is not used is read,
	// so that the connection can be used again: Kong's own come at once and are
	// short.
	maxDrained = 16 << 10
	drainTime  = 100 * time.Millisecond
)

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
