package spiffe

import (
	"errors"
	"fmt"

	"mtls-auth/mtlsauth/internal/certificate"
)

// IDOf returns the SPIFFE ID of a client's certificate, or why it is not an X509-SVID of a
// workload (sections 2, 3.1, 4.1, 4.3 and 5.2): exactly one URI among its subject
// alternative names, which is a SPIFFE ID with a path; not a CA certificate; and key usage
// digitalSignature, without keyCertSign and cRLSign. Its path is for others to validate.
func IDOf(cert *certificate.Certificate) (ID, error) {
	switch {
	case cert.IsCA:
		return ID{}, errors.New("a CA certificate is not a workload's X509-SVID")
	case !cert.HasKeyUsage || cert.KeyUsage&certificate.KeyUsageDigitalSignature == 0:
		return ID{}, errors.New("the key usage of an X509-SVID must have digitalSignature")
	case cert.KeyUsage&(certificate.KeyUsageCertSign|certificate.KeyUsageCRLSign) != 0:
		return ID{}, errors.New("the key usage of a workload's X509-SVID must not have keyCertSign or cRLSign")
	}
	names, _, err := cert.SubjectAltNames()
	if err != nil {
		return ID{}, err
	}
	var uris []certificate.GeneralName
	for _, name := range names {
		if name.Kind == certificate.URI {
			uris = append(uris, name)
		}
	}
	if len(uris) != 1 {
		return ID{}, fmt.Errorf("%d URIs among the subject alternative names, an X509-SVID must have exactly one", len(uris))
	}
	if uris[0].Undecodable {
		return ID{}, errors.New("the URI among the subject alternative names cannot be read")
	}
	return ParseID(uris[0].Value)
}
