package e2e

import (
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/suites"
)

// TestLimboCRLs has the program judge the cases of x509-limbo that come with
// CRLs, as TestPKITS does. Their certificates and lists are from 1970 to 2969,
// so that it makes no difference that it judges them now instead of at the time
// that the case names.
func TestLimboCRLs(t *testing.T) {
	limbo, err := suites.ReadLimbo(suites.Folder(t, "x509-limbo", "the program goes"))
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]string{
		"crl::revoked-certificate-with-crl": "revoked",
		"crl::crlnumber-missing":            "status_unknown",
		"crl::issuer-missing-crlsign":       "status_unknown",
	}
	counted := map[string]int{}
	for _, c := range limbo {
		if len(c.CRLs) == 0 {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			if len(c.Trusted) != 1 {
				t.Fatalf("%d trusted certificates, want 1", len(c.Trusted))
			}
			got := judgeByFolder(t, c.Trusted[0], map[string]string{"list.pem": strings.Join(c.CRLs, "")}, c.Peer, strings.Join(c.Untrusted, ""))
			counted[got]++
			want, refused := reasons[c.ID]
			if !refused {
				want = "passed"
			}
			if got != want || refused != (c.Expected == "FAILURE") {
				t.Errorf("got %s, want %s, and limbo %s", got, want, c.Expected)
			}
		})
	}
	if len(counted) == 0 {
		t.Error("no case has a CRL")
	}
	t.Log(counted)
}
