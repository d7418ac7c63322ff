package mtlsauth

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// golden is what the query command answers, by plugin.
var golden = map[string]string{"mtls-auth": "../testdata/dump.json", "header-cert-auth": "../testdata/dump-header-cert-auth.json"}

// The schema is what users' configurations are checked against: a change of it
// must be seen in review.
func TestDumpIsTheGoldenFile(t *testing.T) {
	for name, file := range golden {
		t.Run(name, func(t *testing.T) {
			out, err := Dump(name, "/usr/local/kong")
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
				if err := os.WriteFile(file, pretty.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(pretty.Bytes(), want) {
				t.Errorf("the query command's answer is not %s; if that is meant, go test ./mtlsauth -update\ngot %s", file, pretty.Bytes())
			}
		})
	}
}
