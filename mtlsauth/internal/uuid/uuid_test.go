package uuid_test

import (
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/uuid"
)

func TestParse(t *testing.T) {
	const id = "6f1c1a5e-1a5e-4c1a-9a5e-6f1c1a5e4c1a"
	for text, want := range map[string]string{
		id:                                     id,
		strings.ToUpper(id):                    id,
		"00000000-0000-0000-0000-000000000000": "00000000-0000-0000-0000-000000000000",
		"":                                     "",
		"nope":                                 "",
		strings.ReplaceAll(id, "-", ""):        "",
		id + "0":                               "",
		id[:35]:                                "",
		id[:35] + "g":                          "",
		id[:35] + "/":                          "",
		id[:35] + "\n":                         "",
		"6f1c1a5e-1a5e-4c1a-9a5e_6f1c1a5e4c1a": "",
		"6f1c1a5e01a5e-4c1a-9a5e-6f1c1a5e4c1a": "",
		"6f1c1a5-e1a5e-4c1a-9a5e-6f1c1a5e4c1a": "",
		"6f1c1a5e-1a5e-4c1a-9a5e-6f1c1a5e4cé":  "",
		"{6f1c1a5e-1a5e-4c1a-9a5e-6f1c1a5e4c}": "",
	} {
		if got, ok := uuid.Parse(text); got != want || ok != (want != "") {
			t.Errorf("%q: got %q and %v, want %q", text, got, ok, want)
		}
	}
}
