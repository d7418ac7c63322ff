package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/fetch"
)

const limit = 1 << 16

// within ends with the test, and long before go test does.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func soon(t *testing.T) context.Context {
	t.Helper()
	return within(t, 10*time.Second)
}

// do makes an exchange and reads its body.
func do(t *testing.T, c *fetch.Client, r fetch.Request, how fetch.How) (*fetch.Response, string, error) {
	t.Helper()
	response, err := c.Do(soon(t), r, how, limit)
	if err != nil {
		if response != nil {
			t.Errorf("got a response with %v", err)
		}
		return nil, "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return response, string(content), err
}

func get(t *testing.T, c *fetch.Client, url string) (string, error) {
	t.Helper()
	_, content, err := do(t, c, fetch.Request{URL: url}, fetch.How{})
	return content, err
}

func wantKind(t *testing.T, what string, err error, want fetch.Kind) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: got no error, want one of kind %v", what, want)
		return
	}
	e, ok := errors.AsType[*fetch.Error](err)
	if !ok {
		t.Errorf("%s: got a %T, want a *fetch.Error", what, err)
		return
	}
	if e.Kind != want {
		t.Errorf("%s: got kind %v, want %v (%v)", what, e.Kind, want, err)
	}
}

// serve starts an HTTP server at 127.0.0.1.
func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func newClient(t *testing.T, o fetch.Options) *fetch.Client {
	t.Helper()
	c := fetch.New(o)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func TestGet(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"one"`)
		w.Header().Set("Last-Modified", "Tue, 02 Jan 2024 03:04:05 GMT")
		io.WriteString(w, "a list")
	})
	response, content, err := do(t, newClient(t, fetch.Options{}), fetch.Request{URL: s.URL + "/a%20list?b=c#d"}, fetch.How{})
	if err != nil {
		t.Fatal(err)
	}
	if content != "a list" || response.Status != 200 || response.ETag != `"one"` || response.LastModified != "Tue, 02 Jan 2024 03:04:05 GMT" || response.ContentLength != 6 {
		t.Errorf("got %q, %+v", content, response)
	}
}

func TestPost(t *testing.T) {
	question := []byte{0x30, 0x00, 0xff}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		content, _ := io.ReadAll(r.Body)
		if r.Method != "POST" || !bytes.Equal(content, question) || r.ContentLength != 3 ||
			r.Header.Get("Content-Type") != "application/ocsp-request" || r.Header.Get("Accept") != "application/ocsp-response" {
			t.Errorf("got %s with %x, %v", r.Method, content, r.Header)
		}
		io.WriteString(w, "an answer")
	})
	_, content, err := do(t, newClient(t, fetch.Options{}), fetch.Request{
		Method: "POST", URL: s.URL, Body: question, ContentType: "application/ocsp-request", Accept: "application/ocsp-response",
	}, fetch.How{})
	if err != nil || content != "an answer" {
		t.Errorf("got %q, %v", content, err)
	}
}

func TestOtherMethods(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was asked") })
	for _, method := range []string{"HEAD", "PUT", "get", "CONNECT"} {
		_, _, err := do(t, newClient(t, fetch.Options{}), fetch.Request{Method: method, URL: s.URL}, fetch.How{})
		wantKind(t, method, err, fetch.Protocol)
	}
}

func TestConditional(t *testing.T) {
	const modified = "Tue, 02 Jan 2024 03:04:05 GMT"
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"two"`)
		if r.URL.Path == "/never" || r.Header.Get("If-None-Match") == `"two"` || r.Header.Get("If-Modified-Since") == modified {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		io.WriteString(w, "changed")
	})
	c := newClient(t, fetch.Options{})
	for _, test := range []struct {
		name    string
		request fetch.Request
		status  int
		content string
	}{
		{"unconditional", fetch.Request{}, 200, "changed"},
		{"another tag", fetch.Request{IfNoneMatch: `"one"`}, 200, "changed"},
		{"the tag", fetch.Request{IfNoneMatch: `"two"`}, 304, ""},
		{"the time", fetch.Request{IfModifiedSince: modified}, 304, ""},
	} {
		test.request.URL = s.URL
		response, content, err := do(t, c, test.request, fetch.How{})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if response.Status != test.status || content != test.content || response.ETag != `"two"` {
			t.Errorf("%s: got %d, %q, %s", test.name, response.Status, content, response.ETag)
		}
	}
	// 304 where nothing can have been modified.
	_, err := get(t, c, s.URL+"/never")
	wantKind(t, "unconditional", err, fetch.Status)
	_, _, err = do(t, c, fetch.Request{Method: "POST", URL: s.URL + "/never", IfNoneMatch: `"two"`}, fetch.How{})
	wantKind(t, "POST", err, fetch.Status)
}

func TestOverlongValidators(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"`+strings.Repeat("e", 600)+`"`)
		w.Header().Set("Last-Modified", strings.Repeat("m", 600))
	})
	response, _, err := do(t, newClient(t, fetch.Options{}), fetch.Request{URL: s.URL}, fetch.How{})
	if err != nil || response.ETag != "" || response.LastModified != "" {
		t.Errorf("got %+v, %v", response, err)
	}
}

func TestStatus(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var status int
		for _, d := range r.URL.Path[1:] {
			status = 10*status + int(d-'0')
		}
		w.WriteHeader(status)
		if status != 204 {
			io.WriteString(w, "a page")
		}
	})
	c := newClient(t, fetch.Options{})
	for _, status := range []string{"201", "203", "204", "206", "300", "305", "400", "401", "404", "407", "429", "500", "503"} {
		content, err := get(t, c, s.URL+"/"+status)
		wantKind(t, status, err, fetch.Status)
		if e, ok := errors.AsType[*fetch.Error](err); content != "" || !ok || e.Status == 0 || !strings.Contains(e.Error(), status) {
			t.Errorf("%s: got %q, %v", status, content, err)
		}
	}
}
