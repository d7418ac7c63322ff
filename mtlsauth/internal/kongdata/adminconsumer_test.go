package kongdata_test

import (
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

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
)

// kong answers for consumers as Kong's Admin API does (kong/api/endpoints.lua
// and lapis's router): the path is taken as it was sent, a name in it is
// everything but "/" and is unescaped once, "+" being a space, and what is a
// UUID then is an id and nothing else.
type kong struct {
	mu        sync.Mutex
	consumers []consumer.Consumer
	targets   []string // as they were sent
}

func newKong() *kong { return new(kong) }

func (k *kong) add(c consumer.Consumer) {
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

func entityOf(c consumer.Consumer) map[string]any {
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

func TestAdminConsumerFields(t *testing.T) {
	admin := newKong()
	server := httptest.NewServer(admin)
	defer server.Close()
	s, _ := openAdmin(t, kongdata.Config{AdminURL: server.URL})
	for i, want := range []consumer.Consumer{
		{ID: uuid(1), Username: "x", CustomID: "c", Tags: []string{"a", "b"}, CreatedAt: 1_700_000_000},
		{ID: uuid(2), Username: "y", Tags: nil},
		{ID: uuid(3), CustomID: "z"},
	} {
		admin.add(want)
		got, err := find(t.Context(), s, consumer.ByID, want.ID)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%d: got %+v, %v, want %+v", i, got, err, want)
		}
	}
}

// adminAnswer serves one answer to everything.
func adminAnswer(t *testing.T, h http.HandlerFunc) (*kongdata.Store, *consumerFake, *logBuffer) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	lower := newConsumerFake("lower")
	for _, by := range []string{"id=" + uuid(1), "username=x", "custom_id=c"} {
		lower.consumers[by] = consumer.Consumer{ID: uuid(1), Username: "x", CustomID: "c", Tags: []string{"lower"}}
	}
	s, log := openAdmin(t, kongdata.Config{AdminURL: server.URL}, lower.source())
	return s, lower, log
}

// What is neither the consumer that was asked for nor a 404 is a failure, and the
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
		{"too large", body(good + strings.Repeat(" ", kongdata.MaxEntity)), "more than 1048576 bytes"},
		{"is the consumer with username", body(entity(q(uuid(1)), q("y"), q("c"))), "is the consumer with username"},
		{"the username in upper case", body(entity(q(uuid(1)), q("X"), q("c"))), "is the consumer with username"},
		{"no username", body(entity(q(uuid(1)), "null", q("x"))), "is the consumer with username"},
		{"no id", body(entity("null", q("x"), q("c"))), "a consumer without an id"},
		{"not a UUID", body(entity(q("top-secret"), q("x"), q("c"))), "a consumer without an id"},
		{"a list", body("[" + good + "]"), "not the JSON"},
		{"a list of consumers", body(`{"data":[` + good + `],"next":null}`), "a consumer without an id"},
		{"two of them", body(good + good), "not the JSON"},
		{"HTML", body("<html>top-secret"), "not the JSON"},
		{"empty", body(""), "not the JSON"},
		{"null", body("null"), "a consumer without an id"},
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
			got, err := find(t.Context(), s, consumer.ByUsername, "x")
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
	t.Run("is the consumer with id", func(t *testing.T) {
		s, lower, _ := adminAnswer(t, body(entity(q(uuid(2)), q("x"), q("c"))))
		got, err := find(t.Context(), s, consumer.ByID, uuid(1))
		judgeAnswer(t, got, err, lower, "is the consumer with id")
	})
}

func judgeAnswer(t *testing.T, got consumer.Consumer, err error, lower *consumerFake, want string) {
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
	case err == nil || asked || !strings.Contains(err.Error(), want) || !reflect.DeepEqual(got, consumer.Consumer{}):
		t.Errorf("got %+v, %v, lower source asked %v, want %q", got, err, asked, want)
	case strings.Contains(err.Error(), "secret"):
		t.Errorf("%q quotes the answer", err)
	case errors.Is(err, kongdata.ErrNotFound), errors.Is(err, kongdata.ErrNoConsumers), errors.Is(err, kongdata.ErrUnanswerable):
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
		{"another", `{"data":[` + other + `],"next":null}`, "is the consumer with custom_id"},
		{"in upper case", `{"data":[` + strings.ReplaceAll(one, `"c"`, `"C"`) + `],"next":null}`, "is the consumer with custom_id"},
		{"a further page", `{"data":[` + one + `],"next":"/consumers?offset=x"}`, "one page of several"},
		{"an offset", `{"data":[` + one + `],"next":null,"offset":"x"}`, "one page of several"},
		{"an empty page", `{"data":[],"next":"/consumers?offset=x","offset":"x"}`, "one page of several"},
		{"null", `{"data":[null],"next":null}`, "a consumer without an id"},
		{"an empty consumer", `{"data":[{}],"next":null}`, "a consumer without an id"},
		{"no data", `{"next":null}`, "not a list"},
		{"null data", `{"data":null,"next":null}`, "not a list"},
		{"data is an object", `{"data":{"a":1},"next":null}`, "not the JSON"},
		{"the consumer itself", one, "not a list"},
		{"a list alone", `[` + one + `]`, "not the JSON"},
		{"rubbish", `top-secret`, "not the JSON"},
		{"too large", `{"data":[` + one + `]}` + strings.Repeat(" ", kongdata.MaxEntity), "more than 1048576 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, lower, _ := adminAnswer(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(test.body)) })
			got, err := find(t.Context(), s, consumer.ByCustomID, "c")
			judgeAnswer(t, got, err, lower, test.want)
		})
	}
	t.Run("404", func(t *testing.T) {
		s, lower, _ := adminAnswer(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) })
		got, err := find(t.Context(), s, consumer.ByCustomID, "c")
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
	s, _ := openAdmin(t, kongdata.Config{AdminURL: server.URL + "/team%20a/", AdminTokenFile: file})
	wantLookup(t, s, consumer.ByUsername, "a/b", "absent")
	if target.Load() != "/team%20a/consumers/a%2Fb" || token.Load() != "the-token" {
		t.Errorf("asked for %q with token %q", target.Load(), token.Load())
	}
}

func TestAdminConsumerDown(t *testing.T) {
	server := httptest.NewServer(newKong())
	lower := newConsumerFake("lower")
	s, _ := openAdmin(t, kongdata.Config{AdminURL: server.URL}, lower.source())
	wantLookup(t, s, consumer.ByUsername, "x", "absent")
	server.Close()
	for range 10 {
		if got := lookup(t.Context(), s, consumer.ByUsername, "x"); !strings.Contains(got, "connection refused") {
			t.Errorf("got %q", got)
		}
	}
	if len(lower.questions) != 1 {
		t.Errorf("the lower source was asked %q", lower.questions)
	}
}
