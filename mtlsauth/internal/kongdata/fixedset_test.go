package kongdata_test

import (
	"slices"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func TestFixedSet(t *testing.T) {
	const a, b, c = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002", "cccccccc-0000-4000-8000-000000000003"
	root := pki.NewCA("root")
	set, refused := kongdata.NewFixedSet([]string{strings.ToUpper(b), a, c, a}, []kongdata.Entity{
		{ID: a, Cert: root.PEM()}, {ID: c, Cert: root.Client("no CA").PEM()},
		{ID: "dddddddd-0000-4000-8000-000000000004", Cert: pki.NewCA("not asked for").PEM()},
	})
	s := set.Snapshot()
	if len(s.CAs) != 1 || s.CAs[0].ID != a || !s.CAs[0].Certificate.Equal(root.Read()) || !slices.Equal(s.Missing, []string{b, c}) {
		t.Errorf("got %+v", s)
	}
	if len(refused) != 1 || !strings.HasPrefix(refused[0].Error(), "CA certificate "+c+": refused: ") {
		t.Errorf("refused %v", refused)
	}
	if !slices.Equal(set.IDs(), []string{a, b, c}) || set.Wait(t.Context()) != s {
		t.Errorf("ids %q", set.IDs())
	}
}
