package fetch

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"strings"
)

// exchange makes one request and judges the header of its answer. It returns a
// response, or the address of a redirect and nil, or an error.
func (c *Client) exchange(ctx context.Context, r Request, t target, how How, maxBytes int64) (*Response, string, error) {
	if t.literal.IsValid() {
		// A proxy would connect to it without anybody having judged it.
		if err := c.allowed(netip.AddrPortFrom(t.literal, t.Port)); err != nil {
			return nil, "", err
		}
	}
	release, err := c.gates.enter(ctx, gateKey{t.Address, how.Proxy(t.Address)})
	if err != nil {
		return nil, "", err
	}
	answer, err := c.send(ctx, r, t, how)
	if err != nil {
		release()
		return nil, "", err
	}
	from := &body{ctx: ctx, from: answer.Body, release: release, left: maxBytes, limit: maxBytes}
	response, location, err := judgeHeader(answer, r, maxBytes)
	if response == nil {
		from.Close()
		return nil, location, err
	}
	response.Body = from
	if response.Status == http.StatusNotModified {
		from.Close()
		response.Body = http.NoBody
	}
	return response, "", nil
}

// send makes one request. What it sends is all here.
func (c *Client) send(ctx context.Context, r Request, t target, how How) (*http.Response, error) {
	var content io.Reader
	if r.Method == http.MethodPost {
		content = bytes.NewReader(r.Body)
	}
	unconnected := false
	traced := httptrace.WithClientTrace(withCaller(ctx), &httptrace.ClientTrace{
		GetConn: func(string) { unconnected = true },
		GotConn: func(httptrace.GotConnInfo) { unconnected = false },
	})
	request, err := http.NewRequestWithContext(traced, r.Method, t.url.String(), content)
	if err != nil {
		return nil, failed(ctx, "making a request", Timeout, err)
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
	answer, err := c.transports.get(how).RoundTrip(request)
	if err != nil {
		late := Timeout
		if unconnected {
			late = Connect
		}
		return nil, failed(ctx, "waiting for an answer", late, err)
	}
	return answer, nil
}

// judgeHeader sorts answers by their status. Its response has no body yet.
func judgeHeader(answer *http.Response, r Request, maxBytes int64) (*Response, string, error) {
	status := answer.StatusCode
	switch status {
	case http.StatusOK:
		for _, coding := range answer.Header.Values("Content-Encoding") {
			// None was accepted, and what unpacks to more than was sent is not
			// to be bounded by what was sent.
			if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
				return nil, "", &Error{Kind: Protocol, Err: fmt.Errorf("the answer has the content coding %.20q, which was not asked for", coding)}
			}
		}
		if answer.ContentLength > maxBytes {
			return nil, "", &Error{Kind: TooLarge, Err: fmt.Errorf("%w: %d bytes, at most %d are accepted", ErrTooLarge, answer.ContentLength, maxBytes)}
		}
		return response(answer), "", nil
	case http.StatusNotModified:
		if r.Method == http.MethodGet && (r.IfNoneMatch != "" || r.IfModifiedSince != "") {
			return response(answer), "", nil
		}
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther:
		if r.Method != http.MethodGet {
			return nil, "", &Error{Kind: Redirect, Err: fmt.Errorf("status %d to a %s, which would lose what was asked", status, r.Method)}
		}
		return nil, answer.Header.Get("Location"), nil
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return nil, answer.Header.Get("Location"), nil
	}
	return nil, "", &Error{Kind: Status, Status: status, Err: fmt.Errorf("the answer has status %d", status)}
}

func response(answer *http.Response) *Response {
	validator := func(name string) string {
		if value := answer.Header.Get(name); len(value) <= maxValidator {
			return value
		}
		return ""
	}
	return &Response{
		Status:        answer.StatusCode,
		ETag:          validator("Etag"),
		LastModified:  validator("Last-Modified"),
		ContentLength: answer.ContentLength,
	}
}
