package authn

import (
	"bytes"
	"crypto/x509"
	"errors"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
)

// validated is a certpath.Path whose certificates are those that crypto/x509
// has read, as the other rooms ask for them.
type validated struct {
	certpath.Path
	Certificates []*x509.Certificate
}

// readAgain reads what crypto/x509 has read; what only that can read is left
// out.
func readAgain(certs []*x509.Certificate) (out []*certificate.Certificate) {
	for _, cert := range certs {
		if read, err := certificate.Parse(cert.Raw); err == nil {
			out = append(out, read)
		}
	}
	return out
}

// validateX509 is certpath's Validate.
func validateX509(trust *certpath.Trust, leaf *x509.Certificate, chain, configured []*x509.Certificate, now time.Time) ([]validated, error) {
	read, err := certificate.Parse(leaf.Raw)
	if err != nil {
		return nil, err
	}
	paths, err := trust.Validate(read, readAgain(chain), certpath.Options{Now: now})
	if err != nil {
		return nil, err
	}
	out := make([]validated, len(paths))
	for i, path := range paths {
		out[i].Path = path
		if out[i].Certificates, err = asX509(path.Certificates, leaf, chain, configured); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func asX509(certs []*certificate.Certificate, leaf *x509.Certificate, chain, configured []*x509.Certificate) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for _, cert := range certs {
		found := false
		for _, known := range [][]*x509.Certificate{{leaf}, configured, chain} {
			for _, c := range known {
				if !found && c != nil && bytes.Equal(c.Raw, cert.Raw) {
					out, found = append(out, c), true
				}
			}
		}
		if !found {
			return nil, errors.New("a certificate of the path is not known")
		}
	}
	return out, nil
}
