package crl_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/crl"
)

var (
	oidReasonCode        = asn1.ObjectIdentifier{2, 5, 29, 21}
	oidIDP               = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidCertificateIssuer = asn1.ObjectIdentifier{2, 5, 29, 29}
)

// sameAsX509 checks a list that was read against what crypto/x509 reads in it:
// the header, and each entry, found by its issuer and serial number.
func sameAsX509(t testing.TB, der []byte, l *crl.List) {
	t.Helper()
	want, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Errorf("crypto/x509 refuses what was read: %v", err)
		return
	}
	if !bytes.Equal(l.RawIssuer, want.RawIssuer) || !l.ThisUpdate.Equal(want.ThisUpdate) || !l.NextUpdate.Equal(want.NextUpdate) {
		t.Errorf("got header %x %v %v, want %x %v %v", l.RawIssuer, l.ThisUpdate, l.NextUpdate, want.RawIssuer, want.ThisUpdate, want.NextUpdate)
	}
	if (l.Number == nil) != (want.Number == nil) || l.Number != nil && l.Number.Cmp(want.Number) != 0 {
		t.Errorf("got number %v, want %v", l.Number, want.Number)
	}
	if !bytes.Equal(l.AuthorityKeyID, want.AuthorityKeyId) {
		t.Errorf("got key identifier %x, want %x", l.AuthorityKeyID, want.AuthorityKeyId)
	}
	if l.Len() != len(want.RevokedCertificateEntries) {
		t.Errorf("got %d entries, want %d", l.Len(), len(want.RevokedCertificateEntries))
	}
	sameEntries(t, want, l)
}

// entryKey tells the entries of a list apart.
type entryKey struct{ issuer, serial string }

// entriesOf returns the reason for each certificate on a list: of several that
// which revokes for good, then certificateHold, then removeFromCRL.
func entriesOf(list *x509.RevocationList) map[entryKey]crl.Reason {
	rank := func(r crl.Reason) int {
		switch r {
		case crl.ReasonHold:
			return 100
		case crl.ReasonRemoveFromCRL:
			return 200
		}
		return int(r)
	}
	found := map[entryKey]crl.Reason{}
	issuer := list.RawIssuer
	for _, e := range list.RevokedCertificateEntries {
		for _, x := range e.Extensions {
			if x.Id.Equal(oidCertificateIssuer) {
				issuer = certificateIssuer(x)
			}
		}
		reason := crl.Reason(0)
		if e.ReasonCode > 0 && e.ReasonCode <= 10 {
			reason = crl.Reason(e.ReasonCode)
		}
		key := entryKey{string(issuer), e.SerialNumber.String()}
		if had, twice := found[key]; !twice || rank(reason) < rank(had) {
			found[key] = reason
		}
	}
	return found
}

// certificateIssuer returns the directoryName in the extension.
func certificateIssuer(x pkix.Extension) []byte {
	var names []asn1.RawValue
	if _, err := asn1.Unmarshal(x.Value, &names); err != nil {
		return nil
	}
	for _, name := range names {
		if name.Tag == 4 {
			return name.Bytes
		}
	}
	return nil
}

func sameEntries(t testing.TB, list *x509.RevocationList, l *crl.List) {
	t.Helper()
	want := entriesOf(list)
	odd := false // an issuer whose name cannot be told from another's
	for key := range want {
		odd = odd || certificate.Compare(named("another").RawSubject, []byte(key.issuer)) != certificate.Different
	}
	for key, reason := range want {
		serial, _ := new(big.Int).SetString(key.serial, 10)
		if got, found := l.Lookup([]byte(key.issuer), contentOf(serial)); !found || got != reason {
			t.Errorf("serial %v: got %v, %v, want %v", serial, got, found, reason)
		}
		// What is beside it is not on the list, unless it is.
		for _, other := range []*big.Int{new(big.Int).Add(serial, big.NewInt(1)), new(big.Int).Neg(serial), new(big.Int).Lsh(serial, 8)} {
			_, listed := want[entryKey{key.issuer, other.String()}]
			if _, found := l.Lookup([]byte(key.issuer), contentOf(other)); found != listed {
				t.Errorf("serial %v: found is %v, want %v", other, found, listed)
			}
		}
		if _, found := l.Lookup(named("another").RawSubject, contentOf(serial)); found && !odd {
			t.Errorf("serial %v is found for another issuer", serial)
		}
	}
}
