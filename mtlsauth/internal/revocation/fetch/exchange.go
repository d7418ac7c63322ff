package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"mtls-auth/mtlsauth/internal/revocation/address"
)

// request is all that is sent.
func (c *Client) request(ctx context.Context, r Request, u address.URL) (*http.Request, error) {
	var content io.Reader
	if r.Method == http.MethodPost {
		content = bytes.NewReader(r.Body)
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, u.String(), content)
	if err != nil {
		return nil, err
	}
	set := func(name, value string) {
		if value != "" {
			request.Header[name] = []string{value}
		}
	}
	request.Header["User-Agent"] = []string{c.options.UserAgent} // the default one is left out for an empty one
	set("Accept", r.Accept)
	if r.Method == http.MethodPost {
		set("Content-Type", r.ContentType)
		// Empty, it is not sent, and tells the transport that the request may
		// be repeated on a new connection when it was lost on a kept one.
		request.Header["Idempotency-Key"] = []string{}
	} else {
		set("If-None-Match", r.IfNoneMatch)
		set("If-Modified-Since", r.IfModifiedSince)
	}
	return request, nil
}

// judgeHeader sorts answers by their status. Its response has no body yet.
func judgeHeader(answer *http.Response, r Request, maxBytes int64) (*Response, error) {
	status := answer.StatusCode
	switch status {
	case http.StatusOK:
		for _, coding := range answer.Header.Values("Content-Encoding") {
			// None was accepted, and what unpacks to more than was sent is not
			// to be bounded by what was sent.
			if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
				return nil, &Error{Kind: Protocol, Err: fmt.Errorf("the answer has the content coding %.20q, which was not asked for", coding)}
			}
		}
		if answer.ContentLength > maxBytes {
			return nil, &Error{Kind: TooLarge, Err: fmt.Errorf("the body is larger than allowed: %d bytes, at most %d are accepted", answer.ContentLength, maxBytes)}
		}
		return response(answer), nil
	case http.StatusNotModified:
		if r.Method == http.MethodGet && (r.IfNoneMatch != "" || r.IfModifiedSince != "") {
			return response(answer), nil
		}
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return nil, &Error{Kind: Redirect, Err: errors.New("a redirect without a usable URL")}
	}
	return nil, &Error{Kind: Status, Err: fmt.Errorf("the answer has status %d", status)}
}

func response(answer *http.Response) *Response {
	validator := func(name string) string {
		if value := answer.Header.Get(name); len(value) <= maxValidator {
			return value
		}
		return ""
	}
	return &Response{Status: answer.StatusCode, ETag: validator("Etag"), LastModified: validator("Last-Modified")}
}
