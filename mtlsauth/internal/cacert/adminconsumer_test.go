package cacert_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/cacert"
)

// kong answers for consumers as Kong's Admin API does (kong/api/endpoints.lua
// and lapis's router): the path is taken as it was sent, a name in it is
// everything but "/" and is unescaped once, "+" being a space, and what is a
// UUID then is an id and nothing else.
type kong struct {
	mu        sync.Mutex
	consumers []cacert.Consumer
	targets   []string // as they were sent
}

func newKong() *kong { return new(kong) }

func (k *kong) add(c cacert.Consumer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.consumers = append(k.consumers, c)
}

func (k *kong) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.targets = append(k.targets, r.RequestURI)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	path, query, _ := strings.Cut(r.RequestURI, "?")
	args, err := url.ParseQuery(query)
	raw, ok := strings.CutPrefix(path, "/consumers/")
	name, bad := url.QueryUnescape(raw)
	switch {
	case err != nil || bad != nil:
		http.Error(w, `{"message":"bad"}`, 400)
	case path == "/consumers" && len(args) == 1 && args.Get("custom_id") != "":
		data := []any{}
		for _, c := range k.consumers {
			if c.CustomID == args.Get("custom_id") {
				data = append(data, entityOf(c))
			}
		}
		json.NewEncoder(w).Encode(map[string]any{"data": data, "next": nil})
	case ok && raw != "" && !strings.Contains(raw, "/") && query == "":
		for _, c := range k.consumers {
			if isUUID(name) && c.ID == strings.ToLower(name) || !isUUID(name) && c.Username == name {
				json.NewEncoder(w).Encode(entityOf(c))
				return
			}
		}
		fallthrough
	default:
		http.Error(w, `{"message":"Not found"}`, 404)
	}
}

func isUUID(s string) bool {
	return len(s) == 36 && strings.Count(s, "-") == 4 && strings.Trim(s, "-0123456789abcdefABCDEF") == ""
}

func entityOf(c cacert.Consumer) map[string]any {
	or := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	return map[string]any{"id": c.ID, "username": or(c.Username), "custom_id": or(c.CustomID), "tags": c.Tags, "created_at": c.CreatedAt, "updated_at": 1, "type": 0}
}

// oddNames try to leave their place in an address.
var oddNames = []string{
	"../x", "x/..", "a/b", "a?b", "a%2fb", "a%2Fb", "%", "%%", "%zz", "%2e%2e", "...", ".x", "x.", " ", "  ", "a b", "a+b", "+", "ä", "a\u0308",
	"a#b", "#", "?", "/", "//", "a;b", "a,b", "a&b=c", "a=b", "a:b", "a@b", "user+tag@example.com", "a\\b", "..\\x", "[::1]", "a|b", "\"", "'", "<x>",
	"{}", "a\tb", "a\r\nX: y", "\x00", "\x7f", "日本", "🔑", "spiffe://example.org/ns/x?y#z", "http://127.0.0.1/", "CN=x,O=y", "*", "-", "_", "~",
	"/consumers", "?custom_id=x", "consumers", strings.Repeat("a", 300), strings.Repeat("ä/", 150), "../../ca_certificates/" + uuid(1), uuid(1) + "x", uuid(1)[:35],
}

func TestNamesStayInTheirPlace(t *testing.T) {
	admin := newKong()
	server := httptest.NewServer(admin)
	defer server.Close()
	for i, name := range oddNames {
		admin.add(cacert.Consumer{ID: uuid(1000 + i), Username: name, CustomID: "u" + name})
		admin.add(cacert.Consumer{ID: uuid(2000 + i), CustomID: name})
	}
	// Everybody that a wrong address would lead to.
	for i, name := range []string{"x", "a", "b", "", ".."} {
		admin.add(cacert.Consumer{ID: uuid(3000 + i), Username: name, CustomID: name + "'s"})
	}
	s, _ := openAdmin(t, cacert.Config{AdminURL: server.URL})
	for i, name := range oddNames {
		admin.targets = nil
		got, err := s.Consumer(t.Context(), cacert.ByUsername, name)
		if err != nil || got.ID != uuid(1000+i) {
			t.Errorf("username %q: got %+v, %v", name, got, err)
		}
		got, err = s.Consumer(t.Context(), cacert.ByCustomID, name)
		if err != nil || got.ID != uuid(2000+i) {
			t.Errorf("custom_id %q: got %+v, %v", name, got, err)
		}
		wantLookup(t, s, cacert.ByUsername, name+"~", "nobody")
		wantLookup(t, s, cacert.ByCustomID, name+"~", "nobody")
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
	s, log := openAdmin(t, cacert.Config{AdminURL: server.URL})
	wantLookup(t, s, cacert.ByUsername, ".", `unanswerable: …`)
	wantLookup(t, s, cacert.ByUsername, "..", `unanswerable: …`)
	wantLookup(t, s, cacert.ByUsername, "", `unanswerable: …`)
	wantLookup(t, s, cacert.ByCustomID, "", `unanswerable: …`)
	wantLookup(t, s, cacert.ByUsername, "a\xffb", `unanswerable: …`)
	wantLookup(t, s, cacert.ByUsername, "a\ufffdb", `unanswerable: …`)
	wantLookup(t, s, cacert.ByCustomID, "\xc3", `unanswerable: …`)
	if len(admin.targets) != 0 {
		t.Errorf("asked for %q", admin.targets)
	}
	// In a query they are names like others.
	admin.add(cacert.Consumer{ID: uuid(1), CustomID: ".."})
	wantLookup(t, s, cacert.ByCustomID, "..", "custom_id ..")
	wantLookup(t, s, cacert.ByCustomID, ".", "nobody")
	if log.count("does not answer") != 0 {
		t.Errorf("a client's name is logged as a fault of the source:\n%s", log)
	}
}

// Kong takes a UUID for an id: it can not be asked for such a username.
func TestUsernameLikeAnID(t *testing.T) {
	admin := newKong()
	server := httptest.NewServer(admin)
	defer server.Close()
	s, _ := openAdmin(t, cacert.Config{AdminURL: server.URL})
	admin.add(cacert.Consumer{ID: uuid(1), Username: "somebody"})
	admin.add(cacert.Consumer{ID: uuid(2), Username: uuid(3)})
	admin.add(cacert.Consumer{ID: uuid(4), Username: uuid(4)})
	wantLookup(t, s, cacert.ByUsername, uuid(1), "unanswerable: …")
	wantLookup(t, s, cacert.ByUsername, strings.ToUpper(uuid(10)), "unanswerable: …")
	wantLookup(t, s, cacert.ByUsername, uuid(3), "unanswerable: …")
	wantLookup(t, s, cacert.ByUsername, uuid(4), uuid(4))
	wantLookup(t, s, cacert.ByUsername, "somebody", "somebody")
	wantLookup(t, s, cacert.ByID, uuid(1), "somebody")
	wantLookup(t, s, cacert.ByID, uuid(3), "nobody")
	// As a custom_id it is one like any other.
	admin.add(cacert.Consumer{ID: uuid(5), CustomID: uuid(1)})
	wantLookup(t, s, cacert.ByCustomID, uuid(1), "custom_id "+uuid(1))
	wantLookup(t, s, cacert.ByCustomID, uuid(2), "nobody")
}

func TestAdminConsumerFields(t *testing.T) {
	admin := newKong()
	server := httptest.NewServer(admin)
	defer server.Close()
	s, _ := openAdmin(t, cacert.Config{AdminURL: server.URL})
	for i, want := range []cacert.Consumer{
		{ID: uuid(1), Username: "x", CustomID: "c", Tags: []string{"a", "b"}, CreatedAt: 1_700_000_000},
		{ID: uuid(2), Username: "y", Tags: nil},
		{ID: uuid(3), CustomID: "z"},
	} {
		admin.add(want)
		got, err := s.Consumer(t.Context(), cacert.ByID, want.ID)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%d: got %+v, %v, want %+v", i, got, err, want)
		}
	}
}

// adminAnswer serves one answer to everything.
func adminAnswer(t *testing.T, h http.HandlerFunc) (*cacert.Store, *consumerFake, *logBuffer) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	lower := newConsumerFake("lower")
	for _, by := range []string{"id=" + uuid(1), "username=x", "custom_id=c"} {
		lower.consumers[by] = cacert.Consumer{ID: uuid(1), Username: "x", CustomID: "c", Tags: []string{"lower"}}
	}
	s, log := openAdmin(t, cacert.Config{AdminURL: server.URL}, lower)
	return s, lower, log
}

// Whatever is no consumer that was asked for and no 404 is a failure, and the
// source below is not asked.
func TestAdminConsumerAnswers(t *testing.T) {
	entity := func(id, username, customID string) string {
		return fmt.Sprintf(`{"id":%s,"username":%s,"custom_id":%s,"tags":null,"created_at":1}`, id, username, customID)
	}
	q := func(s string) string { return fmt.Sprintf("%q", s) }
	good := entity(q(uuid(1)), q("x"), q("c"))
	var followed atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		followed.Add(1)
		w.Write([]byte(good))
	}))
	defer elsewhere.Close()
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); w.Write([]byte(good)) }
	}
	body := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(text)) }
	}
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    string // "hit", "none" or a part of the error
	}{
		{"the consumer", body(good), "hit"},
		{"id in upper case", body(entity(q(strings.ToUpper(uuid(1))), q("x"), q("c"))), "hit"},
		{"an empty list of tags as Lua writes it", body(strings.Replace(good, `"tags":null`, `"tags":{}`, 1)), "hit"},
		{"404", status(404), "none"},
		{"400", status(400), "400 Bad Request"},
		{"401", status(401), "401 Unauthorized"},
		{"403", status(403), "403 Forbidden"},
		{"410", status(410), "410 Gone"},
		{"414", status(414), "414"},
		{"429", status(429), "429"},
		{"500", status(500), "500 Internal"},
		{"502", status(502), "502"},
		{"503", status(503), "503"},
		{"204", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, "204"},
		{"206", status(206), "206"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }, "302 Found"},
		{"permanent redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusPermanentRedirect)
		}, "308"},
		{"too large", body(good + strings.Repeat(" ", cacert.MaxEntity)), "more than 1048576 bytes"},
		{"another username", body(entity(q(uuid(1)), q("y"), q("c"))), "another username"},
		{"the username in upper case", body(entity(q(uuid(1)), q("X"), q("c"))), "another username"},
		{"no username", body(entity(q(uuid(1)), "null", q("x"))), "another username"},
		{"no id", body(entity("null", q("x"), q("c"))), "no consumer with an id"},
		{"an id that is none", body(entity(q("top-secret"), q("x"), q("c"))), "no consumer with an id"},
		{"a list", body("[" + good + "]"), "not the JSON"},
		{"a list of consumers", body(`{"data":[` + good + `],"next":null}`), "no consumer with an id"},
		{"two of them", body(good + good), "not the JSON"},
		{"HTML", body("<html>top-secret"), "not the JSON"},
		{"empty", body(""), "not the JSON"},
		{"null", body("null"), "no consumer with an id"},
		{"a wrong type", body(entity(q(uuid(1)), "1", q("top-secret"))), "not the JSON"},
		{"wrong tags", body(strings.Replace(good, `"tags":null`, `"tags":{"a":"top-secret"}`, 1)), "not the JSON"},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(good)+10))
			w.Write([]byte(good))
		}, "unexpected EOF"},
		{"closed", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, lower, log := adminAnswer(t, test.handler)
			got, err := s.Consumer(t.Context(), cacert.ByUsername, "x")
			judgeAnswer(t, got, err, lower, test.want)
			failed := test.want != "hit" && test.want != "none"
			if log.count("source of consumers does not answer") != map[bool]int{true: 1}[failed] || strings.Contains(log.String(), "secret") {
				t.Errorf("log:\n%s", log)
			}
		})
	}
	if n := followed.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
	t.Run("another id", func(t *testing.T) {
		s, lower, _ := adminAnswer(t, body(entity(q(uuid(2)), q("x"), q("c"))))
		got, err := s.Consumer(t.Context(), cacert.ByID, uuid(1))
		judgeAnswer(t, got, err, lower, "another id")
	})
}

func judgeAnswer(t *testing.T, got cacert.Consumer, err error, lower *consumerFake, want string) {
	t.Helper()
	asked := len(lower.questions) > 0
	switch {
	case want == "hit":
		if err != nil || asked || got.ID != uuid(1) || got.Username != "x" || got.CustomID != "c" {
			t.Errorf("got %+v, %v, lower source asked %v", got, err, asked)
		}
	case want == "none":
		if err != nil || !asked || !slices.Equal(got.Tags, []string{"lower"}) {
			t.Errorf("got %+v, %v, lower source asked %v", got, err, asked)
		}
	case err == nil || asked || !strings.Contains(err.Error(), want) || !reflect.DeepEqual(got, cacert.Consumer{}):
		t.Errorf("got %+v, %v, lower source asked %v, want %q", got, err, asked, want)
	case strings.Contains(err.Error(), "secret"):
		t.Errorf("%q quotes the answer", err)
	case errors.Is(err, cacert.ErrNotFound), errors.Is(err, cacert.ErrNoConsumers), errors.Is(err, cacert.ErrUnanswerable):
		t.Errorf("%q is taken for absence", err)
	}
}

func TestAdminConsumerByCustomID(t *testing.T) {
	one := fmt.Sprintf(`{"id":%q,"username":"x","custom_id":"c","tags":["t"],"created_at":1}`, uuid(1))
	other := strings.ReplaceAll(one, `"c"`, `"d"`)
	tests := []struct{ name, body, want string }{
		{"one", `{"data":[` + one + `],"next":null}`, "hit"},
		{"one, with offset null", `{"data":[` + one + `],"next":null,"offset":null}`, "hit"},
		{"without next", `{"data":[` + one + `]}`, "hit"},
		{"none", `{"data":[],"next":null}`, "none"},
		{"none as an older Kong writes it", `{"data":{},"next":null}`, "none"},
		{"two", `{"data":[` + one + `,` + other + `],"next":null}`, "holds 2 consumers"},
		{"the same twice", `{"data":[` + one + `,` + one + `],"next":null}`, "holds 2 consumers"},
		{"another", `{"data":[` + other + `],"next":null}`, "another custom_id"},
		{"in upper case", `{"data":[` + strings.ReplaceAll(one, `"c"`, `"C"`) + `],"next":null}`, "another custom_id"},
		{"a further page", `{"data":[` + one + `],"next":"/consumers?offset=x"}`, "one page of several"},
		{"an offset", `{"data":[` + one + `],"next":null,"offset":"x"}`, "one page of several"},
		{"an empty page", `{"data":[],"next":"/consumers?offset=x","offset":"x"}`, "one page of several"},
		{"null", `{"data":[null],"next":null}`, "no consumer with an id"},
		{"an empty consumer", `{"data":[{}],"next":null}`, "no consumer with an id"},
		{"no data", `{"next":null}`, "no list"},
		{"null data", `{"data":null,"next":null}`, "no list"},
		{"data is an object", `{"data":{"a":1},"next":null}`, "not the JSON"},
		{"the consumer itself", one, "no list"},
		{"a list alone", `[` + one + `]`, "not the JSON"},
		{"rubbish", `top-secret`, "not the JSON"},
		{"too large", `{"data":[` + one + `]}` + strings.Repeat(" ", cacert.MaxEntity), "more than 1048576 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, lower, _ := adminAnswer(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(test.body)) })
			got, err := s.Consumer(t.Context(), cacert.ByCustomID, "c")
			judgeAnswer(t, got, err, lower, test.want)
		})
	}
	t.Run("404", func(t *testing.T) {
		s, lower, _ := adminAnswer(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) })
		got, err := s.Consumer(t.Context(), cacert.ByCustomID, "c")
		judgeAnswer(t, got, err, lower, "404 Not Found to a list")
	})
}

func TestAdminConsumerWithTokenBelowAPath(t *testing.T) {
	var target, token atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target.Store(r.RequestURI)
		token.Store(r.Header.Get("Kong-Admin-Token"))
		w.WriteHeader(404)
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, "the-token\n")
	s, _ := openAdmin(t, cacert.Config{AdminURL: server.URL + "/team%20a/", AdminTokenFile: file})
	wantLookup(t, s, cacert.ByUsername, "a/b", "nobody")
	if target.Load() != "/team%20a/consumers/a%2Fb" || token.Load() != "the-token" {
		t.Errorf("asked for %q with token %q", target.Load(), token.Load())
	}
}

func TestAdminConsumerDown(t *testing.T) {
	server := httptest.NewServer(newKong())
	lower := newConsumerFake("lower")
	s, _ := openAdmin(t, cacert.Config{AdminURL: server.URL}, lower)
	wantLookup(t, s, cacert.ByUsername, "x", "nobody")
	server.Close()
	for range 10 {
		if got := lookup(t.Context(), s, cacert.ByUsername, "x"); !strings.Contains(got, "connection refused") {
			t.Errorf("got %q", got)
		}
	}
	if len(lower.questions) != 1 {
		t.Errorf("the lower source was asked %q", lower.questions)
	}
}

// hangingAdmin hangs for paths with a prefix and has one CA certificate and one
// consumer.
func hangingAdmin(t *testing.T, prefix string) (cacert.Config, *atomic.Int32) {
	t.Helper()
	admin, consumers := newAdmin(), newKong()
	admin.set(uuid(500), pemOf("one"))
	consumers.add(cacert.Consumer{ID: uuid(1), Username: "x"})
	release := make(chan struct{})
	asked := new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, prefix):
			asked.Add(1)
			select {
			case <-release:
			case <-r.Context().Done():
			}
		case strings.HasPrefix(r.URL.Path, "/consumers"):
			consumers.ServeHTTP(w, r)
		default:
			admin.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	return cacert.Config{AdminURL: server.URL}, asked
}

// A round of CA certificates that hangs holds up no lookup, on the wire either.
func TestAdminConsumerBesideCACertificates(t *testing.T) {
	c, asked := hangingAdmin(t, "/ca_certificates")
	s, _ := openAdmin(t, c)
	ids := make([]string, 100)
	for i := range ids {
		ids[i] = uuid(i)
	}
	s.Want(ids)
	for asked.Load() < cacert.AtOnce {
		time.Sleep(time.Millisecond)
	}
	began := time.Now()
	wantLookup(t, s, cacert.ByUsername, "x", "x")
	if took := time.Since(began); took > time.Second {
		t.Errorf("waited %v", took)
	}
}

// Nor does one that fails: each lookup is asked for.
func TestAdminConsumerAfterUnansweredCACertificates(t *testing.T) {
	consumers := newKong()
	consumers.add(cacert.Consumer{ID: uuid(1), Username: "x"})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/ca_certificates") {
			panic(http.ErrAbortHandler)
		}
		consumers.ServeHTTP(w, r)
	}))
	defer server.Close()
	s, _ := openAdmin(t, cacert.Config{AdminURL: server.URL})
	ids := make([]string, 100)
	for i := range ids {
		ids[i] = uuid(i)
	}
	s.Want(ids).Wait(t.Context())
	wantLookup(t, s, cacert.ByUsername, "x", "x")
}

// Requests that end while they wait say nothing about the Admin API to the
// questions about CA certificates.
func TestAdminCACertificatesBesideConsumers(t *testing.T) {
	c, asked := hangingAdmin(t, "/consumers")
	s, log := openAdmin(t, c)
	var lookups sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	for n := range 40 {
		lookups.Go(func() {
			if got := lookup(ctx, s, cacert.ByUsername, fmt.Sprint(n)); !strings.HasPrefix(got, "error: ") {
				t.Errorf("got %q", got)
			}
		})
	}
	for asked.Load() < cacert.AtOnce {
		time.Sleep(time.Millisecond)
	}
	wantNames(t, "beside lookups", s.Want([]string{uuid(500)}).Wait(t.Context()), "one/")
	lookups.Wait()
	if took := time.Since(began); took > time.Second {
		t.Errorf("lookups ended only after %v", took)
	}
	if n := asked.Load(); n > cacert.AtOnce {
		t.Errorf("%d questions at once, want at most %d", n, cacert.AtOnce)
	}

	// During a round.
	end := time.Now().Add(time.Second)
	for range cacert.AtOnce {
		lookups.Go(func() {
			for time.Now().Before(end) {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
				lookup(ctx, s, cacert.ByUsername, "x")
				cancel()
			}
		})
	}
	for n := range 50 {
		set := s.Want([]string{uuid(500), uuid(500 + 10*n), uuid(501 + 10*n), uuid(502 + 10*n), uuid(503 + 10*n)})
		set.Wait(t.Context())
		set.Release()
	}
	lookups.Wait()
	if log.count("since it did not answer before") != 0 || log.count("source of CA certificates does not answer") != 0 {
		t.Errorf("log:\n%s", log)
	}
}

func TestKongEnvConsumers(t *testing.T) {
	admin := newKong()
	admin.add(cacert.Consumer{ID: uuid(1), Username: "x", CustomID: "api"})
	server := httptest.NewServer(admin)
	defer server.Close()
	listen := "admin_listen = " + listenOf(server.URL)
	dir := t.TempDir()
	file := filepath.Join(dir, "kong.yml")
	of := func(customID string) string {
		return fmt.Sprintf("consumers: [{id: %s, username: x, custom_id: %s}]", uuid(1), customID)
	}
	write(t, file, of("file"))
	tests := []struct{ name, env, want string }{
		{"the Admin API", envOf(listen), "api"},
		{"DB-less with an Admin API", envOf(listen, "declarative_config = "+file), "api"},
		{"no Admin API, a file", envOf("admin_listen = off", "declarative_config = "+file), "file"},
		{"no Admin API, a text", envOf("admin_listen = off", "declarative_config_string = "+of("text")), "text"},
		{"no Admin API, no file there", envOf("admin_listen = off", "declarative_config = "+file+".none"), "error: …"},
		{"an Admin API that may not be asked", envOf("admin_listen = 192.0.2.1:8001", "declarative_config = "+file), "error: …"},
		{"nothing", envOf("admin_listen = off"), "lower"},
		{"no .kong_env", "", "lower"},
		{"broken", "pg_password = top-secret\n", "error: …"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			prefix := t.TempDir()
			if test.env != "" {
				write(t, filepath.Join(prefix, ".kong_env"), test.env)
			}
			lower := newConsumerFake("lower")
			lower.consumers["username=x"] = cacert.Consumer{ID: uuid(1), Username: "x", CustomID: "lower"}
			s, _ := openAdmin(t, cacert.Config{Prefix: prefix}, lower)
			got, err := s.Consumer(t.Context(), cacert.ByUsername, "x")
			if test.want == "error: …" {
				if err == nil || errors.Is(err, cacert.ErrNotFound) || errors.Is(err, cacert.ErrNoConsumers) || strings.Contains(err.Error(), "secret") {
					t.Errorf("got %+v, %v", got, err)
				}
				return
			}
			if err != nil || got.CustomID != test.want {
				t.Errorf("got %+v, %v, want %s", got, err, test.want)
			}
		})
	}
}

// A broken version of the file that .kong_env names is in the log, though
// whoever was known is still found.
func TestKongEnvConsumersBreak(t *testing.T) {
	prefix := t.TempDir()
	file := filepath.Join(prefix, "kong.yml")
	write(t, file, "consumers: [{username: x}]")
	write(t, filepath.Join(prefix, ".kong_env"), envOf("admin_listen = off", "declarative_config = kong.yml"))
	s, log := openAdmin(t, cacert.Config{Prefix: prefix})
	wantLookup(t, s, cacert.ByUsername, "x", "x")
	write(t, file, "consumers: [")
	for range 500 {
		wantLookup(t, s, cacert.ByUsername, "x", "x")
		if log.count("source of consumers does not answer") == 1 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("log:\n%s", log)
}

// Whoever asks while .kong_env leads elsewhere gets one answer or the other.
func TestKongEnvConsumersChange(t *testing.T) {
	prefix := t.TempDir()
	path := filepath.Join(prefix, ".kong_env")
	var envs []string
	for _, name := range []string{"one", "two"} {
		admin := newKong()
		admin.add(cacert.Consumer{ID: uuid(1), Username: "x", CustomID: name})
		server := httptest.NewServer(admin)
		defer server.Close()
		envs = append(envs, envOf("admin_listen = "+listenOf(server.URL)))
	}
	write(t, path, envs[0])
	s, log := openAdmin(t, cacert.Config{Prefix: prefix})
	stop := make(chan struct{})
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					wantLookup(t, s, cacert.ByUsername, "x", "x")
				}
			}
		})
	}
	for i := range 40 {
		replace(t, path, envs[(i+1)%2])
		s.Reload()
		time.Sleep(10 * time.Millisecond)
	}
	close(stop)
	asking.Wait()
	if log.count("CA certificates and consumers can be had") < 10 {
		t.Errorf("log:\n%s", log)
	}
}

func TestPathSegment(t *testing.T) {
	for name, want := range map[string]string{
		"a.b-c_d~E0": "a.b-c_d~E0", "a b": "a%20b", "a+b": "a%2Bb", "ä": "%C3%A4", "a/../b": "a%2F..%2Fb", "...": "...", "%2e": "%252e", "\x00\xff": "%00%FF",
	} {
		if got, err := cacert.PathSegment(name); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"", ".", ".."} {
		if got, err := cacert.PathSegment(name); !errors.Is(err, cacert.ErrUnanswerable) || got != "" {
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
		segment, err := cacert.PathSegment(name)
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
		target := requestTarget(t, "http://127.0.0.1:1/consumers?custom_id="+cacert.Escape(name))
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
