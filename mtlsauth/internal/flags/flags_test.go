package flags_test

import (
	"slices"
	"testing"

	"mtls-auth/mtlsauth/internal/flags"
)

func TestUnknownVariables(t *testing.T) {
	got := flags.UnknownVariables([]string{
		"PATH=/bin", "MTLS_AUTH_BIN=/x", "MTLS_AUTH_LOG_LEVEL=debug", "MTLS_AUTH_LOGLEVEL=debug", "MTLS_AUTH_ZZZZZZZZZZZZ=", "mtls_auth_x=1",
	})
	want := []string{
		"the environment variable MTLS_AUTH_LOGLEVEL is not known and has no effect; did you mean MTLS_AUTH_LOG_LEVEL?",
		"the environment variable MTLS_AUTH_ZZZZZZZZZZZZ is not known and has no effect",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
