package verify_test

import (
	"bytes"
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
		})
	}
	if got := verify.Printable("a\x1b\u2066 b"); got != "a\uFFFD\uFFFD b" {
		t.Errorf("Printable: %q", got)
	}
}
