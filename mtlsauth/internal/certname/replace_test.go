package certname_test

import (
	"encoding/asn1"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certname"
)

// replaceSAN rewrites the subject alternative name in a DER certificate. The
// signature no longer fits, which parsing does not ask.
func replaceSAN(t *testing.T, der, value []byte) []byte {
	t.Helper()
	var cert struct {
		TBS       asn1.RawValue
		Algorithm asn1.RawValue
		Signature asn1.RawValue
	}
	if _, err := asn1.Unmarshal(der, &cert); err != nil {
		t.Fatal(err)
	}
	extensionsTag := cryptobyte_asn1.Tag(3).ContextSpecific().Constructed()
	tbs := cryptobyte.String(cert.TBS.Bytes)
	var fields []byte
	for !tbs.Empty() {
		var field cryptobyte.String
		var tag cryptobyte_asn1.Tag
		if !tbs.ReadAnyASN1Element(&field, &tag) {
			t.Fatal("broken template")
		}
		if tag == extensionsTag {
			extension := marshal(t, struct {
				ID    asn1.ObjectIdentifier
				Value []byte
			}{certname.OIDSubjectAltName, value})
			field = context(3, true, sequence(extension))
		}
		fields = append(fields, field...)
	}
	return sequence(sequence(fields), cert.Algorithm.FullBytes, cert.Signature.FullBytes)
}
