package crl_test

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/revocation/crl"
)

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// world is a small driver of section 6.3: what the caller of this package
// does, without the fetching. Every list may be of use for every certificate.
type world struct {
	now     time.Time
	anchor  *certificate.Certificate
	certs   []*certificate.Certificate
	lists   []*crl.List
	refused []error // lists that were not read

	validated []*certificate.Certificate // the path that is asked about

	pending map[*certificate.Certificate]bool // signers whose status is being asked for
}

// add reads a list, in the place of its being fetched.
func (w *world) add(data []byte) {
	l, err := crl.Read(bytes.NewReader(data), crl.ReadOptions{})
	if err != nil {
		w.refused = append(w.refused, err)
		return
	}
	w.lists = append(w.lists, l)
}

// status returns good, revoked or unknown, and why it is unknown.
func (w *world) status(cert, issuer *certificate.Certificate) (string, error) {
	target, err := crl.NewTarget(cert, issuer)
	if err != nil {
		return "unknown", err
	}
	var deltas []*crl.List
	for _, l := range w.lists {
		if l.BaseNumber != nil {
			deltas = append(deltas, l)
		}
	}
	var reasons crl.ReasonMask
	why := &told{}
	for _, err := range w.refused {
		why.add(err)
	}
	for _, l := range w.lists {
		out, err := target.Judge(l, crl.JudgeOptions{Now: w.now, Deltas: deltas, Signers: w.signers})
		switch {
		case err != nil:
			why.add(err)
		case out.Signer != nil && !w.good(out.Signer):
			why.add(errSigner)
		case out.Revoked:
			return "revoked", nil
		default:
			reasons |= out.Reasons
		}
	}
	if reasons != crl.AllReasons {
		return "unknown", why.err
	}
	return "good", nil
}

// errSigner: the list is signed by a certificate that is not good itself.
var errSigner = errors.New("signer of the CRL is not good")

// told keeps the first error that says more than that a list is of another
// issuer, as most are for most certificates.
type told struct{ err error }

func (w *told) add(err error) {
	if w.err == nil || kindOf(w.err) == kindNames[crl.WrongIssuer] {
		w.err = err
	}
}

// signers are the certificates of a name that validate to the anchor.
func (w *world) signers(name []byte, signed func(*certificate.Certificate) bool) []*certificate.Certificate {
	var found []*certificate.Certificate
	for _, c := range w.certs {
		if bytes.Equal(c.RawSubject, name) && signed(c) && len(w.paths(c)) > 0 {
			found = append(found, c)
		}
	}
	return found
}

// paths are those of a CRL signer, and for a certificate of a path that was
// validated what is above it there.
func (w *world) paths(cert *certificate.Certificate) [][]*certificate.Certificate {
	if i := slices.IndexFunc(w.validated, cert.Equal); i >= 0 {
		return [][]*certificate.Certificate{w.validated[i:]}
	}
	trust := certpath.NewTrust([]*certificate.Certificate{w.anchor}, certpath.TrustOptions{})
	var paths [][]*certificate.Certificate
	for _, path := range trust.CRLSigners(cert.RawSubject, w.anchor, w.certs, w.now, cert.Equal) {
		paths = append(paths, path.Certificates)
	}
	return paths
}

// good reports whether one path of a signer has no certificate that is revoked
// or of unknown status. Its status may be on the list that it signs itself.
func (w *world) good(signer *certificate.Certificate) bool {
	if w.pending[signer] {
		return true
	}
	if w.pending == nil {
		w.pending = map[*certificate.Certificate]bool{}
	}
	w.pending[signer] = true
	defer delete(w.pending, signer)
	for _, chain := range w.paths(signer) {
		if s, _ := w.path(chain); s == "good" {
			return true
		}
	}
	return false
}

// path is the status of a whole path, leaf first.
func (w *world) path(chain []*certificate.Certificate) (string, error) {
	if w.validated == nil {
		w.validated = chain
		defer func() { w.validated = nil }()
	}
	for i := range len(chain) - 1 {
		if s, err := w.status(chain[i], chain[i+1]); s != "good" {
			return s, err
		}
	}
	return "good", nil
}
