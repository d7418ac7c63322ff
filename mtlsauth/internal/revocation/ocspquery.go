package revocation

import (
	"fmt"
	"io"
	"math/big"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/cache"
	"mtls-auth/mtlsauth/internal/revocation/ocsp"
	"mtls-auth/mtlsauth/internal/revocation/statedir"
)

// ocspQuery is what it takes to ask a responder about one certificate
// again and again. It holds no certificate of the client's.
type ocspQuery struct {
	checker *Checker
	visit
	ttl        time.Duration
	issuerCert *certificate.Certificate
	rawIssuer  []byte // as the certificate spells it
	serial     *big.Int
	own        []*certificate.Certificate // the operator's own responders
	notAfter   time.Time
	cert       certKey
	key        cache.Key
}

func (a *ocspQuery) options(now time.Time) ocsp.Options {
	return ocsp.Options{Now: now, MinRSABits: a.checker.options.MinRSABits, RawIssuer: a.rawIssuer, Responders: a.own}
}

// exchange asks, and judges the answer. What the disk knows comes first.
func (a *ocspQuery) exchange(x *cache.Exchange, before ocsp.Answer, has bool) cache.Outcome[ocsp.Answer] {
	c := a.checker
	var kept cache.Outcome[ocsp.Answer]
	if !has {
		kept = a.fromDisk()
		if kept.Got {
			if before, has = kept.Value, true; c.now().Before(kept.Known.Add(a.ttl)) {
				return kept
			}
		}
	}
	answer, response, err := a.fetch(x, before, has)
	if err != nil {
		c.failed("certificate status cannot be had from an OCSP responder", a.address, err)
		kept.Err, kept.Retry = err, retry(err)
		return kept
	}
	a.note(answer)
	x.Ours(true)
	if !a.contradicted(answer) {
		a.toDisk(a.key, response)
	}
	if answer.Final() {
		a.toDisk(a.revokedKey(), response)
	}
	now := c.now()
	change := cache.Replaced
	switch {
	case !has || kept.Got:
	case equal(answer, before):
		change = cache.Confirmed
	case agrees(answer, before):
		change = cache.Agrees
	}
	return cache.Outcome[ocsp.Answer]{Value: answer, Got: true, Change: change, Known: now, Until: answer.Until}
}

// judge judges a response. What is wrong with it does not keep a revocation in it
// from counting.
func (a *ocspQuery) judge(response []byte, before ocsp.Answer, has bool) (ocsp.Answer, error) {
	answer, err := ocsp.Judge(response, a.issuerCert, a.serial, a.options(a.checker.now()))
	if err == nil {
		err = supersedes(answer, before, has)
	} else {
		a.remember(response, before, has)
	}
	return answer, err
}

// supersedes refuses an answer that is older than the one that is known, or
// takes a revocation back without being later.
func supersedes(answer, before ocsp.Answer, has bool) error {
	switch {
	case !has, answer.ThisUpdate.After(before.ThisUpdate):
		return nil
	case answer.ThisUpdate.Before(before.ThisUpdate):
		return fmt.Errorf("it is of %s, older than one of %s that is known", stamp(answer.ThisUpdate), stamp(before.ThisUpdate))
	case before.Status == ocsp.Revoked && answer.Status != ocsp.Revoked:
		return fmt.Errorf("it takes back a revocation of the same instant, %s", stamp(answer.ThisUpdate))
	}
	return nil
}

func laterAnswer(answer, known ocsp.Answer) bool { return supersedes(answer, known, true) == nil }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// equal reports that two answers say the same, of the same time.
func equal(a, b ocsp.Answer) bool {
	return agrees(a, b) && a.ThisUpdate.Equal(b.ThisUpdate) && a.Until.Equal(b.Until)
}

// agrees reports that an answer says what one before it said, and for no shorter.
// Responders sign the same again all the time, which ends no cached decision.
func agrees(answer, before ocsp.Answer) bool {
	return answer.Status == before.Status && !answer.Until.Before(before.Until) &&
		(answer.Responder == nil) == (before.Responder == nil) && (answer.Responder == nil || answer.Responder.Equal(before.Responder))
}

// remember keeps what a response that cannot be used proves nevertheless: that the
// certificate was revoked.
func (a *ocspQuery) remember(response []byte, before ocsp.Answer, has bool) {
	now := a.checker.now()
	answer, err := ocsp.JudgeLasting(response, a.issuerCert, a.serial, a.options(now))
	if err == nil && supersedes(answer, before, has) == nil {
		a.note(answer)
	}
}

// note remembers a revocation at once: no request may be there to do so before
// the answer is over. With a signer of doubtful status it proves nothing yet.
func (a *ocspQuery) note(answer ocsp.Answer) {
	if answer.Status == ocsp.Revoked && answer.Responder == nil {
		a.checker.revoked.add(a.cert, seen(answer, a.notAfter), a.checker.now())
	}
}

// contradicted reports an answer that does not take back a revocation that is
// remembered: the disk keeps what the memory may have to learn again from it.
func (a *ocspQuery) contradicted(answer ocsp.Answer) bool {
	seen, revoked := a.checker.revoked.get(a.cert, a.checker.now())
	return revoked && answer.Status != ocsp.Revoked && (answer.Status != ocsp.Good || !answer.ThisUpdate.After(seen.thisUpdate))
}

// fromDisk returns the answer that is kept on disk, judged as if it had just
// come. A revocation counts though its time is over.
func (a *ocspQuery) fromDisk() (out cache.Outcome[ocsp.Answer]) {
	if a.checker.options.State == nil {
		return out
	}
	if _, response, ok := a.stored(a.revokedKey()); ok {
		a.remember(response, ocsp.Answer{}, false)
	}
	entry, response, ok := a.stored(a.key)
	if !ok {
		return out
	}
	now := a.checker.now()
	answer, err := ocsp.Judge(response, a.issuerCert, a.serial, a.options(now))
	if err != nil {
		a.remember(response, answer, false)
		return out
	}
	a.note(answer)
	return cache.Outcome[ocsp.Answer]{Value: answer, Got: true, Known: knownSince(entry, a.ttl, now), Until: answer.Until}
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
	if _, err := w.Write(response); err != nil {
		w.Abort()
		return
	}
	w.Commit(c.now())
}
