package verify_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/verify"
)

// Every field of the JSON form is in its documentation.
func TestTheFormIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/verify.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## JSON")
	var check func(of reflect.Type)
	check = func(of reflect.Type) {
		for i := range of.NumField() {
			f := of.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !f.Anonymous && !strings.Contains(section, "`"+name+"`") {
				t.Errorf("docs/verify.md does not tell of %s (%s)", name, of)
			}
			inner := f.Type
			for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if inner.Kind() == reflect.Struct && strings.HasSuffix(inner.PkgPath(), "/verify") {
				check(inner)
			}
		}
	}
	check(reflect.TypeFor[verify.Report]())
}
