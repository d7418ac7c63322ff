package revocation

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/revocation/ocsp"
)

// fetch gets the response: by GET where that is short enough for caches on the
// way (RFC 5019, section 5), else by POST.
func (a *statusQuestion) fetch(f *flight) ([]byte, error) {
	c := a.checker
	request := ocsp.Request(a.issuerCert, a.serial)
	var response []byte
	err := c.connect(f, a.visit, func(ctx context.Context) error {
		asked := postKey{a.issuer, a.address}
		_, posts := c.postOnly.Load(asked)
		address, short := getAddress(a.address, request)
		if short && !posts {
			var err error
			response, err = a.send(ctx, fetch.Request{Method: http.MethodGet, URL: address, Accept: ocspResponse})
			if !mayNotKnowGET(err) {
				return err
			}
		}
		var err error
		response, err = a.send(ctx, fetch.Request{
			Method: http.MethodPost, URL: a.address, Body: request, ContentType: "application/ocsp-request", Accept: ocspResponse,
		})
		switch {
		case err == nil && short && !posts:
			c.rememberPost(asked)
		case mayNotKnowGET(err): // nor POST: next time it is GET again
			c.postOnly.Delete(asked)
		}
		return err
	})
	return response, err
}

// postKey is an address that takes POST alone, for the certificates of one issuer.
type postKey struct {
	issuer  [32]byte
	address string
}

const ocspResponse = "application/ocsp-response"

// maxGET is the longest URL of a GET request (RFC 5019, section 5).
const maxGET = 255

// getAddress is the address of a request by GET (RFC 6960, appendix A.1). There
// is none where the responder's has a query.
func getAddress(address string, request []byte) (string, bool) {
	if strings.ContainsAny(address, "?#") {
		return "", false
	}
	full := strings.TrimSuffix(address, "/") + "/" + url.QueryEscape(base64.StdEncoding.EncodeToString(request))
	return full, len(full) <= maxGET
}

// mayNotKnowGET reports the answers of a server that may not take the method.
func mayNotKnowGET(err error) bool {
	failed, ok := errors.AsType[*fetch.Error](err)
	if !ok || failed.Kind != fetch.Status {
		return false
	}
	switch failed.Status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusRequestURITooLong, http.StatusNotImplemented:
		return true
	}
	return false
}

// maxPostOnly bounds the addresses that are remembered.
const maxPostOnly = 1000

func (c *Checker) rememberPost(asked postKey) {
	if c.posts.Add(1) > maxPostOnly {
		c.postOnly.Clear()
		c.posts.Store(1)
	}
	c.postOnly.Store(asked, true)
}

func (a *statusQuestion) send(ctx context.Context, r fetch.Request) ([]byte, error) {
	response, err := a.checker.options.Fetcher.Do(ctx, r, a.how, ocsp.MaxSize)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return io.ReadAll(response.Body)
}
