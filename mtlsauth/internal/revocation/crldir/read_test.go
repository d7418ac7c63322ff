package crldir_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/crldir"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func TestPanicWhileReading(t *testing.T) {
	b := &budget{hook: func() { panic("ouch") }}
	bubble(t, crldir.Options{Reserve: b.reserve, Release: b.release}, func(t *testing.T, r *rig) {
		ca := pki.NewCA("one")
		write(t, r.path("a"), newList(t, ca, 1, time.Hour))
		r.run()
		r.want("a panic", ca, "", "")
		r.log.want(t, "a panic", 1, "level=ERROR")
		b.set(0, nil)
		time.Sleep(crldir.RetryEvery)
		synctest.Wait()
		r.want("after the panic", ca, "1", "")
	})
}

// TestPEMFiles: all lists of a file are read, and what else is in it is said once.
func TestPEMFiles(t *testing.T) {
	one, two := pki.NewCA("one"), pki.NewCA("two")
	a, b := pemOf(newList(t, one, 1, 2*time.Hour)), pemOf(newList(t, two, 2, time.Hour))
	for _, test := range []struct {
		name     string
		file     string
		one, two string
		aside    string // of the warning, "" for none
	}{
		{"one", string(a), "1", "", ""},
		{"a bundle", string(a) + string(b), "1", "2", ""},
		{"a bundle with blank lines", "\n" + string(a) + "\n \n" + string(b) + "\n", "1", "2", ""},
		{"CRLF", strings.ReplaceAll(string(a)+string(b), "\n", "\r\n"), "1", "2", ""},
		{"a byte order mark", "\xef\xbb\xbf" + string(a), "1", "", ""},
		{"the CA's certificate first", one.PEM() + string(a), "1", "", `aside="1 blocks of type \"CERTIFICATE\""`},
		{"the CA's certificate behind it", string(a) + one.PEM(), "1", "", `aside="1 blocks of type \"CERTIFICATE\""`},
		{"the text of openssl crl -text", "Certificate Revocation List (CRL):\n        Version 2 (0x1)\n" + string(a), "1", "", `aside="2 lines of text"`},
		{"a broken one between", string(a) + "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n" + string(b), "1", "2", "skipping an invalid CRL file"},
		{"one that is cut off", string(a) + string(b[:len(b)/2]), "1", "", "skipping an invalid CRL file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, crldir.Options{}, func(t *testing.T, r *rig) {
				write(t, r.path("a"), []byte(test.file))
				r.run()
				for range 3 {
					r.next()
				}
				r.want("first", one, test.one, "")
				r.want("second", two, test.two, "")
				warnings := 0
				if test.aside != "" {
					warnings = 1
					r.log.want(t, "what is said", 1, test.aside)
				}
				r.log.want(t, "once", warnings, "level=WARN")
			})
		})
	}
}

// TestIssuerInAnotherSpelling finds lists by names that compare as RFC 5280,
// section 7.1, has it.
func TestIssuerInAnotherSpelling(t *testing.T) {
	bubble(t, crldir.Options{}, func(t *testing.T, r *rig) {
		ca := pki.NewCA("one")
		write(t, r.path("a"), newList(t, ca, 1, time.Hour))
		r.run()
		if lists, _ := r.Lists([][]byte{pki.NewCA("ONE").RawSubject, ca.RawSubject}); len(lists) != 1 {
			t.Errorf("%d lists for the name in two spellings, want 1", len(lists))
		}
	})
}
