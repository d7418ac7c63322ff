package luaserver

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/authn"
)

// The frames that the tests of the Lua files use as well.
const framesDir = "../../../kong/testdata/frames"

// Each frame is one that this side makes, or reads without leaving anything out.
func TestFrames(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(framesDir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no frames in %s: %v", framesDir, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		kind, _, _ := strings.Cut(name, "_")
		var into any
		both := true // this side makes it
		switch kind {
		case "decide", "watch", "ping":
			into, both = new(question), false
		case "definition":
			into, both = new(definitionFollows), false
		case "found":
			into, both = new(found), false
		case "need":
			into = new(need)
		case "wait":
			into = new(wait)
		case "error":
			into = new(refusal)
		case "lookup":
			into = new(lookupAsked)
		case "epoch":
			into = new(epochIs)
		case "pong":
			into = new(pong)
		case "verdict":
			into = new(verdict)
		default:
			t.Errorf("%s: unknown kind of frame", name)
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(into); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if q, ok := into.(*question); ok {
			if _, err := parseQuestion(text); err != nil || q.Op != kind {
				t.Errorf("%s: op %q, %v", name, q.Op, err)
			}
		}
		if !both {
			continue
		}
		made, err := json.Marshal(into)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := decoded(t, made), decoded(t, text); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: this side makes %s", name, made)
		}
	}
}

func decoded(t *testing.T, text []byte) (value any) {
	t.Helper()
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// The definition's id in the frames is that of its bytes.
func TestDefinitionInFrames(t *testing.T) {
	read := func(name string, into any) []byte {
		text, err := os.ReadFile(filepath.Join(framesDir, name))
		if err == nil && into != nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	var q question
	var announced definitionFollows
	read("decide.json", &q)
	read("definition.json", &announced)
	text := read("definition.txt", nil)
	if len(text) != announced.Bytes {
		t.Errorf("%d bytes, announced %d", len(text), announced.Bytes)
	}
	if _, err := newWorld(t).policies.add(q.Policy, string(text)); err != nil {
		t.Error(err)
	}
}

// What the Lua plugin clears and takes are the very headers that answers set.
func TestHeadersOfTheLuaPlugin(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(framesDir, "../../plugins/mtls-auth", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	known, looked := read("verdict.lua"), read("headers.lua")
	all := append(authn.HeaderNames(), authn.UpstreamHeaderNames()...)
	for _, name := range all {
		variable := "var.http_" + strings.ReplaceAll(strings.ToLower(name), "-", "_")
		if !strings.Contains(known, `["`+name+`"] = "`) || !strings.Contains(looked, variable) {
			t.Errorf("%s is missing in verdict.lua, or %s in headers.lua", name, variable)
		}
	}
	const connection = 1
	if got, want := strings.Count(looked, "var.http_")-connection, len(all); got != want {
		t.Errorf("headers.lua looks at %d headers, want %d", got, want)
	}
}
