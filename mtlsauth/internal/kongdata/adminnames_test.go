package kongdata_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
)

func TestNamesStayInTheirPlace(t *testing.T) {
	admin := newKong()
	server := httptest.NewServer(admin)
	defer server.Close()
	for i, name := range oddNames {
		admin.add(consumer.Consumer{ID: uuid(1000 + i), Username: name, CustomID: "u" + name})
		admin.add(consumer.Consumer{ID: uuid(2000 + i), CustomID: name})
	}
	// All that a wrong URL would lead to.
	for i, name := range []string{"x", "a", "b", "", ".."} {
		admin.add(consumer.Consumer{ID: uuid(3000 + i), Username: name, CustomID: name + "'s"})
	}
	s, _ := openAdmin(t, kongdata.Config{AdminURL: server.URL})
	for i, name := range oddNames {
		admin.targets = nil
		got, err := find(t.Context(), s, consumer.ByUsername, name)
		if err != nil || got.ID != uuid(1000+i) {
			t.Errorf("username %q: got %+v, %v", name, got, err)
		}
		got, err = find(t.Context(), s, consumer.ByCustomID, name)
		if err != nil || got.ID != uuid(2000+i) {
			t.Errorf("custom_id %q: got %+v, %v", name, got, err)
		}
		wantLookup(t, s, consumer.ByUsername, name+"~", "absent")
		wantLookup(t, s, consumer.ByCustomID, name+"~", "absent")
		if len(admin.targets) != 4 {
			t.Fatalf("%q: asked for %q", name, admin.targets)
		}
		for j, target := range admin.targets {
			begin := []string{"/consumers/", "/consumers?custom_id="}[j%2]
			rest, ok := strings.CutPrefix(target, begin)
			if !ok || strings.ContainsAny(rest, "/?#;+&= ") || rest == "" {
				t.Errorf("%q: asked for %q", name, target)
			}
		}
	}
}

func TestNamesWithoutAPlace(t *testing.T) {
	admin := newKong()
	server := httptest.NewServer(admin)
	defer server.Close()
	s, log := openAdmin(t, kongdata.Config{AdminURL: server.URL})
	wantLookup(t, s, consumer.ByUsername, ".", `unanswerable: …`)
	wantLookup(t, s, consumer.ByUsername, "..", `unanswerable: …`)
	wantLookup(t, s, consumer.ByUsername, "", `unanswerable: …`)
	wantLookup(t, s, consumer.ByCustomID, "", `unanswerable: …`)
	wantLookup(t, s, consumer.ByUsername, "a\xffb", `unanswerable: …`)
	wantLookup(t, s, consumer.ByUsername, "a\ufffdb", `unanswerable: …`)
	wantLookup(t, s, consumer.ByCustomID, "\xc3", `unanswerable: …`)
	if len(admin.targets) != 0 {
		t.Errorf("asked for %q", admin.targets)
	}
	// In a query they are names like others.
	admin.add(consumer.Consumer{ID: uuid(1), CustomID: ".."})
	wantLookup(t, s, consumer.ByCustomID, "..", "custom_id ..")
	wantLookup(t, s, consumer.ByCustomID, ".", "absent")
	if log.count("does not answer") != 0 {
		t.Errorf("a client's name is logged as a fault of the source:\n%s", log)
	}
}

// Kong takes a UUID for an id: it cannot be asked for such a username.
func TestUsernameLikeAnID(t *testing.T) {
	admin := newKong()
	server := httptest.NewServer(admin)
	defer server.Close()
	s, _ := openAdmin(t, kongdata.Config{AdminURL: server.URL})
	admin.add(consumer.Consumer{ID: uuid(1), Username: "other"})
	admin.add(consumer.Consumer{ID: uuid(2), Username: uuid(3)})
	admin.add(consumer.Consumer{ID: uuid(4), Username: uuid(4)})
	wantLookup(t, s, consumer.ByUsername, uuid(1), "unanswerable: …")
	wantLookup(t, s, consumer.ByUsername, strings.ToUpper(uuid(10)), "unanswerable: …")
	wantLookup(t, s, consumer.ByUsername, uuid(3), "unanswerable: …")
	wantLookup(t, s, consumer.ByUsername, uuid(4), uuid(4))
	wantLookup(t, s, consumer.ByUsername, "other", "other")
	wantLookup(t, s, consumer.ByID, uuid(1), "other")
	wantLookup(t, s, consumer.ByID, uuid(3), "absent")
	// As a custom_id it is one like any other.
	admin.add(consumer.Consumer{ID: uuid(5), CustomID: uuid(1)})
	wantLookup(t, s, consumer.ByCustomID, uuid(1), "custom_id "+uuid(1))
	wantLookup(t, s, consumer.ByCustomID, uuid(2), "absent")
}

func TestPathSegment(t *testing.T) {
	for name, want := range map[string]string{
		"a.b-c_d~E0": "a.b-c_d~E0", "a b": "a%20b", "a+b": "a%2Bb", "ä": "%C3%A4", "a/../b": "a%2F..%2Fb", "...": "...", "%2e": "%252e", "\x00\xff": "%00%FF",
	} {
		if got, err := kongdata.PathSegment(name); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"", ".", ".."} {
		if got, err := kongdata.PathSegment(name); !errors.Is(err, kongdata.ErrUnanswerable) || got != "" {
			t.Errorf("%q: got %q, %v", name, got, err)
		}
	}
}

// FuzzPathSegment: whatever the name, the request target has the two segments
// that it shall have, and the name is what its unescaping gives.
func FuzzPathSegment(f *testing.F) {
	for _, name := range append(oddNames, "", ".", "..", "\xff") {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		segment, err := kongdata.PathSegment(name)
		if err != nil {
			if segment != "" || name != "" && name != "." && name != ".." {
				t.Fatalf("%q: got %q, %v", name, segment, err)
			}
		} else {
			target := requestTarget(t, "http://127.0.0.1:1/consumers/"+segment)
			segments := strings.Split(target, "/")
			if len(segments) != 3 || segments[0] != "" || segments[1] != "consumers" || segments[2] == "" {
				t.Fatalf("%q: target %q", name, target)
			}
			if strings.ContainsAny(target, "?#;+ ") || segments[2] == "." || segments[2] == ".." {
				t.Fatalf("%q: target %q", name, target)
			}
			// With "+" for a space, as Kong does, and without.
			for _, unescape := range []func(string) (string, error){url.PathUnescape, url.QueryUnescape} {
				if got, err := unescape(segments[2]); err != nil || got != name {
					t.Fatalf("%q: target %q is for %q, %v", name, target, got, err)
				}
			}
		}
		target := requestTarget(t, "http://127.0.0.1:1/consumers?custom_id="+kongdata.Escape(name))
		path, query, _ := strings.Cut(target, "?")
		args, err := url.ParseQuery(query)
		if path != "/consumers" || err != nil || len(args) != 1 || !slices.Equal(args["custom_id"], []string{name}) {
			t.Fatalf("%q: target %q", name, target)
		}
	})
}

// requestTarget is what net/http writes into the first line of a request.
func requestTarget(t *testing.T, address string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := req.Write(&out); err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(out.String(), "\r\n")
	target, ok := strings.CutPrefix(line, "GET ")
	target, ok2 := strings.CutSuffix(target, " HTTP/1.1")
	if !ok || !ok2 {
		t.Fatalf("request line %q", line)
	}
	return target
}
