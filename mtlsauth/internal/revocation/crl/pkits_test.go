package crl_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/testing/suites"
)

// pkitsDeviations are vectors that are refused although they are valid. None is
// for a list: without a path there is no status to ask for.
var pkitsDeviations = map[string]string{
	"4.1.4":  "DSA is not supported",
	"4.1.5":  "DSA is not supported",
	"4.6.8":  "a CA certificate that is no configured trust anchor is no client's",
	"4.6.14": "a CA certificate that is no configured trust anchor is no client's",
}

// pkitsWhy says what the vectors that are invalid by their lists alone are
// refused for: a refusal for another reason would be right by chance. Vectors
// of the suite that are not at hand have no entry here.
var pkitsWhy = map[string]string{
	"4.4.1":   "unknown: wrong_issuer", // there is no list
	"4.4.2":   "revoked",               // the intermediate
	"4.4.3":   "revoked",               // the leaf
	"4.4.5":   "unknown: wrong_issuer", // of another name
	"4.4.6":   "unknown: wrong_issuer", // the list of another CA
	"4.4.8":   "revoked",               // in spite of a critical extension of the entry
	"4.4.9":   "revoked",               // in spite of a critical extension of the list
	"4.4.11":  "unknown: stale",
	"4.4.12":  "unknown: stale", // since 1999, by UTCTime
	"4.4.21":  "unknown: " + errSigner.Error(),
	"4.5.2":   "revoked",
	"4.5.7":   "revoked",
	"4.7.4":   "unknown: unauthorized",
	"4.7.5":   "unknown: unauthorized",
	"4.14.8":  "unknown: wrong_scope",
	"4.14.9":  "unknown: wrong_scope",
	"4.14.12": "unknown: wrong_scope",
	"4.14.14": "unknown: wrong_scope",
	"4.14.15": "revoked",
	"4.14.17": "unknown: wrong_issuer", // the reasons together are not all
	"4.14.20": "revoked",
	"4.14.21": "revoked",
	"4.14.23": "revoked",
	"4.14.26": "unknown: wrong_issuer", // an indirect list that no distribution point names
	"4.14.32": "revoked",
	"4.14.34": "revoked",
	"4.15.1":  "unknown: wrong_scope", // a delta CRL alone
	"4.15.4":  "revoked",
	"4.15.9":  "revoked",
	"4.15.10": "unknown: stale", // the delta CRL goes on from a later list
}

// TestPKITS validates the path of each vector and then asks for the status of
// each certificate on it.
func TestPKITS(t *testing.T) {
	folder := suites.Folder(t, "pkits", "CRLs go")
	vectors, err := suites.ReadPKITS(folder)
	if err != nil {
		t.Fatal(err)
	}

	counted := map[string]int{}
	for _, v := range vectors {
		id, _, _ := strings.Cut(v.Name, " ")
		if !v.AnyPolicy() {
			counted["not applicable: another initial policy than any"]++
			continue
		}
		status, why := pkitsStatus(t, folder, v)
		reason, deviates := pkitsDeviations[id]
		switch {
		case (status == "good") == v.ShouldValidate && !deviates:
			counted["right: "+status]++
		case deviates && status != "good" && v.ShouldValidate:
			counted["deviating"]++
			t.Logf("false reject: %s: %s, %v: %s", v.Name, status, why, reason)
		default:
			counted["wrong"]++
			t.Errorf("%s: got %s, %v, valid is %v", v.Name, status, why, v.ShouldValidate)
		}
		got := status
		if status == "unknown" {
			got += ": " + kindOf(why)
		}
		if want, listed := pkitsWhy[id]; listed && got != want {
			t.Errorf("%s: got %s (%v), want %s", v.Name, got, why, want)
		} else if !listed && !v.ShouldValidate && status != "no path" {
			t.Logf("refused: %s: %s, %v", v.Name, status, why)
		}
	}
	t.Log(counted)
}

// pkitsStatus returns good, revoked, unknown or no path.
func pkitsStatus(t *testing.T, folder string, v suites.PKITS) (string, error) {
	t.Helper()
	w := &world{now: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}
	for _, name := range v.CertPath {
		cert, err := certificate.Parse(readFile(t, filepath.Join(folder, "certs", name)))
		if err != nil {
			return "no path", err
		}
		w.certs = append(w.certs, cert)
	}
	for _, name := range v.CRLPath {
		w.add(readFile(t, filepath.Join(folder, "crls", name)))
	}
	w.anchor = w.certs[0]
	last := len(w.certs) - 1
	paths, err := validate(w.certs[:1], w.certs[last], w.certs[1:last], w.now)
	if err != nil {
		return "no path", err
	}
	status := "unknown"
	for _, path := range paths {
		if status, err = w.path(path); status == "good" {
			return "good", nil
		}
	}
	return status, err
}
