package fakekong_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/anykong"
)

const (
	aliceID = "11111111-1111-4111-8111-111111111111"
	bobID   = "22222222-2222-4222-8222-222222222222"
)

// plain starts a fake Kong without a plugin server.
func plain(t *testing.T, config string) *fake {
	t.Helper()
	return start(t, config, func(o *anykong.Options) { o.QueryCommand, o.StartCommand = "", "" })
}

// How the Admin API reads a path and a query: one segment, decoded once, + as a
// space.
func TestConsumersOfTheAdminAPI(t *testing.T) {
	s := plain(t, doc(t, map[string]any{"consumers": []any{
		map[string]any{"username": "a b", "id": aliceID}, map[string]any{"username": "a+b"}, map[string]any{"username": "a/b?c#d%20e"},
		map[string]any{"username": ".."}, map[string]any{"username": bobID, "custom_id": "c d"}, map[string]any{"custom_id": "c+d"},
		map[string]any{"username": "spiffe://x/y"}, map[string]any{"username": "Zoë"},
	}}))
	get := func(path string) (int, string, map[string]any) {
		t.Helper()
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.AdminURL(), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "GET "+path+" HTTP/1.0\r\n\r\n") // no client tidies the path
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var body map[string]any
		json.NewDecoder(res.Body).Decode(&body)
		return res.StatusCode, res.Header.Get("Content-Type"), body
	}
	for path, want := range map[string]string{
		"/consumers/a%20b": "a b", "/consumers/a+b": "a b", "/consumers/a%2Bb": "a+b", "/consumers/a%2fb%3Fc%23d%2520e": "a/b?c#d%20e",
		"/consumers/%2e%2E": "..", "/consumers/..": "..", "/consumers/" + aliceID: "a b", "/consumers/a%20b/": "a b", "/consumers/a%20b?x=1": "a b",
		"/consumers/spiffe:%2F%2Fx%2Fy": "spiffe://x/y", "/consumers/Zo%C3%AB": "Zoë",
		// UUID-shaped: an id, never a username. Not a custom_id either.
		"/consumers/" + bobID: "", "/consumers/c%20d": "", "/consumers/spiffe://x/y": "", "/consumers/A%20b": "", "/consumers/a%20b/c": "", "/consumers/a%2520b": "",
	} {
		code, kind, body := get(path)
		if kind != "application/json; charset=utf-8" {
			t.Errorf("%s: Content-Type %q", path, kind)
		}
		if want == "" {
			if code != 404 || body["message"] != "Not found" || len(body) != 1 {
				t.Errorf("%s: %d %v, want 404", path, code, body)
			}
			continue
		}
		if _, there := body["custom_id"]; code != 200 || body["username"] != want || !there {
			t.Errorf("%s: %d %v, want %s", path, code, body, want)
		}
	}
	for path, want := range map[string]string{"?custom_id=c%20d": bobID, "?custom_id=c+d": bobID, "?custom_id=c%2Bd": "<nil>", "?custom_id=C+d": ""} {
		code, _, body := get("/consumers" + path)
		data, ok := body["data"].([]any)
		got := ""
		if len(data) > 0 {
			got = fmt.Sprint(data[0].(map[string]any)["username"])
		}
		next, there := body["next"]
		if code != 200 || !ok || len(data) > 1 || got != want || next != nil || !there {
			t.Errorf("%s: %d %v, want %s", path, code, body, want)
		}
	}
	for _, path := range []string{"?custom_id=", "?custom_id", "?custom_id=a&custom_id=b"} {
		if code, _, body := get("/consumers" + path); code != 400 || body["message"] != "custom_id must be an unempty string" {
			t.Errorf("%s: %d %v", path, code, body)
		}
	}
	if code, _, body := get("/consumers/"); code != 200 || len(body["data"].([]any)) != 8 {
		t.Errorf("/consumers/: %d %v, want the list", code, body)
	}
	if code, kind, _ := get("/consumers/a%00"); code != 400 || !strings.HasPrefix(kind, "text/html") {
		t.Errorf("NUL: %d %s, want nginx's own 400", code, kind)
	}
}
