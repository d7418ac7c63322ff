package crl

import (
	"bytes"
	"slices"

	"mtls-auth/mtlsauth/internal/certificate"
)

// maxSigners bounds the certificates beside the issuer's that are tried for one
// list, those with its key identifier first. CAs have two or three of one name,
// while they change keys.
const maxSigners = 32

// signer returns the certificate that signed the list and might: section 6.3.3
// (f) and (g).
func (t *Target) signer(l *List, o JudgeOptions) (*certificate.Certificate, *Error) {
	var first *Error
	if certificate.Compare(l.RawIssuer, t.issuer.RawSubject) != certificate.Different {
		if first = l.verify(t.issuer, o.MinRSABits); first == nil {
			return t.issuer, nil
		}
	}
	if o.Signers != nil {
		signed := func(cert *certificate.Certificate) bool {
			err := mayIssueCRLs(cert)
			if err == nil {
				err = l.verify(cert, o.MinRSABits)
			}
			// That a signature is not the issuer's says less than what is wrong
			// with who made it.
			if err != nil && (first == nil || first.Kind == BadSignature) {
				first = err
			}
			return err == nil
		}
		candidates := o.Signers(l.RawIssuer, signed)
		slices.SortStableFunc(candidates, func(a, b *certificate.Certificate) int { return l.fits(b) - l.fits(a) })
		for _, candidate := range candidates[:min(len(candidates), maxSigners)] {
			if signed(candidate) {
				return candidate, nil
			}
		}
	}
	if first == nil {
		first = refuse(WrongIssuer, "no certificate of the CRL's issuer is known")
	}
	return nil, first
}

// fits is 1 where a certificate has the list's key identifier.
func (l *List) fits(cert *certificate.Certificate) int {
	if l.AuthorityKeyID != nil && bytes.Equal(l.AuthorityKeyID, cert.SubjectKeyId) {
		return 1
	}
	return 0
}

// mayIssueCRLs refuses what was not made to sign CRLs. RFC 5280 does without
// cRLSign where there is no key usage; from a certificate that is not a CA's, and
// not the issuer's, that is not enough.
func mayIssueCRLs(cert *certificate.Certificate) *Error {
	if !cert.HasKeyUsage && !cert.IsCA {
		return refuse(Unauthorized, "the CRL's signer is not a CA and has no key usage")
	}
	return nil
}
