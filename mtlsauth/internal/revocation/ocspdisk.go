package revocation

import (
	"io"
	"time"

	"mtls-auth/mtlsauth/internal/revocation/cache"
	"mtls-auth/mtlsauth/internal/revocation/ocsp"
	"mtls-auth/mtlsauth/internal/revocation/statedir"
)

// fromDisk returns the answer that is kept on disk, judged as if it had just
// come. A revocation counts though its time is over.
func (a *ocspQuery) fromDisk() (out cache.Outcome[ocspValue]) {
	if a.checker.options.State == nil {
		return out
	}
	if _, raw, ok := a.stored(a.revokedKey()); ok {
		out.Value = out.Value.with(a.remember(raw, out.Value).against)
	}
	entry, raw, ok := a.stored(a.key)
	if !ok {
		return out
	}
	now := time.Now()
	answer, err := ocsp.Judge(raw, a.issuerCert, a.serial, a.options(now))
	if err != nil {
		out.Value = out.Value.with(a.remember(raw, out.Value).against)
		return out
	}
	a.note(answer)
	value := ocspValue{Answer: answer}.with(out.Value.against)
	return cache.Outcome[ocspValue]{Value: value, Got: true, Known: knownSince(entry, a.ttl, now), Until: answer.Until}
}

// stored reads an entry of the disk.
func (a *ocspQuery) stored(key cache.Key) (statedir.Meta, []byte, bool) {
	entry, content, err := a.checker.options.State.Read(statedir.OCSP, statedir.Key(key))
	if err != nil {
		return statedir.Meta{}, nil, false
	}
	defer content.Close()
	response, err := io.ReadAll(io.LimitReader(content, ocsp.MaxSize))
	return entry, response, err == nil
}

// knownSince is when an entry was fetched. One of unknown age is asked for again,
// and serves until then.
func knownSince(entry statedir.Meta, ttl time.Duration, now time.Time) time.Time {
	if entry.Fetched.IsZero() {
		return now.Add(-ttl)
	}
	return entry.Fetched
}

// revokedKey is where a revocation for good lies besides: under the name and key
// of the issuer, so that another certificate of that issuer finds it.
func (a *ocspQuery) revokedKey() cache.Key {
	return cache.Key(digest([]byte("revoked"), a.cert[:]))
}

func (a *ocspQuery) toDisk(key cache.Key, response []byte) {
	c := a.checker
	if c.options.State == nil {
		return
	}
	w, err := c.options.State.Create(statedir.OCSP, statedir.Key(key), statedir.Meta{})
	if err != nil {
		return // statedir has logged it
	}
	defer w.Abort() // unless it is committed
	if _, err := w.Write(response); err == nil {
		w.Commit(time.Now())
	}
}
