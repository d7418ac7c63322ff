package revocation

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/crl"
)

const (
	// maxURLs bounds the addresses of one certificate that are asked, of OCSP
	// responders and of CRLs each. Certificates in use have one or two.
	maxURLs = 4
	// maxAbove bounds how far the status of those who sign answers is followed:
	// a CRL signer, the signer of the CRL for that certificate, and so on.
	maxAbove = 3
	// folderAgain is when a list of -crl-dir that is of no use now is looked at
	// again, though the folder has not changed.
	folderAgain = time.Minute
)

// status finds out about one certificate. above are those whose status hangs on
// it: who signed an answer is asked about as well.
func (i *inquiry) status(p pair, above []pair) finding {
	c := i.checker
	key := certKeyOf(p.cert, p.issuer, i.ownID)
	var against finding
	f := i.ask(p, key, append(slices.Clip(above), p), &against)
	switch {
	case f.state == revoked:
	case f.state == good && !f.doubtful && f.thisUpdate.After(against.thisUpdate):
		if !c.revoked.clear(key, f.thisUpdate, i.now()) {
			f.state, f.err = revoked, errors.New("it was revoked, and no later answer takes that back")
		}
	default:
		if _, ok := c.revoked.get(key, i.now()); ok {
			f.state, f.err = revoked, join(errors.New("it has been revoked"), f.err)
		} else if against.state != unusable {
			f = against
		}
	}
	return f
}

// ask goes through what can answer, in order. against is a revocation that counts
// until a later answer says otherwise.
func (i *inquiry) ask(p pair, key certKey, above []pair, against *finding) finding {
	if i.circular(p, above) {
		return failed(errors.New("its status hangs on itself"))
	}
	target, err := crl.NewTarget(p.cert, p.issuer)
	var m missing
	var found coverage
	bare := target
	if err != nil {
		// Its distribution points cannot be read. A certificate on a list of the
		// issuer is revoked all the same.
		m.add("CRL distribution points", failed(err))
		if bare, err = crl.NewTargetWithoutPoints(p.cert, p.issuer); err != nil {
			return finding{state: overloaded, err: err} // no pair of a path
		}
	}
	if f, done := i.folder(p, bare, key, above, &found); done && (target != nil || f.state == revoked) {
		return f
	}
	f := failed(found.err)
	f.until = found.until
	m.add("-crl-dir", f)
	responders, others := responders(p.cert)
	m.err = join(m.err, others)
	unknown := false
	for n, address := range responders {
		if n == maxURLs {
			m.add("OCSP "+shown(address), failed(errNotAsked))
			break
		}
		f := i.ocsp(p, key, address, above, against)
		switch f.state {
		case good, revoked:
			return f
		case statusUnknown:
			unknown = true
		}
		m.add("OCSP "+shown(address), f)
	}
	named := len(responders) > 0 || others != nil || target == nil
	if target != nil {
		if f, done := i.points(p, target, key, above, &found, &m); done {
			return f
		}
		named = named || len(target.Points) > 0
	}
	switch {
	case m.limited:
		return finding{state: overloaded, err: m.err}
	case unknown:
		return finding{state: statusUnknown, from: "OCSP", until: m.until, err: join(errStatusUnknown, m.err)}
	case !named:
		return finding{state: noEndpoint, err: join(errNoAddress, m.err)}
	case m.err == nil:
		m.err = errors.New("the CRLs do not speak of all reasons")
	}
	return finding{until: m.until, err: m.err}
}

// circular reports a certificate whose status is being asked already, or too
// far from what was asked.
func (i *inquiry) circular(p pair, above []pair) bool {
	if len(above) > maxAbove+1 {
		return true
	}
	for _, a := range above[:len(above)-1] {
		if a.cert.Equal(p.cert) && a.issuer.Equal(p.issuer) {
			return true
		}
	}
	return false
}

// vouchFor reports by its error whether those who signed an answer may be
// believed: by the table of modes, as if they were on the path; for an answer that
// revokes, by IGNORE_CA_ERROR in either mode. What it rests on goes into f.
func (i *inquiry) vouchFor(pairs []pair, above []pair, revokes bool, f *finding) error {
	mode := i.settings.Mode
	if revokes {
		mode = IgnoreCAError
	}
	for _, p := range pairs {
		s := i.status(p, above)
		f.until = earliest(f.until, s.until)
		if s.verdict(mode, i.trust.Configured(p.cert)) != Passed {
			return fmt.Errorf("its signer, %s: %w", describe(p.cert), s.err)
		}
		f.doubtful = f.doubtful || s.state == unusable || s.doubtful
	}
	return nil
}
