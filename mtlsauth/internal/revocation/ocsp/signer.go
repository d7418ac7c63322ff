package ocsp

import (
	"bytes"
	"crypto"
	"strconv"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/signature"
)

// maxCertificates bounds those of the embedded certificates that responderID
// names, and so the signatures that are verified: two for each of them. A
// responder that got a new certificate may send both.
const maxCertificates = 8

// authenticate verifies the signature. It returns the certificate of the
// delegated responder that signed, or nil where the issuer did; every other
// signer is an error. A delegate has to be valid at the instant at; whether the
// issuer is, path validation said.
//
// The signer has to be the one that the response names, by name or by key.
// Where several certificates fit, the error is about the first.
func (r *response) authenticate(q question, at time.Time, o limits) (*certificate.Certificate, error) {
	if r.algorithm.Insecure() && !o.allowSHA1 {
		return nil, refuse(WeakAlgorithm, "the response is signed by "+r.algorithm.String())
	}
	if err := signature.CheckIssuerKey(q.issuer.PublicKey, o.MinRSABits); err != nil {
		return nil, refuseFor(WeakAlgorithm, "checking the issuer's key", err)
	}
	var refusal error
	if r.names(q.issuer) {
		if refusal = r.signedBy(q.issuer.PublicKey); refusal == nil {
			return nil, nil
		}
	}
	for _, cert := range o.Responders {
		if r.names(cert) && checkResponder(cert, at, o) == nil && r.signedBy(cert.PublicKey) == nil {
			return nil, nil
		}
	}
	named := 0
	for _, der := range r.certificates {
		cert, err := certificate.Parse(der)
		if err != nil || !r.names(cert) {
			continue
		}
		if named++; named > maxCertificates {
			return nil, refuse(Unauthorized, "responderID names more than "+strconv.Itoa(maxCertificates)+" embedded certificates")
		}
		err = checkDelegate(cert, q, at, o)
		if err == nil {
			err = r.signedBy(cert.PublicKey)
		}
		if err == nil {
			return cert, nil
		}
		if refusal == nil {
			refusal = err
		}
	}
	if refusal == nil {
		refusal = refuse(Unauthorized, "responderID is neither the issuer nor an embedded certificate")
	}
	return nil, refusal
}

// names reports whether responderID may be that of cert: it chooses among keys,
// and the signature decides.
func (r *response) names(cert *certificate.Certificate) bool {
	if r.responderName != nil {
		return certificate.Compare(r.responderName, cert.RawSubject) != certificate.Different
	}
	bits, ok := keyBits(cert)
	return ok && bytes.Equal(r.responderKeyHash, digest(crypto.SHA1, bits))
}

func (r *response) signedBy(key crypto.PublicKey) error {
	if err := r.algorithm.VerifyMessage(key, r.tbs, r.signature); err != nil {
		return refuseFor(BadSignature, "verifying the response", err)
	}
	return nil
}

// checkDelegate refuses a certificate that the issuer did not authorize to sign
// responses (RFC 6960, section 4.2.2.2). Its key is used for nothing before
// this has passed.
func checkDelegate(cert *certificate.Certificate, q question, at time.Time, o limits) error {
	switch {
	case certificate.Compare(cert.RawIssuer, q.issuer.RawSubject) == certificate.Different:
		return refuse(Unauthorized, "the responder's certificate is not from the issuer")
	case cert.SerialNumber().Cmp(q.serial) == 0:
		return refuse(Unauthorized, "a responder cannot vouch for its own certificate")
	}
	if err := checkResponder(cert, at, o); err != nil {
		return err
	}
	return checkIssued(cert, q.issuer, o)
}

// checkResponder refuses a certificate that may not sign responses, whatever its
// issuer.
func checkResponder(cert *certificate.Certificate, at time.Time, o limits) error {
	switch {
	case !cert.HasPurpose(certificate.ExtKeyUsageOCSPSigning):
		// anyExtendedKeyUsage is no designation: the section asks for
		// id-kp-OCSPSigning itself.
		return refuse(Unauthorized, "the responder's certificate has no id-kp-OCSPSigning")
	case at.Before(cert.NotBefore):
		return refuse(Unauthorized, "the responder's certificate is not valid before "+cert.NotBefore.UTC().Format(time.RFC3339))
	case at.After(cert.NotAfter):
		return refuse(Unauthorized, "the responder's certificate is not valid after "+cert.NotAfter.UTC().Format(time.RFC3339))
	case cert.HasKeyUsage && cert.KeyUsage&(certificate.KeyUsageDigitalSignature|certificate.KeyUsageContentCommitment) == 0:
		return refuse(Unauthorized, "key usage of the responder's certificate does not allow signatures")
	}
	if err := cert.CheckCritical(); err != nil {
		return refuseFor(Unauthorized, "checking the responder's certificate", err)
	}
	if err := signature.CheckIssuerKey(cert.PublicKey, o.MinRSABits); err != nil {
		return refuseFor(WeakAlgorithm, "checking the responder's key", err)
	}
	return nil
}

// checkIssued verifies that cert is signed with the issuer's key.
func checkIssued(cert, issuer *certificate.Certificate, o limits) error {
	algorithm, err := cert.SignatureAlgorithm()
	if err != nil {
		return refuseFor(WeakAlgorithm, "parsing the responder's certificate", err)
	}
	if algorithm.Insecure() && !o.allowSHA1 {
		return refuse(WeakAlgorithm, "the responder's certificate is signed by "+algorithm.String())
	}
	if err := algorithm.VerifyMessage(issuer.PublicKey, cert.RawTBSCertificate, cert.Signature); err != nil {
		return refuseFor(Unauthorized, "verifying the responder's certificate", err)
	}
	return nil
}

// mustBeAsked reports whether the delegate's own status has to be asked: the
// issuer did not say id-pkix-ocsp-nocheck and said where.
func mustBeAsked(delegate *certificate.Certificate) bool {
	return delegate.Extension(certificate.OIDOCSPNoCheck) == nil &&
		(len(delegate.AuthorityInfo(certificate.AccessOCSP)) > 0 || delegate.Extension(certificate.OIDCRLDistributionPoints) != nil)
}
