package spiffe

import (
	"strings"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// ids are URIs, and what is wrong with them as SPIFFE IDs of workloads; "" for nothing.
var ids = []struct{ uri, wrong string }{
	// The standard's own examples.
	{"spiffe://staging.example.com/payments/mysql", ""},
	{"spiffe://staging.example.com/payments/web-fe", ""},
	{"spiffe://k8s-west.example.com/ns/staging/sa/default", ""},
	{"spiffe://example.com/9eebccd2-12bf-40a6-b262-65fe0487d453", ""},
	{"spiffe://trust-domain-name/path", ""},

	{"spiffe://trust_domain_name.example.com/x", ""},
	{"spiffe://192.0.2.1/x", ""},
	{"spiffe://1/x", ""},
	{"spiffe://a..b/x", ""},
	{"spiffe://-/x", ""},
	{"spiffe://td/...", ""},
	{"spiffe://td/.x/x./-/_", ""},
	{"spiffe://td/PATH/Path/path", ""},
	{"spiffe://" + strings.Repeat("d", 255) + "/x", ""},
	{"spiffe://td/" + strings.Repeat("p", 2048-len("spiffe://td/")), ""},

	{"", "must begin with spiffe://"},
	{"spiffe", "must begin with spiffe://"},
	{"spiffe:", "must begin with spiffe://"},
	{"spiffe:/td/x", "must begin with spiffe://"},
	{"spiffe:td/x", "must begin with spiffe://"},
	{"https://td/x", "must begin with spiffe://"},
	{"SPIFFE://td/x", "must begin with spiffe://"},
	{" spiffe://td/x", "must begin with spiffe://"},
	{"//td/x", "must begin with spiffe://"},
	{"spiffe://", "the trust domain is empty"},
	{"spiffe:///x", "the trust domain is empty"},
	{"spiffe://" + strings.Repeat("d", 256) + "/x", "a trust domain of 256 bytes"},
	{"spiffe://TD/x", `trust domain "TD"`},
	{"spiffe://Example.com/x", `trust domain "Example.com"`},
	{"spiffe://td:80/x", `trust domain "td:80"`},
	{"spiffe://td:/x", `trust domain "td:"`},
	{"spiffe://user@td/x", `trust domain "user@td"`},
	{"spiffe://user:secret@td/x", `trust domain "user:secret@td"`},
	{"spiffe://@td/x", `trust domain "@td"`},
	{"spiffe://[::1]/x", `trust domain "[::1]"`},
	{"spiffe://t%64/x", `trust domain "t%64"`},
	{"spiffe://t d/x", `trust domain "t d"`},
	{"spiffe://tö/x", `trust domain "tö"`},
	{"spiffe://td\x00/x", `trust domain "td\x00"`},
	{"spiffe://td", "has no path"},
	{"spiffe://td/", "has no path"},
	{"spiffe://td?q", `trust domain "td?q"`},
	{"spiffe://td#f", `trust domain "td#f"`},
	{"spiffe://td/x?q", `segment "x?q"`},
	{"spiffe://td/x?", `segment "x?"`},
	{"spiffe://td/x#f", `segment "x#f"`},
	{"spiffe://td/x#", `segment "x#"`},
	{"spiffe://td//x", `segment ""`},
	{"spiffe://td/x/", `segment ""`},
	{"spiffe://td/x//y", `segment ""`},
	{"spiffe://td/.", `segment "."`},
	{"spiffe://td/..", `segment ".."`},
	{"spiffe://td/./x", `segment "."`},
	{"spiffe://td/x/../y", `segment ".."`},
	{"spiffe://td/%41", `segment "%41"`},
	{"spiffe://td/x%2fy", `segment "x%2fy"`},
	{"spiffe://td/x y", `segment "x y"`},
	{"spiffe://td/x:y", `segment "x:y"`},
	{"spiffe://td/x,y", `segment "x,y"`},
	{"spiffe://td/ö", `segment "ö"`},
	{"spiffe://td/x\n", `segment "x\n"`},
	{"spiffe://td/\xff", `segment "\xff"`},
	{"spiffe://td/" + strings.Repeat("p", 2049-len("spiffe://td/")), "a SPIFFE ID of 2049 bytes"},
}

// beyondGoSPIFFE is what go-spiffe takes and the standards refuse for a workload: X509-SVID,
// section 5.2 (no path), and SPIFFE ID, section 2.3 (the lengths).
func beyondGoSPIFFE(uri string) bool {
	name, path, _ := strings.Cut(strings.TrimPrefix(uri, scheme), "/")
	return len(uri) > maxID || len(name) > MaxTrustDomain || path == ""
}

func TestParseID(t *testing.T) {
	for _, test := range ids {
		t.Run(test.uri[:min(len(test.uri), 60)], func(t *testing.T) {
			id, err := ParseID(test.uri)
			switch {
			case test.wrong == "" && (err != nil || id.String() != test.uri):
				t.Errorf("got %q, %v", id, err)
			case test.wrong != "" && (err == nil || !strings.Contains(err.Error(), test.wrong)):
				t.Errorf("got %q, %v, want %q", id, err, test.wrong)
			case err != nil && id != (ID{}):
				t.Errorf("refused, and still %+v", id)
			}
			agrees(t, test.uri)
		})
	}
}

// agrees compares with go-spiffe.
func agrees(t *testing.T, uri string) {
	t.Helper()
	id, err := ParseID(uri)
	theirs, theirErr := spiffeid.FromString(uri)
	if (err == nil) != (theirErr == nil) && !(err != nil && beyondGoSPIFFE(uri)) {
		t.Errorf("%q: %v, go-spiffe says %v", uri, err, theirErr)
	}
	if err == nil && (id.String() != theirs.String() || id.TrustDomain().String() != theirs.TrustDomain().Name()) {
		t.Errorf("%q: %q of %q, go-spiffe says %q of %q", uri, id, id.TrustDomain(), theirs, theirs.TrustDomain().Name())
	}
}

func FuzzParseID(f *testing.F) {
	for _, test := range ids {
		f.Add(test.uri)
	}
	f.Fuzz(func(t *testing.T, uri string) { agrees(t, uri) })
}

func TestParseTrustDomain(t *testing.T) {
	for name, wrong := range map[string]string{
		"example.com": "", "a_b.c-d.9": "", strings.Repeat("d", 255): "",
		"": "empty", strings.Repeat("d", 256): "256 bytes", "Example.com": "lower-case", "spiffe://example.com": "lower-case",
		"example.com/": "lower-case", "example.com:443": "lower-case", "*.example.com": "lower-case", "example.com ": "lower-case",
	} {
		d, err := ParseTrustDomain(name)
		if wrong == "" && (err != nil || d.String() != name) || wrong != "" && (err == nil || !strings.Contains(err.Error(), wrong) || d != TrustDomain{}) {
			t.Errorf("%q: got %q, %v, want %q", name, d, err, wrong)
		}
	}
}
