package fetch_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/revocation/fetch"
)

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
	if content != "a list" || response.Status != 200 || response.ETag != `"one"` || response.LastModified != "Tue, 02 Jan 2024 03:04:05 GMT" {
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
		if e, ok := errors.AsType[*fetch.Error](err); content != "" || !ok || !strings.Contains(e.Error(), status) {
			t.Errorf("%s: got %q, %v", status, content, err)
		}
	}
}
