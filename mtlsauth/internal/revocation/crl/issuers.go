package crl

import (
	"bytes"
	"slices"
)

// Issuers returns who may have issued a list that tells of the certificate, as
// DER Names: its own issuer, and the CRL issuers that its distribution points
// name.
func (t *Target) Issuers() [][]byte {
	names := [][]byte{t.rawIssuer}
	for _, point := range t.Points {
		for _, name := range point.crlIssuer.directoryNames() {
			if !slices.ContainsFunc(names, func(known []byte) bool { return bytes.Equal(known, name) }) {
				names = append(names, name)
			}
		}
	}
	return names
}
