package revocation

import (
	"errors"
	"fmt"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/cache"
	"mtls-auth/mtlsauth/internal/revocation/crl"
	"mtls-auth/mtlsauth/internal/revocation/statedir"
)

// coverage adds up what several CRLs say of one certificate: it is good when
// they have spoken of all reasons (RFC 5280, section 6.3.3).
type coverage struct {
	finding
	reasons crl.ReasonMask
}

// add takes in what a list says, and reports whether that is all.
func (v *coverage) add(out crl.Outcome, f finding) bool {
	v.reasons |= out.Reasons
	v.until = earliest(earliest(v.until, f.until), out.Until)
	v.doubtful = v.doubtful || f.doubtful
	// The answer is as old as its oldest part.
	v.thisUpdate = earliest(v.thisUpdate, out.ThisUpdate)
	if v.reasons == crl.AllReasons {
		v.state = good
	}
	return v.state == good
}

// folder asks the lists of -crl-dir, newest first, of all issuers that may have issued
// one for the certificate: what one says counts until a later one says otherwise. done
// says that they have answered.
func (i *inquiry) folder(p pair, target *crl.Target, key certKey, above []pair, v *coverage) (f finding, done bool) {
	folder := i.checker.options.Folder
	if folder == nil {
		return finding{}, false
	}
	lists, deltas := folder.Lists(target.Issuers())
	// Of lists that are about the same the latest counts.
	answered := make(map[string]bool)
	var err error
	for _, list := range lists {
		scope := string(list.RawIssuer) + string(scopeOf(list))
		if answered[scope] {
			continue
		}
		f := finding{}
		out, refused := i.judge(p, target, list, deltas, above, &f)
		if refused != nil {
			err = join(err, refused)
			// A bound that was reached is no reason to go by an earlier list.
			answered[scope] = isKind(refused, crl.TooLarge)
			// Its time may come, though the folder does not change.
			v.until = earliest(v.until, earliest(f.until, i.now().Add(folderAgain)))
			continue
		}
		answered[scope] = true
		if out.Revoked {
			f.from = "-crl-dir"
			return i.listed(p, key, out, f, "-crl-dir"), true
		}
		if v.add(out, f) {
			v.from = "-crl-dir"
			return v.finding, true
		}
	}
	v.err = join(err, folder.Err())
	return finding{}, false
}

// folderRead waits until the folder has been read for the first time.
func (i *inquiry) folderRead() error {
	folder := i.checker.options.Folder
	if folder == nil {
		return nil
	}
	select {
	case <-folder.Ready():
		return nil
	case <-i.ctx.Done():
		return errors.New("-crl-dir has not been read yet")
	}
}

// points asks at the distribution points that the certificate names. done says
// that they have answered.
func (i *inquiry) points(p pair, target *crl.Target, key certKey, above []pair, v *coverage, m *missing) (f finding, done bool) {
	asked := make(map[string]bool)
	for _, point := range target.Points {
		if len(point.URLs) == 0 && len(point.Others) == 0 {
			m.add("CRL distribution point", failed(errors.New("it has no http or https address")))
		}
		for uri, err := range point.Others {
			m.add("CRL "+shown(uri), failed(err))
		}
		for _, address := range point.URLs {
			if len(asked) == maxURLs {
				m.add("CRL "+shown(address), failed(errNotAsked))
				break
			}
			if asked[address] {
				continue
			}
			asked[address] = true
			f := finding{}
			out, err := i.list(p, target, address, above, &f)
			if err != nil {
				if isOurs(err) {
					f.state = overloaded
				}
				f.err = err
				m.add("CRL "+shown(address), f)
				continue
			}
			if out.Revoked {
				f.from = "CRL " + shown(address)
				return i.listed(p, key, out, f, shown(address)), true
			}
			if v.add(out, f) {
				v.from = "CRL " + shown(address)
				return v.finding, true
			}
			break // the other addresses of a point lead to the same list
		}
	}
	return finding{}, false
}

// listed is the finding that a list has the certificate.
func (i *inquiry) listed(p pair, key certKey, out crl.Outcome, f finding, where string) finding {
	if !f.doubtful {
		i.checker.revoked.add(key, newRevocationSeen(out.ThisUpdate, !out.Hold, out.Until, p.cert.NotAfter), i.now())
	}
	f.state = revoked
	f.err = fmt.Errorf("revoked (%s), says the CRL of %s from %s", out.Reason, stamp(out.ThisUpdate), where)
	if out.Flaw != nil {
		f.err = fmt.Errorf("%w, which clears no certificate: %w", f.err, out.Flaw)
	}
	return f
}

// judge judges the certificate by a list, and the certificate that signed it.
func (i *inquiry) judge(p pair, target *crl.Target, list *crl.List, deltas []*crl.List, above []pair, f *finding) (crl.Outcome, error) {
	signers := signersOf{i.trust, p.anchor, nil}
	out, err := target.Judge(list, crl.JudgeOptions{
		Now: i.now(), MinRSABits: i.checker.options.MinRSABits, Deltas: deltas, Signers: signers.named,
	})
	if err != nil {
		return crl.Outcome{}, err
	}
	if out.Signer != nil {
		if err := i.vouchFor(signers.path(out.Signer), above, out.Revoked, f); err != nil {
			return crl.Outcome{}, err
		}
	}
	return out, nil
}

// scopeOf tells lists apart that are about different certificates.
func scopeOf(l *crl.List) string {
	if l.IssuingDistributionPoint == nil {
		return ""
	}
	return string(l.IssuingDistributionPoint.Raw)
}

// signersOf finds CRL signers and remembers their paths.
type signersOf struct {
	trust  Trust
	anchor *certificate.Certificate
	paths  [][]*certificate.Certificate
}

func (s *signersOf) named(name []byte, signed func(*certificate.Certificate) bool) []*certificate.Certificate {
	var signers []*certificate.Certificate
	for _, path := range s.trust.CRLSigners(name, s.anchor, signed) {
		s.paths = append(s.paths, path)
		signers = append(signers, path[0])
	}
	return signers
}

func (s *signersOf) path(signer *certificate.Certificate) []pair {
	for _, path := range s.paths {
		if path[0].Equal(signer) {
			return pairsOf(path)
		}
	}
	return nil
}

// list judges the certificate by the list at an address.
func (i *inquiry) list(p pair, target *crl.Target, address string, above []pair, f *finding) (crl.Outcome, error) {
	c := i.checker
	_, issuerID := c.issuers.of(p.issuer)
	a := &crlFetch{
		checker: c, endpoint: i.endpoint(p, issuerID, address),
		target: target, trust: i.trust, issuerCert: p.issuer, anchorCert: p.anchor,
		key: cache.Key(digest([]byte("crl"), issuerID[:], []byte(address))),
		// The key of the issuer signs, whichever of its certificates leads there.
		stored: statedir.Key(digest([]byte("crl"), p.issuer.RawSubject, p.issuer.RawSubjectPublicKeyInfo, []byte(address))),
	}
	r := c.lists.Get(i.ctx, a.key, cache.Question[crlValue]{
		Way: a.asked, Anchor: a.anchor, TTL: max(i.settings.CertCacheTTL, minCRLAge), Patient: i.settings.Mode == Strict, Waits: i.waits, Fetch: a.exchange,
	}, i.now)
	f.until = r.Until
	err := r.Err
	for _, list := range r.Value.newestFirst() {
		out, refused := i.judge(p, target, list, nil, above, f)
		// A list whose time is over still says who is revoked.
		if refused == nil && (r.Usable || out.Revoked || list == r.Value.candidate) {
			if list == r.Value.candidate && out.Flaw == nil {
				c.lists.Update(a.key, promoted(list, i.now()))
			}
			return out, nil
		}
		err = join(err, refused)
	}
	if err == nil {
		err = errors.New("there is no list")
	}
	return crl.Outcome{}, err
}
