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
func (a *ocspQuery) fetch(x *cache.Exchange, before ocsp.Answer, has bool) (answer ocsp.Answer, response []byte, err error) {
	c := a.checker
	request := ocsp.Request(a.issuerCert, a.serial, a.rawIssuer)
	err = c.connect(x, kindOCSP, a.visit, func(ctx context.Context) error {
		asked := postKey{a.issuer, a.address}
		_, posts := c.postOnly.Load(asked)
		url, short := getAddress(a.address, request)
		byGET := error(nil)
		if short && !posts {
			answer, response, byGET = a.send(ctx, fetch.Request{Method: http.MethodGet, URL: url, Accept: ocspResponse}, before, has)
			if byGET == nil && answer.Status != ocsp.Unknown || !mayKnowPOST(byGET) {
				return byGET
			}
		}
		byPOST, posted, err := a.send(ctx, fetch.Request{
			Method: http.MethodPost, URL: a.address, Body: request, ContentType: "application/ocsp-request", Accept: ocspResponse,
		}, before, has)
		switch {
		case err == nil:
			answer, response = byPOST, posted
			if short && !posts && answer.Status != ocsp.Unknown {
				c.rememberPost(asked)
			}
			return nil
		case posts: // next time it is GET again
			c.postOnly.Delete(asked)
		case short && byGET == nil: // by GET it does not know the certificate
			return nil
		}
		return join(byGET, err)
	})
	return answer, response, err
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

// send asks, and judges the answer.
func (a *ocspQuery) send(ctx context.Context, r fetch.Request, before ocsp.Answer, has bool) (ocsp.Answer, []byte, error) {
	got, err := a.checker.options.Fetcher.Do(ctx, r, a.how, ocsp.MaxSize)
	if err != nil {
		return ocsp.Answer{}, nil, err
	}
	defer got.Body.Close()
	response, err := io.ReadAll(got.Body)
	if err != nil {
		return ocsp.Answer{}, nil, err
	}
	answer, err := a.judge(response, before, has)
	if err != nil {
		return ocsp.Answer{}, nil, fmt.Errorf("judging the response: %w", err)
	}
	return answer, response, nil
}
