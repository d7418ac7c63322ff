package revocation

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"mtls-auth/mtlsauth/internal/revocation/crl"
)

// verify judges the list itself: that it is a complete one, who signed it, and
// when. What it covers is for each certificate to see.
func (a *listQuestion) verify(list *crl.List) error {
	signers := signersOf{a.trust, a.anchorCert, nil}
	_, err := a.target.Judge(list, crl.JudgeOptions{
		Now: a.checker.now(), MinRSABits: a.checker.options.MinRSABits, Signers: signers.named,
	})
	if isKind(err, crl.WrongScope) && list.BaseNumber == nil {
		err = a.signed(list, signers.named(list.RawIssuer))
	}
	if err != nil {
		return fmt.Errorf("judging the CRL: %w", err)
	}
	if !a.checker.now().Before(list.NextUpdate) {
		return &crl.Error{Kind: crl.Stale, Err: fmt.Errorf("past its nextUpdate of %s", stamp(list.NextUpdate))}
	}
	return nil
}

// covers reports a list that speaks of the certificate that was asked about.
func (a *listQuestion) covers(list *crl.List) bool {
	_, err := a.target.Judge(list, crl.JudgeOptions{Now: a.checker.now(), MinRSABits: a.checker.options.MinRSABits})
	return !isKind(err, crl.WrongScope)
}

// signed reports by its error whether somebody signed the list who may.
func (a *listQuestion) signed(list *crl.List, others []*x509.Certificate) error {
	err := error(&crl.Error{Kind: crl.WrongIssuer, Err: errors.New("no certificate of the CRL's issuer is known")})
	for _, signer := range append([]*x509.Certificate{a.issuerCert}, others...) {
		if err = list.Verify(signer, a.checker.options.MinRSABits); err == nil {
			return nil
		}
	}
	return err
}

func isKind(err error, kinds ...crl.Kind) bool {
	refused, ok := errors.AsType[*crl.Error](err)
	return ok && slices.Contains(kinds, refused.Kind)
}
