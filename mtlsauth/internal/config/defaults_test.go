package config_test

import (
	"encoding/json"
	"testing"

	"mtls-auth/mtlsauth/internal/config"
)

// What Kong fills in: consumer_by that is left out is both, and null is none.
func TestFillDefaults(t *testing.T) {
	text, err := config.FillDefaults(config.MTLSAuth, []byte(`{"ca_certificates":["x"],"authenticated_group_by":null,"cache_ttl":5}`))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"ca_certificates": `["x"]`, "authenticated_group_by": "null", "cache_ttl": "5", "consumer_by": `["username","custom_id"]`,
		"revocation_check_mode": `"IGNORE_CA_ERROR"`, "http_timeout": "30000", "anonymous": "",
	} {
		if string(got[name]) != want {
			t.Errorf("%s: got %s, want %s", name, got[name], want)
		}
	}
	if _, err := config.FillDefaults(config.MTLSAuth, []byte("[]")); err == nil {
		t.Error("a list is no configuration")
	}
}
