package config

import (
	"fmt"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/consumer"
)

func parsed(t *testing.T, more string) (Config, error) {
	t.Helper()
	return Parse(MTLSAuth, []byte(`{"ca_certificates":["`+someID+`"]`+more+`}`))
}

func TestConsumerBy(t *testing.T) {
	both := consumer.ConsumerBy{Username: true, CustomID: true}
	for list, want := range map[string]consumer.ConsumerBy{
		`[]`: {}, `{}`: {}, `["username"]`: {Username: true}, `["custom_id"]`: {CustomID: true},
		`["username","custom_id"]`: both, `["custom_id","username"]`: both, `["username","username"]`: {Username: true},
	} {
		c, err := parsed(t, `,"consumer_by":`+list)
		if err != nil || c.Settings().Consumers.By != want {
			t.Errorf("%s: %+v, want %+v (%v)", list, c.Settings().Consumers, want, err)
		}
	}
}

func TestPorts(t *testing.T) {
	for port, good := range map[string]bool{"-1": false, "0": true, "1": true, "65535": true, "65536": false, "1.5": false, `"80"`: false, "null": false} {
		_, err := parsed(t, `,"http_proxy_host":"proxy","http_proxy_port":`+port)
		if (err == nil) != good || err != nil && !strings.Contains(err.Error(), "config.http_proxy_") {
			t.Errorf("port %s: %v", port, err)
		}
	}
}

// Numbers that differ in their last digit are different configurations, and cannot share
// what was decided.
func TestContentTellsNumbersApart(t *testing.T) {
	one, err := parsed(t, `,"http_timeout":9007199254740993`)
	if err != nil {
		t.Fatal(err)
	}
	other, err := parsed(t, `,"http_timeout":9007199254740992`)
	if err != nil || one.content == other.content {
		t.Errorf("one content for both (%v)", err)
	}
	same, err := parsed(t, `, "http_timeout" : 9007199254740993 , "unknown" : 1`)
	if err != nil || one.content != same.content {
		t.Errorf("another content for the same (%v)", err)
	}
}

// A message quotes 80 bytes of a value at most.
func TestWhatAMessageQuotes(t *testing.T) {
	for length, cut := range map[int]bool{80: false, 81: true} {
		value := `"` + strings.Repeat("v", length-2) + `"`
		_, err := parsed(t, `,"cache_ttl":`+value)
		if err == nil || strings.Contains(err.Error(), value) == cut || strings.Contains(err.Error(), "…") != cut {
			t.Errorf("%d bytes: %v", length, err)
		}
	}
}

func TestATrustDomainThatIsWrong(t *testing.T) {
	entry := func(domain, id string) string {
		return fmt.Sprintf(`{"trust_domain":%q,"ca_certificates":[%q]}`, domain, id)
	}
	other := strings.Replace(someID, "6", "7", 1)
	for _, test := range []struct {
		name, entries string
		wrong         []string
	}{
		{"good", entry("example.org", someID), nil},
		{"no domain", entry("no domain", someID), []string{"entry 1: trust_domain: "}},
		{"no domain, and a CA that is not trusted", entry("no domain", other), []string{"entry 1: trust_domain: "}},
		{"a CA that is not trusted", entry("example.org", other), []string{"entry 1: ca_certificates: "}},
		{"twice", entry("example.org", someID) + "," + entry("example.org", someID), []string{"entry 2: trust_domain: "}},
	} {
		_, err := parsed(t, `,"spiffe_trust_domains":[`+test.entries+`]`)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if strings.Count(text, ": entry ") != len(test.wrong) {
			t.Errorf("%s: %v", test.name, err)
		}
		for _, want := range test.wrong {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %v, want %q", test.name, err, want)
			}
		}
	}
}
