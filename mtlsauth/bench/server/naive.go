package server

import (
	"crypto/x509"
	"encoding/pem"
	"errors"

	pdk "github.com/Kong/go-pdk"
)

// Naive is what a plugin that verifies anew each time trusts, as PEM. Its
// intermediates are configured: they are read with each request as the client's
// certificate is, without a third call.
type Naive struct{ Roots, Intermediates string }

func newNaive(n Naive) (*Naive, error) {
	if !x509.NewCertPool().AppendCertsFromPEM([]byte(n.Roots)) {
		return nil, errors.New("the naive plugin trusts nobody")
	}
	return &n, nil
}

// Access makes the two calls and verifies in between.
func (n *Naive) Access(kong *pdk.PDK) {
	cert, err := kong.Nginx.GetVar("ssl_client_raw_cert")
	if err != nil {
		kong.Response.Exit(500, nil, nil)
		return
	}
	leaf, err := verify(cert, n.Roots, n.Intermediates)
	if err != nil {
		kong.Response.Exit(401, nil, nil)
		return
	}
	kong.ServiceRequest.SetHeader("X-Client-Cert-Dn", leaf.Subject.String())
}

// verify is what the documentation of crypto/x509 leads to.
func verify(leaf, roots, intermediates string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(leaf))
	if block == nil {
		return nil, errors.New("no PEM")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if !options.Roots.AppendCertsFromPEM([]byte(roots)) {
		return nil, errors.New("no root")
	}
	options.Intermediates.AppendCertsFromPEM([]byte(intermediates))
	_, err = cert.Verify(options)
	return cert, err
}
