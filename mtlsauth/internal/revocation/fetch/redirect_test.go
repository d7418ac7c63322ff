package fetch_test

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"mtls-auth/mtlsauth/internal/revocation/fetch"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

const allowedRedirects = 3

// TestRedirectChains: three are followed, a fourth is not.
func TestRedirectChains(t *testing.T) {
	for redirects := range allowedRedirects + 2 {
		var asked atomic.Int32
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			n := int(asked.Add(1))
			if n <= redirects {
				http.Redirect(w, r, fmt.Sprintf("/%d", n), http.StatusMovedPermanently)
				return
			}
			io.WriteString(w, r.URL.Path)
		})
		content, err := get(t, newClient(t, fetch.Options{}), s.URL+"/0")
		want := fmt.Sprintf("/%d", redirects)
		if redirects > allowedRedirects {
			wantKind(t, "one too many", err, fetch.Redirect)
			want = ""
		} else if err != nil {
			t.Errorf("%d redirects: %v", redirects, err)
		}
		if content != want || int(asked.Load()) != min(redirects, allowedRedirects)+1 {
			t.Errorf("%d redirects: got %q after %d requests", redirects, content, asked.Load())
		}
	}
}

func TestRedirectStatuses(t *testing.T) {
	for _, test := range []struct {
		status   int
		get      bool
		post     bool
		location string
	}{
		{301, true, false, "/there"}, {302, true, false, "/there"}, {303, true, false, "/there"},
		{307, true, true, "/there"}, {308, true, true, "/there"},
		{307, true, true, "there?a=b#c"}, {307, true, true, "//HOST/there"},
		{302, false, false, ""}, {307, false, false, ""}, {308, false, false, "/%zz"},
		{307, true, true, "/there?a b"}, {302, false, false, "/" + strings.Repeat("a", 8000)},
	} {
		var asked atomic.Int32
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			if r.URL.Path != "/there" {
				if test.location != "" {
					w.Header().Set("Location", strings.Replace(test.location, "HOST", r.Host, 1))
				}
				w.WriteHeader(test.status)
				return
			}
			content, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %s %s", r.Method, content, r.Header.Get("Content-Type"))
		})
		c := newClient(t, fetch.Options{})
		for _, want := range []struct {
			method, content string
			ok              bool
		}{{"GET", "GET  ", test.get}, {"POST", "POST question a/b", test.post}} {
			name := fmt.Sprintf("%s, %d to %.20q", want.method, test.status, test.location)
			asked.Store(0)
			_, content, err := do(t, c, fetch.Request{Method: want.method, URL: s.URL + "/here", Body: []byte("question"), ContentType: "a/b"}, fetch.How{})
			if !want.ok {
				wantKind(t, name, err, fetch.Redirect)
				if n := asked.Load(); n != 1 {
					t.Errorf("%s: got %d requests, want 1", name, n)
				}
			} else if err != nil || content != want.content {
				t.Errorf("%s: got %q, %v, want %q", name, content, err, want.content)
			}
		}
	}
}

// TestRedirectsRefused: what is no address for Do is none for a redirect
// either, and the error is about the redirect.
func TestRedirectsRefused(t *testing.T) {
	gone := serve(t, unasked(t))
	gone.Close()
	for _, to := range []string{
		"file:///etc/passwd", "ftp://127.0.0.1/", "ldap://127.0.0.1/", "gopher://127.0.0.1/", "javascript:1", "http:opaque",
		"http:///", "http://user@127.0.0.1/", "http://127.0.0.1:0/", "http://2130706433/",
		"http://169.254.169.254/latest/meta-data/", "http://[::ffff:a9fe:a9fe]/", "http://[fe80::1]/", "http://0.0.0.0/", "//169.254.169.254/",
		"http://metadata.test/", "https://metadata.test/",
		gone.URL, // not to be reached
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusTemporaryRedirect)
		})
		c := newClient(t, fetch.Options{})
		c.UseResolver(dns(t, func(string) []string { return []string{"169.254.169.254"} }))
		for _, method := range []string{"GET", "POST"} {
			_, _, err := do(t, c, fetch.Request{Method: method, URL: s.URL}, fetch.How{})
			wantKind(t, method+" to "+to, err, fetch.Redirect)
		}
	}
}

func TestRedirectDenyPrivate(t *testing.T) {
	// The first address is public to the client under test by way of a proxy,
	// whose own address is not judged.
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "ocsp.invalid" {
			t.Errorf("the proxy was asked for %s", r.RequestURI)
		}
		http.Redirect(w, r, "http://10.0.0.1/", http.StatusFound)
	})
	c := newClient(t, fetch.Options{DenyPrivate: true})
	_, _, err := do(t, c, fetch.Request{URL: "http://ocsp.invalid/"}, fetch.How{HTTPProxy: addrPort(t, proxy).String()})
	wantKind(t, "redirect to a private address", err, fetch.Redirect)
}

// TestRedirectSchemes: between http and https in both directions. What is
// fetched is signed, and was asked for over http by most certificates anyway.
func TestRedirectSchemes(t *testing.T) {
	ca := pki.NewCA("web")
	there := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "there") }
	plain, secure := serve(t, there), serveTLS(t, ca, there)
	fromPlain := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, secure.URL, http.StatusFound) })
	fromSecure := serveTLS(t, ca, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, plain.URL, http.StatusFound) })
	c := newClient(t, fetch.Options{Roots: pool(ca)})
	for _, url := range []string{fromPlain.URL, fromSecure.URL} {
		if _, content, err := do(t, c, fetch.Request{URL: url}, fetch.How{SSLVerify: true}); err != nil || content != "there" {
			t.Errorf("%s: got %q, %v", url, content, err)
		}
	}
}

// TestRedirectStatus: a status after a redirect is a status.
func TestRedirectStatus(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/gone", http.StatusFound)
			return
		}
		w.WriteHeader(http.StatusGone)
	})
	_, err := get(t, newClient(t, fetch.Options{}), s.URL)
	wantKind(t, "gone", err, fetch.Status)
	if !strings.Contains(err.Error(), "410") {
		t.Errorf("got %v", err)
	}
}

// TestRedirectConditional: a conditional request stays one where it is
// redirected to, where its validators came from.
func TestRedirectConditional(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/there", http.StatusFound)
		} else if r.Header.Get("If-None-Match") == `"one"` {
			w.WriteHeader(http.StatusNotModified)
		}
	})
	response, _, err := do(t, newClient(t, fetch.Options{}), fetch.Request{URL: s.URL, IfNoneMatch: `"one"`}, fetch.How{})
	if err != nil || response.Status != http.StatusNotModified {
		t.Errorf("got %+v, %v", response, err)
	}
}

// TestRedirectToOwnListener: by a literal, judged before anything is sent.
func TestRedirectToOwnListener(t *testing.T) {
	kong := serve(t, unasked(t))
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, kong.URL, http.StatusPermanentRedirect)
	})
	c := newClient(t, fetch.Options{OwnListeners: func() []netip.AddrPort { return []netip.AddrPort{addrPort(t, kong)} }})
	_, err := get(t, c, s.URL)
	wantKind(t, "Kong", err, fetch.Redirect)
}
