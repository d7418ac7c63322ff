package revocation

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/signature"
)

// certKey tells certificates apart by who issued them, name and key, and by
// their serial number: a certificate that is revoked is so under every
// certificate of its issuer (RFC 5280, section 4.1.2.2, and cross-certificates).
// Besides, by the operator's own OCSP responders.
type certKey [sha256.Size]byte

func certKeyOf(cert, issuer *certificate.Certificate, own []byte) certKey {
	return digest([]byte(certificate.NameKey(issuer.RawSubject)), publicKey(issuer), cert.Serial, own)
}

// publicKey is the key of a certificate, whatever parameters and form its
// SubjectPublicKeyInfo gives it.
func publicKey(cert *certificate.Certificate) []byte {
	key := cert.PublicKey
	if rsa, ok := signature.RSA(key); ok {
		key = rsa
	}
	if der, err := x509.MarshalPKIXPublicKey(key); err == nil {
		return der
	}
	return cert.RawSubjectPublicKeyInfo
}

// digest hashes parts so that none can be moved into its neighbour.
func digest(parts ...[]byte) [sha256.Size]byte {
	h := sha256.New()
	var length [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write(part)
	}
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return sum
}

// maxRevoked bounds how many revoked certificates are remembered, at some 120
// bytes each. Only certificates that were shown, led to a trust anchor and
// were revoked count, and they go with their notAfter.
const maxRevoked = 100_000

// revokedCertificates remembers whose revocation was verified: it outlives the
// answer that said so, and a responder that does not answer any more.
type revokedCertificates struct {
	replaced *atomic.Uint64 // counts what is added and taken back

	mu     sync.Mutex
	byCert map[certKey]revocationSeen
}

// revocationSeen is a verified revocation.
type revocationSeen struct {
	thisUpdate time.Time // of the answer that said so
	until      time.Time // notAfter; of a certificate on hold the answer's end
}

// newRevocationSeen is a revocation that an answer tells, which ends at an
// instant itself: one for good lasts as long as the certificate.
func newRevocationSeen(thisUpdate time.Time, final bool, ends, notAfter time.Time) revocationSeen {
	if final || ends.IsZero() {
		ends = notAfter
	}
	return revocationSeen{thisUpdate: thisUpdate, until: ends}
}

// supersedes reports a later revocation. Of two of the same instant that for
// good counts, not that on hold.
func (s revocationSeen) supersedes(before revocationSeen) bool {
	return s.thisUpdate.After(before.thisUpdate) || s.thisUpdate.Equal(before.thisUpdate) && s.until.After(before.until)
}

func newRevokedCertificates(replaced *atomic.Uint64) *revokedCertificates {
	return &revokedCertificates{replaced: replaced, byCert: make(map[certKey]revocationSeen)}
}

// get returns what is remembered of a certificate at an instant.
func (r *revokedCertificates) get(key certKey, now time.Time) (revocationSeen, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen, ok := r.byCert[key]
	if ok && now.After(seen.until) { // by a clock that may be set back
		return revocationSeen{}, false
	}
	return seen, ok
}

// add remembers a revocation.
func (r *revokedCertificates) add(key certKey, seen revocationSeen, now time.Time) {
	if now.After(seen.until) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	before, known := r.byCert[key]
	if known && !now.After(before.until) && !seen.supersedes(before) {
		return
	}
	if !known && len(r.byCert) >= maxRevoked {
		r.makeRoom(now)
	}
	r.byCert[key] = seen
	if !known {
		r.replaced.Add(1)
	}
}

// makeRoom drops what has ended, else the one that ends first.
func (r *revokedCertificates) makeRoom(now time.Time) {
	var first certKey
	var ends time.Time
	for key, seen := range r.byCert {
		switch {
		case now.After(seen.until):
			delete(r.byCert, key)
		case ends.IsZero() || seen.until.Before(ends):
			first, ends = key, seen.until
		}
	}
	if len(r.byCert) >= maxRevoked {
		delete(r.byCert, first)
	}
}

// clear forgets a revocation that an answer from after it takes back, and
// reports whether none is left at an instant: an answer that is not later proves
// nothing.
func (r *revokedCertificates) clear(key certKey, thisUpdate, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen, ok := r.byCert[key]
	if !ok {
		return true
	}
	if !thisUpdate.After(seen.thisUpdate) && !now.After(seen.until) {
		return false
	}
	delete(r.byCert, key)
	r.replaced.Add(1)
	return true
}
