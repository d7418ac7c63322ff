package verify_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
	"mtls-auth/mtlsauth/internal/verify"
)

// A certificate's names cannot steer the terminal, nor turn the text around them.
func TestNamesOnATerminal(t *testing.T) {
	root := pki.NewCA("root")
	for name, mark := range map[string]string{"an escape sequence": "\x1b[2J", "right to left": "\u202e", "a line of its own": "\nPASS"} {
		t.Run(name, func(t *testing.T) {
			o := trusting(t, "", root)
			o.Leaf = []byte(root.Client("a" + mark + "b").PEM())
			r, err := verify.Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := r.Write(&out, false); err != nil || strings.Contains(out.String(), mark) || !strings.Contains(out.String(), "CN=a") {
				t.Errorf("%q is written (%v):\n%q", mark, err, out.String())
			}
			out.Reset()
			var read verify.Report
			if err := verify.WriteJSON(&out, r); err != nil || strings.Contains(out.String(), mark) {
				t.Errorf("JSON: %q is written (%v):\n%q", mark, err, out.String())
			} else if err := json.Unmarshal(out.Bytes(), &read); err != nil || read.Certificate.Subject != r.Certificate.Subject {
				t.Errorf("JSON: %q was read back (%v)", read.Certificate.Subject, err)
			}
		})
	}
	if got := verify.Printable("a\x1b\u2066 b"); got != "a\uFFFD\uFFFD b" {
		t.Errorf("Printable: %q", got)
	}
}
