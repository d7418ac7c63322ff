package mtlsauth

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

const goldenDump = "../testdata/dump.json"

// The schema is what users' configurations are checked against: a change of it
// must be seen in review.
func TestDumpIsTheGoldenFile(t *testing.T) {
	out, err := Dump("mtls-auth", "/usr/local/kong")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Count(out, []byte("\n")) != 1 || out[len(out)-1] != '\n' {
		t.Error("the answer is not one line")
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, out, "", "  "); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(goldenDump, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenDump)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(pretty.Bytes(), want) {
		t.Errorf("the query command's answer is not %s; if that is meant, go test ./mtlsauth -update\ngot %s", goldenDump, pretty.Bytes())
	}
}
