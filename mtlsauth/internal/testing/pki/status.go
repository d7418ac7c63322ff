package pki

import (
	"crypto/x509"
	"math/big"
)

// Serial sets the serial number instead of a random one.
func Serial(serial int64) Option {
	return With(func(c *x509.Certificate) { c.SerialNumber = big.NewInt(serial) })
}

// OCSPServer adds the address of an OCSP responder (RFC 5280, section 4.2.2.1).
func OCSPServer(url string) Option {
	return With(func(c *x509.Certificate) { c.OCSPServer = append(c.OCSPServer, url) })
}

// CRLDistributionPoint adds a distribution point with this address (RFC 5280,
// section 4.2.1.13).
func CRLDistributionPoint(url string) Option {
	return With(func(c *x509.Certificate) { c.CRLDistributionPoints = append(c.CRLDistributionPoints, url) })
}
