package kongdata

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongenv"
)

// Admin asks an Admin API whatever its caller wants to know, with the token and the TLS
// settings of a Config. It changes nothing: it knows GET alone.
type Admin struct {
	URL string // as users write it

	api *adminAPI
}

// maxPage bounds an answer that Admin reads: a page of a thousand plugins.
const maxPage = 16 << 20

// ErrNoAdmin says that there is no Admin API to ask: admin_listen is off, or the Kong is a
// data plane.
var ErrNoAdmin = errors.New("this Kong has no Admin API")

// NewAdmin returns the Admin API at AdminURL, else the first one that .kong_env names.
func NewAdmin(c Config, env *kongenv.Settings) (*Admin, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	var api *adminAPI
	var err error
	switch {
	case c.AdminURL != "":
		api, err = c.adminAt(c.AdminURL)
	case env == nil || !env.HasAdminAPI():
		err = ErrNoAdmin
	default:
		api, err = c.adminOf(env)
	}
	if err != nil {
		return nil, err
	}
	return &Admin{URL: api.address.String(), api: api}, nil
}

// Get asks for a path. Any answer of the Admin API is one; server is its Server header,
// which has Kong's version.
func (a *Admin) Get(ctx context.Context, path string) (status int, server string, body []byte, err error) {
	client, err := a.api.connect(ctx)
	if err != nil {
		return 0, "", nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	response, err := a.api.get(ctx, client, path)
	if err != nil {
		return 0, "", nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, maxPage))
	return response.StatusCode, response.Header.Get("Server"), body, err
}

// List calls a function with each entity at a path, over all pages.
func (a *Admin) List(ctx context.Context, path string, each func(entity json.RawMessage) error) error {
	next := path + "?size=1000"
	for next != "" {
		status, _, body, err := a.Get(ctx, next)
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("GET %s: status %d", path, status)
		}
		var page struct {
			Data []json.RawMessage `json:"data"`
			Next string            `json:"next"`
		}
		if err := json.Unmarshal(body, &page); err != nil {
			return fmt.Errorf("GET %s: %w", path, err)
		}
		for _, entity := range page.Data {
			if err := each(entity); err != nil {
				return err
			}
		}
		next = page.Next
	}
	return nil
}

// Directory returns the consumers, with the credentials that count for the plugin of
// this name.
func (a *Admin) Directory(plugin string) consumer.Prefetcher {
	path := "/mtls-auths"
	if credentialEntity(plugin) != credentialEntities[0] {
		path = "/header-cert-auths"
	}
	return adminDirectory{a, path}
}

type adminDirectory struct {
	admin *Admin
	path  string // of the credentials
}

// Prefetch implements consumer.Prefetcher: the credentials are all that the Admin API has.
// A Kong without the entity, as in plugin-server mode, has none.
func (d adminDirectory) Prefetch(ctx context.Context, _ consumer.Questions) (*consumer.Credentials, error) {
	status, _, _, err := d.admin.Get(ctx, d.path+"?size=1")
	if err == nil && status == http.StatusNotFound {
		return consumer.NewCredentials(nil)
	}
	var list []consumer.Credential
	err = d.admin.List(ctx, d.path, func(entity json.RawMessage) error {
		var c struct {
			ID            string `json:"id"`
			SubjectName   string `json:"subject_name"`
			CACertificate *struct {
				ID string `json:"id"`
			} `json:"ca_certificate"`
			Consumer struct {
				ID string `json:"id"`
			} `json:"consumer"`
		}
		if err := json.Unmarshal(entity, &c); err != nil {
			return err
		}
		credential := consumer.Credential{ID: c.ID, SubjectName: c.SubjectName, Consumer: consumer.RefTo(consumer.Query{By: consumer.ByID, Value: c.Consumer.ID})}
		if c.CACertificate != nil {
			credential.CACertificateID = c.CACertificate.ID
		}
		list = append(list, credential)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return consumer.NewCredentials(list)
}

// Find implements consumer.Directory.
func (d adminDirectory) Find(ctx context.Context, queries []consumer.Query) []consumer.Result {
	_, err := d.admin.api.connect(ctx)
	return findEach(queries, func(q consumer.Query) (*consumer.Consumer, error) {
		if err != nil {
			return nil, err
		}
		return d.admin.api.consumer(ctx, q)
	})
}
