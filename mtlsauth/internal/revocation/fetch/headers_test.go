package fetch_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/revocation/fetch"
)

// TestSentHeaders: what is sent, to the letter.
func TestSentHeaders(t *testing.T) {
	for _, test := range []struct {
		name    string
		agent   string
		request fetch.Request
		want    []string // besides Host, sorted
	}{
		{"nothing", "", fetch.Request{}, nil},
		{"agent", "mtls-auth/1", fetch.Request{}, []string{"User-Agent: mtls-auth/1"}},
		{"conditional", "", fetch.Request{Accept: "application/pkix-crl", IfNoneMatch: `"e"`, IfModifiedSince: "m"}, []string{"Accept: application/pkix-crl", "If-Modified-Since: m", `If-None-Match: "e"`}},
		{"POST", "", fetch.Request{Method: "POST", ContentType: "a/b", Accept: "c/d", IfNoneMatch: `"e"`}, []string{"Accept: c/d", "Content-Length: 0", "Content-Type: a/b"}},
	} {
		header := make(chan string, 1)
		addr := answering(t, func(conn net.Conn) {
			header <- readHeader(conn)
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		})
		// As OCSP by GET escapes its base64 (RFC 6960, appendix A.1).
		test.request.URL = "http://" + addr + "/ocsp//ME%2Fw%2BT%3D=?b%20c"
		if _, _, err := do(t, newClient(t, fetch.Options{UserAgent: test.agent}), test.request, fetch.How{}); err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		lines := strings.Split(strings.TrimSuffix(<-header, "\r\n\r\n"), "\r\n")
		slices.Sort(lines[1:])
		method := test.request.Method
		if method == "" {
			method = "GET"
		}
		want := append([]string{"Host: " + addr}, test.want...)
		slices.Sort(want)
		if want = append([]string{method + " /ocsp//ME%2Fw%2BT%3D=?b%20c HTTP/1.1"}, want...); !slices.Equal(lines, want) {
			t.Errorf("%s: got %q, want %q", test.name, lines, want)
		}
	}
}

// TestNothingCarriedOver: neither a cookie nor where it came from goes with a
// later request or a redirect, to the same host or another.
func TestNothingCarriedOver(t *testing.T) {
	check := func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"Cookie", "Referer", "Authorization", "Proxy-Authorization", "Accept-Encoding", "Origin"} {
			if value := r.Header.Get(name); value != "" {
				t.Errorf("%s: got %s: %s", r.URL, name, value)
			}
		}
		http.SetCookie(w, &http.Cookie{Name: "id", Value: "1", Path: "/"})
		w.Header().Set("WWW-Authenticate", "Basic realm=x")
	}
	other := serveAt(t, "127.0.0.2", 0, check)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		check(w, r)
		switch r.URL.Path {
		case "/same":
			http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
		case "/other":
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		case "/login":
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	c := newClient(t, fetch.Options{})
	for _, path := range []string{"/", "/login", "/same", "/other", "/"} {
		for _, method := range []string{"GET", "POST"} {
			_, _, err := do(t, c, fetch.Request{Method: method, URL: s.URL + path}, fetch.How{})
			if path == "/login" {
				wantKind(t, path, err, fetch.Status)
			} else if err != nil {
				t.Errorf("%s %s: %v", method, path, err)
			}
		}
	}
}

// TestHeaderInjection: validators come from hosts.
func TestHeaderInjection(t *testing.T) {
	s := serve(t, unasked(t))
	c := newClient(t, fetch.Options{})
	for i, r := range []fetch.Request{
		{IfNoneMatch: "a\r\nX: y"}, {IfModifiedSince: "a\nX: y"}, {Accept: "a\x00"}, {Method: "POST", ContentType: "a\rb"},
	} {
		r.URL = s.URL
		_, _, err := do(t, c, r, fetch.How{})
		wantKind(t, fmt.Sprint(i), err, fetch.Protocol)
	}
}
