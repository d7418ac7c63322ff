package kongdata_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/kongdata"
)

// The ids are those that a Kong 3.9.1 gave to routes of these names that had
// none in its declarative file, as it sent them to a plugin server.
func TestDeclarativeID(t *testing.T) {
	for name, want := range map[string]string{
		"cert":              "18c9e8ed-4eaa-5a16-addd-aa1022c1176d",
		"ok":                "a605e309-56d2-549a-92f9-e389cd91a808",
		"noop":              "a8dd208c-2053-5db5-8135-41d4b6d1b09e",
		"n4":                "95d129ab-5f65-54dd-bf80-6ccbd8bbe888",
		"pipe_headers_exit": "d9ed8c9d-889a-52d2-bd70-af34f3644e86",
		"unknown_method":    "9838cc5d-4c4a-53c9-9a9a-e04e54ca2fc9",
		"bad_seq":           "2b888ad8-65b2-5b8a-b154-071c4363edd6",
	} {
		if got := kongdata.DerivedID("routes", name); got != want {
			t.Errorf("route %s: got %s, want %s", name, got, want)
		}
	}
	if kongdata.DerivedID("routes", "ok") == kongdata.DerivedID("consumers", "ok") {
		t.Error("routes and consumers have the same ids")
	}
}

func openFile(t *testing.T, name, text string, lower ...kongdata.Source) (*kongdata.Store, *logBuffer) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	write(t, path, text)
	return openAdmin(t, kongdata.Config{DeclarativeConfig: path}, lower...)
}

const consumersYAML = `_format_version: "3.0"
consumers:
- id: 00000000-0000-4000-8000-00000000000A
  username: alice
  custom_id: c-alice
  tags: [a, b]
  created_at: 1700000000
  mtls_auth_credentials:
  - {subject_name: y}
- username: bob
  custom_id: null
  tags:
- id: 00000000-0000-4000-8000-000000000003
  custom_id: c-carol
- custom_id: c-dave
- id: 00000000-0000-4000-8000-000000000005
- {}
- username: c-alice
  custom_id: alice
- username: Alice
- username: "00000000-0000-4000-8000-000000000003"
- username: ..
- username: a/b?c
`

func TestDeclarativeConsumers(t *testing.T) {
	var doc any
	alice := consumer.Consumer{ID: uuid(10), Username: "alice", CustomID: "c-alice", Tags: []string{"a", "b"}, CreatedAt: 1_700_000_000}
	asJSON := fmt.Sprintf(`{"consumers":[{"id":%q,"username":"alice","custom_id":"c-alice","tags":["a","b"],"created_at":1700000000},
		{"username":"bob","custom_id":null,"tags":null},{"id":%q,"custom_id":"c-carol"},{"custom_id":"c-dave"},{"id":%q},{},{"username":"c-alice","custom_id":"alice"},
		{"username":"Alice"},{"username":%q},{"username":".."},{"username":"a/b?c"}]}`, uuid(10), uuid(3), uuid(5), uuid(3))
	if err := json.Unmarshal([]byte(asJSON), &doc); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"kong.yml": consumersYAML, "kong.json": asJSON} {
		t.Run(name, func(t *testing.T) {
			s, _ := openFile(t, name, text)
			for by, value := range map[consumer.By]string{consumer.ByID: strings.ToUpper(uuid(10)), consumer.ByUsername: "alice", consumer.ByCustomID: "c-alice"} {
				if got, err := find(t.Context(), s, by, value); err != nil || !reflect.DeepEqual(got, alice) {
					t.Errorf("%s: got %+v, %v", by, got, err)
				}
			}
			bob := consumer.Consumer{ID: kongdata.DerivedID("consumers", "bob"), Username: "bob"}
			if got, err := find(t.Context(), s, consumer.ByUsername, "bob"); err != nil || !reflect.DeepEqual(got, bob) {
				t.Errorf("got %+v, %v, want %+v", got, err, bob)
			}
			wantLookup(t, s, consumer.ByID, bob.ID, "bob")
			wantLookup(t, s, consumer.ByCustomID, "c-carol", "custom_id c-carol")
			wantLookup(t, s, consumer.ByID, uuid(5), "custom_id ")
			wantLookup(t, s, consumer.ByCustomID, "alice", "c-alice")
			wantLookup(t, s, consumer.ByUsername, "Alice", "Alice")
			wantLookup(t, s, consumer.ByUsername, uuid(3), uuid(3)) // a name, not that id
			wantLookup(t, s, consumer.ByUsername, uuid(5), "absent")
			wantLookup(t, s, consumer.ByUsername, "..", "..")
			wantLookup(t, s, consumer.ByUsername, "a/b?c", "a/b?c")
			for _, name := range []string{"ALICE", "alice ", "ali", "c-carol", "c-dave", "null", "~"} {
				wantLookup(t, s, consumer.ByUsername, name, "absent")
			}
			wantLookup(t, s, consumer.ByCustomID, "bob", "absent")
			got := lookup(t.Context(), s, consumer.ByCustomID, "c-dave")
			if !strings.HasPrefix(got, "unanswerable: ") || !strings.Contains(got, `"c-dave"`) || !strings.Contains(got, "kong.") {
				t.Errorf("without id and username: got %q", got)
			}
		})
	}
}

func TestBrokenConsumers(t *testing.T) {
	with := func(entries ...string) string { return "consumers:\n- " + strings.Join(entries, "\n- ") + "\n" }
	tests := []struct{ name, file, text, want string }{
		{"a username twice", "kong.yml", with("username: x", "username: x"), `consumers[1]: the username "x" appears twice`},
		{"a username twice, with ids", "kong.yml", with("{id: "+uuid(1)+", username: x}", "{id: "+uuid(2)+", username: x}"), `the username "x" appears twice`},
		{"a custom_id twice", "kong.yml", with("{username: x, custom_id: c}", "{username: y, custom_id: c}"), `consumers[1]: the custom_id "c" appears twice`},
		{"a custom_id twice, without ids", "kong.yml", with("custom_id: c", "custom_id: c"), `the custom_id "c" appears twice`},
		{"an id twice", "kong.yml", with("{id: "+uuid(10)+", username: x}", "{id: "+strings.ToUpper(uuid(10))+", username: y}"), "the id \"" + uuid(10) + "\" appears twice"},
		{"a derived id twice", "kong.yml", with("username: x", "{id: "+kongdata.DerivedID("consumers", "x")+", username: y}"), "appears twice"},
		{"not a UUID", "kong.yml", with("{id: top-secret, username: x}"), "consumers[0]: id: must be a UUID"},
		{"no list", "kong.yml", "consumers: top-secret\n", "consumers: it is text; must be a list"},
		{"a list of names", "kong.yml", with("top-secret"), "consumers[0]: it is text; must be a mapping"},
		{"tags that are no list", "kong.yml", with("{username: x, tags: top-secret}"), "consumers[0]: tags: it is text; must be a list"},
		{"a username that is not a string", "kong.json", `{"consumers":[{"username":1}]}`, "consumers[0]: username: it is a number; must be text"},
		{"no UTF-8", "kong.json", "{\"consumers\":[{\"username\":\"a\xff\"}]}", "consumers[0]: username: it is not UTF-8"},
		{"half a character", "kong.json", `{"consumers":[{"custom_id":"\ud800"}]}`, "consumers[0]: custom_id: it is not UTF-8"},
		{"no UTF-8 in YAML", "kong.yml", with("username: \"a\xff\""), "yaml"},
		{"empty", "kong.yml", "", "holds nothing"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			lower := newConsumerFake("lower")
			lower.consumers["username=x"] = consumer.Consumer{ID: uuid(1), Username: "x"}
			s, log := openFile(t, test.file, test.text, lower.source())
			got := lookup(t.Context(), s, consumer.ByUsername, "x")
			if !strings.HasPrefix(got, "error: -declarative-config ") || !strings.Contains(got, test.want) || strings.Contains(got, "secret") {
				t.Errorf("got %q, want %q", got, test.want)
			}
			log.await("source cannot be read")
			if log.count("source cannot be read") != 1 || strings.Contains(log.String(), "secret") {
				t.Errorf("log:\n%s", log)
			}
			if len(lower.questions) != 0 {
				t.Error("the source below was asked")
			}
		})
	}
}

func TestDeclarativeConsumersBelow(t *testing.T) {
	lower := newConsumerFake("lower")
	lower.consumers["username=y"] = consumer.Consumer{ID: uuid(1), Username: "y"}
	lower.consumers["username=x"] = consumer.Consumer{ID: uuid(1), Username: "x"}
	s, _ := openFile(t, "kong.yml", "consumers: [{username: x}]", lower.source())
	wantLookup(t, s, consumer.ByUsername, "x", "x")
	if len(lower.questions) != 0 {
		t.Error("the source below was asked for what the file has")
	}
	wantLookup(t, s, consumer.ByUsername, "y", "y")
	s, _ = openFile(t, "kong.yml", "_format_version: \"3.0\"\n")
	wantLookup(t, s, consumer.ByUsername, "x", "absent")
}

// A new version that is broken leaves the consumers of the last good one in use, and
// makes none absent.
func TestDeclarativeConsumersBreak(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kong.yml")
	write(t, path, "consumers: [{username: x}]")
	lower := newConsumerFake("lower")
	s, log := openAdmin(t, kongdata.Config{DeclarativeConfig: path}, lower.source())
	wantLookup(t, s, consumer.ByUsername, "x", "x")
	wantLookup(t, s, consumer.ByUsername, "y", "absent")
	asked := len(lower.questions)
	for _, breakIt := range []func(){
		func() { write(t, path, "consumers: [{username: y}, {username: y}]") },
		func() { write(t, path, "consumers: [") },
		func() {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
	} {
		breakIt()
		time.Sleep(200 * time.Millisecond)
		wantLookup(t, s, consumer.ByUsername, "x", "x")
		wantLookup(t, s, consumer.ByUsername, "y", "error: …")
		wantLookup(t, s, consumer.ByUsername, "x", "x")
	}
	if n := log.count("source cannot be read"); n != 1 || log.count("can be read again") != 0 {
		t.Errorf("log:\n%s", log)
	}
	if len(lower.questions) != asked {
		t.Error("the source below was asked")
	}
	write(t, path, "consumers: [{username: y}]")
	eventuallyLookup(t, s, consumer.ByUsername, "y", "y")
	wantLookup(t, s, consumer.ByUsername, "x", "absent")
	if log.count("can be read again") != 1 {
		t.Errorf("log:\n%s", log)
	}
}
