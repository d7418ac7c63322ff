package nativedoor

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
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
			t.Errorf("%s: what is it?", name)
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
	text, err := os.ReadFile(filepath.Join(framesDir, "decide_definition.json"))
	if err != nil {
		t.Fatal(err)
	}
	var q question
	if err := json.Unmarshal(text, &q); err != nil {
		t.Fatal(err)
	}
	if _, err := newWorld(t).policies.add(q.Policy, q.Definition); err != nil {
		t.Error(err)
	}
}
