package revocation

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"mtls-auth/mtlsauth/internal/revocation/cache"
	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/revocation/ocsp"
)

// fetch asks by GET where that is short enough for caches on the way (RFC 5019,
// section 5), and by POST unless that gave good or revoked: there are responders
// that do not know GET, and say so in any way.
func (a *ocspQuery) fetch(x *cache.Exchange, before ocspValue) (got ocspResponse, err error) {
	c := a.checker
	request := ocsp.Request(a.issuerCert, a.serial, a.rawIssuer)
	err = c.connect(x, kindOCSP, a.endpoint, func(ctx context.Context) error {
		asked := postKey{a.issuer, a.address}
		_, posts := c.postOnly.Load(asked)
		url, short := getAddress(a.address, request)
		byGET := error(nil)
		if short && !posts {
			got, byGET = a.send(ctx, fetch.Request{Method: http.MethodGet, URL: url, Accept: ocspMediaType}, before)
			if byGET == nil && got.answer.Status != ocsp.Unknown || !mayKnowPOST(byGET) {
				return byGET
			}
		}
		posted, err := a.send(ctx, fetch.Request{
			Method: http.MethodPost, URL: a.address, Body: request, ContentType: "application/ocsp-request", Accept: ocspMediaType,
		}, before)
		switch {
		case err == nil:
			got = posted
			if short && !posts && got.answer.Status != ocsp.Unknown {
				c.rememberPost(asked)
			}
			return nil
		case posts: // next time it is GET again
			c.postOnly.Delete(asked)
		case short && byGET == nil: // by GET it does not know the certificate
			return nil
		}
		if posted.against != nil || posted.proof != nil {
			got = posted
		}
		return join(byGET, err)
	})
	return got, err
}

// postKey is an address that takes POST alone, for the certificates of one issuer.
type postKey struct {
	issuer  [32]byte
	address string
}

const ocspMediaType = "application/ocsp-response"

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

// mayKnowPOST reports an error of a GET after which a POST may do better: the host
// was connected to and gave an answer, or none, in time.
func mayKnowPOST(err error) bool {
	failed, ok := errors.AsType[*fetch.Error](err)
	if !ok {
		return true // what was answered cannot be used
	}
	return failed.Kind == fetch.Status || failed.Kind == fetch.Protocol || failed.Kind == fetch.Redirect || failed.Kind == fetch.TooLarge
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

// ocspResponse is what came of a response.
type ocspResponse struct {
	answer ocsp.Answer // of one that can be used
	raw    []byte
	lastingRevocation
}

// send asks, and judges the response.
func (a *ocspQuery) send(ctx context.Context, r fetch.Request, before ocspValue) (ocspResponse, error) {
	got, err := a.checker.options.Fetcher.Do(ctx, r, a.how, ocsp.MaxSize)
	if err != nil {
		return ocspResponse{}, err
	}
	defer got.Body.Close()
	raw, err := io.ReadAll(got.Body)
	if err != nil {
		return ocspResponse{}, err
	}
	response, err := a.judge(raw, before)
	if err != nil {
		return response, fmt.Errorf("judging the response: %w", err)
	}
	return response, nil
}
