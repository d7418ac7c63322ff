package certpath

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"

	"mtls-auth/mtlsauth/internal/certname"
)

var (
	oidNameConstraints = asn1.ObjectIdentifier{2, 5, 29, 30}
	oidExtKeyUsage     = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidKeyUsage        = asn1.ObjectIdentifier{2, 5, 29, 15}
)

// node is a certificate with what path building asks of it again and again.
type node struct {
	cert *x509.Certificate // as handed in
	view *x509.Certificate // what crypto/x509 is shown in its place
	cost int64             // of checking a signature with its key, in nanoseconds
	weak *Error            // why its key is not accepted, nil if it is

	anchor       bool // a trust anchor
	intermediate bool // may stand between leaf and trust anchor
	order        int  // position among the configured, then among the presented

	constraints    *nameConstraints
	constraintsErr error
	parsed         bool // whether the two above are set
}

func newNode(cert *x509.Certificate, order int) *node {
	return &node{cert: cert, view: viewOf(cert), cost: keyCost(cert), order: order}
}

// nameConstraints reads the certificate's name constraints once. For a
// configured certificate NewTrust has done so; others belong to one request.
func (n *node) nameConstraints() (*nameConstraints, error) {
	if !n.parsed {
		n.constraints, n.constraintsErr = parseNameConstraints(n.cert)
		n.parsed = true
	}
	return n.constraints, n.constraintsErr
}

// viewOf returns the certificate as crypto/x509 shall see it: without the parts
// that this package checks itself after crypto/x509 has found a path, and which
// it would judge wrongly. They are name constraints, path length, and a
// critical subject alternative name with no kind that it knows. checkPath
// checks all of them on the certificate itself.
//
// It is the certificate itself where there is nothing to leave out, else a
// shallow copy: certificates are shared between requests.
func viewOf(cert *x509.Certificate) *x509.Certificate {
	constrained := extension(cert, oidNameConstraints) != nil
	limited := cert.BasicConstraintsValid && cert.MaxPathLen >= 0
	ours := slices.ContainsFunc(cert.UnhandledCriticalExtensions, isOurs)
	if !constrained && !limited && !ours {
		return cert
	}
	view := *cert
	view.MaxPathLen, view.MaxPathLenZero = -1, false
	if ours {
		view.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(cert.UnhandledCriticalExtensions), isOurs)
	}
	if constrained {
		// crypto/x509 goes by the presence of the extension.
		view.Extensions = slices.DeleteFunc(slices.Clone(cert.Extensions), func(e pkix.Extension) bool {
			return e.Id.Equal(oidNameConstraints)
		})
	}
	return &view
}

// isOurs reports the critical extensions that checkPath processes.
func isOurs(id asn1.ObjectIdentifier) bool {
	return id.Equal(certname.OIDSubjectAltName) || id.Equal(oidNameConstraints)
}

func extension(cert *x509.Certificate, id asn1.ObjectIdentifier) *pkix.Extension {
	for i := range cert.Extensions {
		if cert.Extensions[i].Id.Equal(id) {
			return &cert.Extensions[i]
		}
	}
	return nil
}

// isCA reports basic constraints that make the certificate a CA's (RFC 5280,
// section 4.2.1.9).
func isCA(cert *x509.Certificate) bool { return cert.BasicConstraintsValid && cert.IsCA }

// mayIssue reports whether the certificate is a CA's whose key usage lets it
// sign certificates.
func mayIssue(cert *x509.Certificate) bool {
	return isCA(cert) && hasUsage(cert, x509.KeyUsageCertSign)
}

// hasUsage reports whether the key may be used in one of these ways (section
// 4.2.1.3): in any without the extension, in none with one that is empty or
// has only bits that nobody knows.
func hasUsage(cert *x509.Certificate, ways x509.KeyUsage) bool {
	return cert.KeyUsage&ways != 0 || cert.KeyUsage == 0 && extension(cert, oidKeyUsage) == nil
}

// selfIssued is RFC 5280, section 6.1: issuer and subject are the same name.
func selfIssued(cert *x509.Certificate) bool {
	return bytes.Equal(cert.RawIssuer, cert.RawSubject)
}

// selfSigned reports whether the certificate's own key verifies it. Where
// crypto/x509 cannot tell, as with MD5 on an old root, the name decides: what a
// trust anchor's own signature is worth does not matter (section 6.1.1(d)).
func selfSigned(cert *x509.Certificate) bool {
	if !selfIssued(cert) {
		return false
	}
	return verdicts.of(cert, verifiesItself)
}

func verifiesItself(cert *x509.Certificate) bool {
	// CheckSignature takes SHA-1, unlike CheckSignatureFrom.
	err := cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature)
	if _, insecure := errors.AsType[x509.InsecureAlgorithmError](err); insecure {
		return true
	}
	return err == nil || errors.Is(err, x509.ErrUnsupportedAlgorithm)
}
