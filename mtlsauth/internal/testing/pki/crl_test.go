package pki_test

import (
	"bytes"
	"crypto/x509"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// TestCRL reads what is made with crypto/x509.
func TestCRL(t *testing.T) {
	ca := pki.NewCA("ca")
	client := ca.Client("client", pki.DistributionPoints(pki.DistributionPoint{URIs: []string{"http://a/"}, Reasons: []int{1}}))
	if got := client.CRLDistributionPoints; len(got) != 1 || got[0] != "http://a/" {
		t.Errorf("got distribution points %v", got)
	}
	list, err := x509.ParseRevocationList(pki.CRL{
		Issuer: ca, Number: 7, Entries: []pki.CRLEntry{{Serial: client.SerialNumber, Reason: 4}}, RawEntries: pki.Serials(200, 20),
	}.DER())
	if err != nil {
		t.Fatal(err)
	}
	if err := list.CheckSignatureFrom(ca.Certificate); err != nil {
		t.Error(err)
	}
	entries := list.RevokedCertificateEntries
	if len(entries) != 201 || entries[0].SerialNumber.Cmp(client.SerialNumber) != 0 || entries[0].ReasonCode != 4 || list.Number.Int64() != 7 {
		t.Errorf("got %d entries, number %v", len(entries), list.Number)
	}
	seen := map[string]bool{}
	for i, e := range entries[1:] {
		if serial := e.SerialNumber.Bytes(); !bytes.Equal(serial, pki.SerialOf(i, 20)) || len(serial) != 20 || seen[string(serial)] {
			t.Errorf("entry %d: got %x, want %x, once", i, serial, pki.SerialOf(i, 20))
		} else {
			seen[string(serial)] = true
		}
	}
}
