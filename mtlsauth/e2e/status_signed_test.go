package e2e

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// A CA whose CRL is in shards, each with a delta CRL: that of the certificate's shard counts
// among however many.
func TestDeltaCRLsOfManyShards(t *testing.T) {
	t.Parallel()
	for _, shards := range []int{16, 17, 40} {
		t.Run(fmt.Sprint(shards), func(t *testing.T) {
			t.Parallel()
			root := pki.NewCA("root")
			uri := func(n int) string { return fmt.Sprintf("http://crl.invalid/%d.crl", n) }
			inFirst := pki.DistributionPoints(pki.DistributionPoint{URIs: []string{uri(0)}})
			bad, good := root.Client("bad", inFirst), root.Client("good", inFirst)
			dir := t.TempDir()
			write := func(n int, kind string, list pki.CRL) {
				list.Issuer, list.IDP = root, &pki.IDP{URIs: []string{uri(n)}}
				writeFile(t, filepath.Join(dir, fmt.Sprint(n, kind)), string(list.DER()))
			}
			at := time.Now().Add(-time.Hour)
			for n := range shards {
				delta := pki.CRL{ThisUpdate: at.Add(time.Duration(n) * time.Second), Number: 2, BaseNumber: 1} // the first is the oldest
				if n == 0 {
					delta.Entries = pki.Revoked(bad)
				}
				write(n, "complete", pki.CRL{ThisUpdate: at.Add(-time.Hour), Number: 1})
				write(n, "delta", delta)
			}
			r := newStatusRig(t, cas{idA: root}, bothModes(), flags("-crl-dir "+dir))
			for _, path := range []string{"/strict", "/ignore"} {
				r.expectStatus("on the delta CRL of its shard", path, bad, isRevoked, "from -crl-dir")
				r.expectStatus("on none", path, good, passes)
			}
		})
	}
}

// An indirect CRL names the issuer of an entry in another spelling than the certificate.
func TestIndirectCRLsInAnotherSpelling(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("Issuing CA")
	lister := root.Intermediate("lister")
	r := newStatusRig(t, cas{idA: root, idB: lister}, bothModes(object{"ca_certificates": []string{idA, idB}}))
	for _, test := range []struct{ name, old, spelled string }{
		{"the same", "\x13\x0aIssuing CA", "\x13\x0aIssuing CA"},
		{"UTF8String", "\x13\x0aIssuing CA", "\x0c\x0aIssuing CA"},
		{"other capitals", "Issuing CA", "ISSUING CA"},
		{"more spaces", "\x30\x15\x31\x13\x30\x11\x06\x03\x55\x04\x03\x13\x0aIssuing CA", "\x30\x17\x31\x15\x30\x13\x06\x03\x55\x04\x03\x13\x0cIssuing   CA"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := r.in(t)
			host := newCRLHost(t, pki.CRL{Issuer: lister})
			at := pki.DistributionPoints(pki.DistributionPoint{URIs: []string{host.URL()}, CRLIssuer: []*pki.Certificate{lister}})
			bad, good := root.Client("bad", at), root.Client("good", at)
			spelled := *root.Certificate
			if spelled.RawSubject = bytes.Replace(root.RawSubject, []byte(test.old), []byte(test.spelled), 1); test.name != "the same" && bytes.Equal(spelled.RawSubject, root.RawSubject) {
				t.Fatalf("no %q in %x", test.old, root.RawSubject)
			}
			entries := pki.Revoked(bad)
			entries[0].Issuer = &pki.Certificate{Certificate: &spelled}
			host.Set(pki.CRL{Issuer: lister, IDP: &pki.IDP{URIs: []string{host.URL()}, Indirect: true}, Entries: entries}.DER())
			for _, path := range []string{"/strict", "/ignore"} {
				r.expectStatus("listed", path, bad, isRevoked)
				r.expectStatus("not listed", path, good, passes)
			}
		})
	}
}

// A CA signs its CRLs with a key of its own: its certificate is found behind however many
// others of the CA's name that sign no CRLs.
func TestCRLSignerBehindOthersOfItsName(t *testing.T) {
	t.Parallel()
	root := pki.NewCA("root")
	uses := func(usage x509.KeyUsage) pki.Option {
		return pki.With(func(c *x509.Certificate) { c.KeyUsage = usage })
	}
	inter := root.Intermediate("inter", uses(x509.KeyUsageCertSign))
	authorities, ids := cas{idA: root, idB: inter}, []string{idA, idB}
	for n := range 8 {
		ids = append(ids, fmt.Sprintf("%08d-0000-4000-8000-000000000009", n))
		authorities[ids[len(ids)-1]] = root.Intermediate("inter", uses(x509.KeyUsageCertSign))
	}
	signer := root.Intermediate("inter", uses(x509.KeyUsageCRLSign))
	ids, authorities[idC] = append(ids, idC), signer
	host := newCRLHost(t, pki.CRL{Issuer: inter, Signer: signer})
	at := pki.CRLDistributionPoint(host.URL())
	bad, good := inter.Client("bad", at), inter.Client("good", at)
	host.Set(pki.CRL{Issuer: inter, Signer: signer, Entries: pki.Revoked(bad)}.DER())
	r := newStatusRig(t, authorities, bothModes(object{"ca_certificates": ids}))
	for _, path := range []string{"/strict", "/ignore"} {
		r.expectStatus("listed", path, onlyLeaf(bad), isRevoked)
		r.expectStatus("not listed", path, onlyLeaf(good), passes)
	}
}
