package crl_test

import (
	"bytes"
	"encoding/pem"
	"path/filepath"
	"testing"

	"mtls-auth/mtlsauth/internal/revocation/crl"
	"mtls-auth/mtlsauth/internal/testing/suites"
)

// oddRefused are the lists of the suites that are not read or have a flaw. All the
// others are read.
var oddRefused = map[string]string{
	"pyca/crl/crl_bad_version.pem": "version",
	// Certificates of a name, beside the lists they are about.
	"pyca/crl/cdp_crl_issuer.pem":                  "malformed",
	"pyca/crl/cdp_fullname_reasons_crl_issuer.pem": "malformed",
	"pyca/crl/freshestcrl.pem":                     "malformed",
	// Entries.
	"pyca/crl/crl_all_reasons.pem":                 "malformed", // certificate issuers in a list that is not indirect
	"pyca/crl/crl_dup_entry_ext.pem":               "malformed",
	"pyca/crl/crl_inval_cert_issuer_entry_ext.pem": "malformed",
	"boulder-crl/cpcps/crl_cert_issuer.pem":        "malformed", // an empty list of names
	// Times: not a time, and one without seconds.
	"pyca/crl/crl_invalid_time.der":               "malformed",
	"boulder-crl/rfc/crl_utctime_no_seconds.pem":  "malformed",
	"pyca/crl/crl_md2_unknown_crit_entry_ext.pem": "weak_algorithm",
	"boulder-crl/cpcps/crl_idp_no_fullname.pem":   "malformed", // a distribution point of no name
	"boulder-crl/cpcps/crl_idp_no_uris.pem":       "malformed",
	"boulder-crl/cpcps/crl_idp_some_reasons.pem":  "malformed", // reasons under a constructed tag
}

// oddIncomplete are read, but of no use for any certificate.
var oddIncomplete = map[string]bool{
	// Without CRL number.
	"pyca/crl/crl_almost_10k.pem":                    true,
	"pyca/crl/crl_empty_no_sequence.der":             true,
	"pyca/crl/crl_idp_fullname_indirect_crl.pem":     true,
	"pyca/crl/crl_idp_fullname_only.pem":             true,
	"pyca/crl/crl_idp_fullname_only_aa.pem":          true,
	"pyca/crl/crl_idp_fullname_only_user.pem":        true,
	"pyca/crl/crl_idp_only_ca.pem":                   true,
	"pyca/crl/crl_idp_reasons_only.pem":              true,
	"pyca/crl/crl_idp_relative_user_all_reasons.pem": true,
	"pyca/crl/crl_idp_relativename_only.pem":         true,
	"pyca/crl/crl_unrecognized_extension.der":        true,
	"pyca/crl/crl_unsupported_reason.pem":            true,
	"boulder-crl/rfc/crl_no_number.pem":              true,
	// Without nextUpdate.
	"pyca/crl/crl_no_next_update.pem": true,
}

// TestOddLists reads lists that are wrong in one way each, or only unusual.
// Those signed with SHA-1 are let in to be looked at.
func TestOddLists(t *testing.T) {
	counted := map[string]int{}
	for _, pattern := range []string{"pyca/crl/*", "boulder-crl/*/*.pem"} {
		folder := suites.Folder(t, ".", "CRLs go")
		names, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %d lists, %v", pattern, len(names), err)
		}
		for _, path := range names {
			name, err := filepath.Rel(folder, path)
			if err != nil {
				t.Fatal(err)
			}
			data := readFile(t, path)
			l, err := crl.Read(bytes.NewReader(data), crl.ReadOptions{})
			if got, want := flawOf(l, err), oddRefused[filepath.ToSlash(name)]; got != want {
				t.Errorf("%s: got %q (%v), want %q", name, got, err, want)
			}
			if err != nil || l.Flaw != nil {
				counted["refused or flawed: "+flawOf(l, err)]++
				t.Logf("%s: %s", name, flawOf(l, err))
				continue
			}
			incomplete := l.Number == nil || l.NextUpdate.IsZero()
			if want := oddIncomplete[filepath.ToSlash(name)]; incomplete != want {
				t.Errorf("%s: number %v, nextUpdate %v, but incomplete is to be %v", name, l.Number, l.NextUpdate, want)
			}
			counted["read"]++
			der := data
			if block, _ := pem.Decode(data); block != nil {
				der = block.Bytes
			}
			sameAsX509(t, der, l)
		}
	}
	t.Log(counted)
}
