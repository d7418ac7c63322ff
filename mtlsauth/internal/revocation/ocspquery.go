package revocation

import (
	"fmt"
	"math/big"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/cache"
	"mtls-auth/mtlsauth/internal/revocation/ocsp"
)

// ocspValue is what a URL said last about a certificate.
type ocspValue struct {
	ocsp.Answer // the last one that could be used; its zero value for none
	// against is a revocation that is not earlier, in a response that cannot be used
	// otherwise. The status of who signed it is to be asked before it counts.
	against *ocsp.Answer
}

func (v ocspValue) known() bool { return !v.ThisUpdate.IsZero() }

// with adds a revocation, unless a later one or the answer itself says otherwise.
func (v ocspValue) with(against *ocsp.Answer) ocspValue {
	if against != nil && !v.ThisUpdate.After(against.ThisUpdate) &&
		(v.against == nil || against.ThisUpdate.After(v.against.ThisUpdate)) {
		v.against = against
	}
	return v
}

// revocation returns what speaks against the certificate though no answer can be
// used, or a later one than that can.
func (v ocspValue) revocation(usable bool, now time.Time) *ocsp.Answer {
	last := v.against
	if last == nil && !usable {
		last = &v.Answer
	}
	if last == nil || last.Status != ocsp.Revoked || !last.Final() && now.After(last.Until) {
		return nil
	}
	return last
}

// ocspQuery is what it takes to ask a responder about one certificate
// again and again. It holds no certificate of the client's.
type ocspQuery struct {
	checker *Checker
	endpoint
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

// exchange asks, and judges the response. What the disk knows comes first.
func (a *ocspQuery) exchange(x *cache.Exchange, before ocspValue, _ bool) cache.Outcome[ocspValue] {
	c := a.checker
	var kept cache.Outcome[ocspValue]
	was := before
	if !before.known() {
		x.Ours(c.options.State != nil)
		kept = a.fromDisk()
		before = kept.Value.with(before.against)
		if kept.Value = before; kept.Got && time.Now().Before(kept.Known.Add(a.ttl)) {
			return kept
		}
	}
	got, err := a.fetch(x, before)
	if err != nil {
		c.failed("certificate status cannot be had from an OCSP responder", a.address, err)
		if got.proof != nil {
			x.Ours(true)
			a.toDisk(a.revokedKey(), got.proof)
		}
		kept.Value, kept.Err, kept.Retry = before.with(got.against), err, retry(err)
		if against := kept.Value.against; !kept.Got && against != was.against {
			if kept.Got = true; was.against != nil && agrees(*against, *was.against) {
				kept.Change = cache.Agrees
			}
		}
		return kept
	}
	x.Ours(true) // the disk
	a.note(got.answer)
	if !a.contradicted(got.answer) {
		a.toDisk(a.key, got.raw)
	}
	if got.answer.Final() {
		a.toDisk(a.revokedKey(), got.raw)
	}
	value := ocspValue{Answer: got.answer}.with(before.against)
	change := cache.Replaced
	switch {
	case !was.known():
	case equal(got.answer, before.Answer) && value.against == before.against:
		change = cache.Confirmed
	case agrees(got.answer, before.Answer):
		change = cache.Agrees
	}
	return cache.Outcome[ocspValue]{Value: value, Got: true, Change: change, Known: time.Now(), Until: got.answer.Until}
}

// judge judges a response. What is wrong with it does not keep a revocation in it
// from counting.
func (a *ocspQuery) judge(raw []byte, before ocspValue) (ocspResponse, error) {
	answer, err := ocsp.Judge(raw, a.issuerCert, a.serial, a.options(time.Now()))
	if err != nil {
		return ocspResponse{lastingRevocation: a.remember(raw, before)}, err
	}
	return ocspResponse{answer: answer, raw: raw}, supersedes(answer, before.Answer, before.known())
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

func laterAnswer(value, known, _ ocspValue) bool {
	return value.known() && supersedes(value.Answer, known.Answer, known.known()) == nil
}

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

// lastingRevocation is what a response that cannot be used proves nevertheless.
type lastingRevocation struct {
	against *ocsp.Answer // where the status of who signed it is to be asked first
	proof   []byte       // the response, where it revokes for good and that was not known
}

// remember keeps what a response that cannot be used proves nevertheless: that the
// certificate was revoked.
func (a *ocspQuery) remember(raw []byte, before ocspValue) (lasting lastingRevocation) {
	now := time.Now()
	answer, err := ocsp.JudgeLasting(raw, a.issuerCert, a.serial, a.options(now))
	if err != nil || supersedes(answer, before.Answer, before.known()) != nil {
		return lasting
	}
	seen, known := a.checker.revoked.get(a.cert, now)
	known = known && !answer.ThisUpdate.After(seen.thisUpdate)
	if a.note(answer); answer.Responder != nil {
		lasting.against = &answer
		known = before.against != nil && !answer.ThisUpdate.After(before.against.ThisUpdate)
	}
	if answer.Final() && !known {
		lasting.proof = raw
	}
	return lasting
}

// note remembers a revocation at once: no request may be there to do so before
// the answer is over. With a signer of doubtful status it proves nothing yet.
func (a *ocspQuery) note(answer ocsp.Answer) {
	if answer.Status == ocsp.Revoked && answer.Responder == nil {
		a.checker.revoked.add(a.cert, seen(answer, a.notAfter), time.Now())
	}
}

// contradicted reports an answer that does not take back a revocation that is
// remembered: the disk keeps what the memory may have to learn again from it.
func (a *ocspQuery) contradicted(answer ocsp.Answer) bool {
	seen, revoked := a.checker.revoked.get(a.cert, time.Now())
	return revoked && answer.Status != ocsp.Revoked && (answer.Status != ocsp.Good || !answer.ThisUpdate.After(seen.thisUpdate))
}
