package certpath

import (
	"bytes"
	"slices"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/signature"
)

// maxSigners bounds the certificates whose paths are built for one CRL, among
// those whose key signed it: certificates of one key, such as a cross-certificate.
const maxSigners = 4

// CRLSigners finds the certificates with this subject name, configured or
// presented, that may sign CRLs (section 4.2.1.3, or any use without the
// extension), for which signed is true and whose paths lead to the given trust
// anchor, as section 6.3.3(f) asks for. There is one path for each, the signer
// first; what is presented is bounded as in Validate, and signed is asked of what is
// presented within half of its budget. Whatever cannot be judged is left out.
//
// A signer need not be a CA, and its extended key usages are not asked for.
func (t *Trust) CRLSigners(name []byte, anchor *certificate.Certificate, presented []*certificate.Certificate, now time.Time, signed func(*certificate.Certificate) bool) []Path {
	if t == nil || anchor == nil {
		return nil
	}
	presented = presented[:min(len(presented), maxPresented)]
	key := certificate.NameKey(name)
	var signers []*certificate.Certificate
	for _, n := range t.bySubject[key] {
		signers = append(signers, n.cert)
	}
	for _, cert := range presented {
		if cert != nil && certificate.NameKey(cert.RawSubject) == key && t.byRaw[string(cert.Raw)] == nil {
			signers = append(signers, cert)
		}
	}
	checks := budget / 2 // for the keys that the client chose
	signers = slices.DeleteFunc(signers, func(cert *certificate.Certificate) bool {
		if !mayUse(cert, certificate.KeyUsageCRLSign) || checkDates(cert, now) != nil ||
			checkKey(cert, t.minRSABits, signature.CheckIssuerKey) != nil || checkExtensions(cert) != nil {
			return true
		}
		if !t.Configured(cert) {
			cost := checkCost(cert.PublicKey)
			if cost > checks {
				return true
			}
			checks -= cost
		}
		return !signed(cert)
	})
	var paths []Path
	left := budget / 2
	for _, cert := range signers[:min(len(signers), maxSigners)] {
		var path Path
		var ok bool
		if t.Configured(cert) { // what the client sent is not to be in the way
			path, ok = t.crlSigner(cert, anchor, nil, now, &left)
		}
		if !ok {
			path, ok = t.crlSigner(cert, anchor, presented, now, &left)
		}
		if ok {
			paths = append(paths, path)
		}
	}
	return paths
}

func (t *Trust) crlSigner(cert, anchor *certificate.Certificate, presented []*certificate.Certificate, now time.Time, left *int) (Path, bool) {
	if t.anchorOf(cert) != nil && bytes.Equal(cert.Raw, anchor.Raw) {
		return Path{Certificates: []*certificate.Certificate{cert}}, true
	}
	s := t.newSearch(cert, presented, Options{Now: now})
	s.left = min(s.left, *left)
	defer func() { *left = s.left }()
	paths, _ := s.run(leafNode(cert))
	i := slices.IndexFunc(paths, func(p Path) bool {
		return bytes.Equal(p.Certificates[len(p.Certificates)-1].Raw, anchor.Raw)
	})
	if i < 0 {
		return Path{}, false
	}
	return paths[i], true
}
