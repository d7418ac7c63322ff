package crl_test

import (
	"fmt"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/crl"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// TestDeltas asks for one certificate by a complete list, number 10, and delta
// CRLs.
func TestDeltas(t *testing.T) {
	ca := pki.NewCA("ca")
	namesake, stranger := pki.NewCA("ca"), pki.NewCA("stranger")
	client := ca.Client("client")
	entry := func(reason int) []pki.CRLEntry {
		return []pki.CRLEntry{{Serial: client.SerialNumber, Reason: reason}}
	}
	const nothing, revoked, hold, removed = -1, 1, 6, 8
	entries := func(reason int) []pki.CRLEntry {
		if reason == nothing {
			return nil
		}
		return entry(reason)
	}
	past := now().Add(-time.Minute)
	delta := func(reason int, change ...func(*pki.CRL)) pki.CRL {
		d := pki.CRL{Issuer: ca, Number: 11, BaseNumber: 10, Entries: entries(reason)}
		for _, c := range change {
			c(&d)
		}
		return d
	}
	stale := func(d *pki.CRL) { d.NextUpdate = past }
	number := func(base, n int64) func(*pki.CRL) {
		return func(d *pki.CRL) { d.BaseNumber, d.Number = base, n }
	}
	idp := func(p *pki.IDP) func(*pki.CRL) { return func(d *pki.CRL) { d.IDP = p } }
	for _, c := range []struct {
		name  string
		base  int
		stale string // what is said where the complete list is stale
		fresh string // and where it is current
		list  func(*pki.CRL)
		delta []pki.CRL
	}{
		{"no delta", nothing, "stale", "good", nil, nil},
		{"no delta, revoked", revoked, "revoked, stale", "revoked", nil, nil},
		{"nothing new", nothing, "good", "good", nil, []pki.CRL{delta(nothing)}},
		{"nothing new, revoked before", revoked, "revoked", "revoked", nil, []pki.CRL{delta(nothing)}},
		{"newly revoked", nothing, "revoked", "revoked", nil, []pki.CRL{delta(revoked)}},
		{"newly on hold", nothing, "hold", "hold", nil, []pki.CRL{delta(hold)}},
		{"off hold", hold, "good", "good", nil, []pki.CRL{delta(removed)}},
		{"for good after hold", hold, "revoked", "revoked", nil, []pki.CRL{delta(revoked)}},
		{"removed, never listed", nothing, "good", "good", nil, []pki.CRL{delta(removed)}},
		{"removed from a complete list that says so too", removed, "good", "good", nil, []pki.CRL{delta(removed)}},

		{"on an earlier list", nothing, "revoked", "revoked", nil, []pki.CRL{delta(revoked, number(9, 11))}},
		{"continues from a later list", nothing, "revoked, wrong_scope", "revoked, wrong_scope", nil, []pki.CRL{delta(revoked, number(11, 12))}},
		{"as old as the list", nothing, "stale", "good", nil, []pki.CRL{delta(revoked, number(9, 10))}},
		{"older than the list", nothing, "stale", "good", nil, []pki.CRL{delta(revoked, number(8, 9))}},
		{"without a number", nothing, "revoked, incomplete", "revoked, incomplete", nil, []pki.CRL{delta(revoked, func(d *pki.CRL) { d.NoNumber, d.ThisUpdate = true, now().Add(-time.Minute) })}},
		{"without a number, older", nothing, "stale", "good", nil, []pki.CRL{delta(revoked, func(d *pki.CRL) { d.NoNumber, d.ThisUpdate = true, now().Add(-24*time.Hour) })}},
		{"a complete list as delta", nothing, "stale", "good", nil, []pki.CRL{delta(revoked, number(0, 11))}},

		{"of another issuer", nothing, "stale", "good", nil, []pki.CRL{delta(revoked, func(d *pki.CRL) { d.Issuer = stranger })}},
		{"signed by another", nothing, "stale", "good", nil, []pki.CRL{delta(revoked, func(d *pki.CRL) { d.Signer, d.KeyID = stranger, ca.SubjectKeyId })}},
		{"signed by a namesake that may", nothing, "revoked", "revoked", nil, []pki.CRL{delta(revoked, func(d *pki.CRL) { d.Signer = namesake })}},
		{"of another key identifier", nothing, "revoked", "revoked", nil, []pki.CRL{delta(revoked, func(d *pki.CRL) { d.NoKeyID = true })}},
		{"of another scope", nothing, "stale", "good", nil, []pki.CRL{delta(revoked, idp(&pki.IDP{OnlyUserCerts: true}))}},
		{"of less scope", nothing, "stale", "good", idp(&pki.IDP{OnlyUserCerts: true}), []pki.CRL{delta(revoked)}},
		{"of the same scope", nothing, "revoked", "revoked", idp(&pki.IDP{OnlyUserCerts: true}), []pki.CRL{delta(revoked, idp(&pki.IDP{OnlyUserCerts: true}))}},

		{"from the future", nothing, "revoked, not_yet_valid", "revoked, not_yet_valid", nil, []pki.CRL{delta(revoked, func(d *pki.CRL) { d.ThisUpdate = now().Add(time.Hour) })}},
		{"without nextUpdate", nothing, "stale", "good", nil, []pki.CRL{delta(nothing, func(d *pki.CRL) { d.NoNextUpdate = true })}},
		{"stale", nothing, "stale", "good", nil, []pki.CRL{delta(nothing, stale)}},
		{"stale, revokes", nothing, "revoked, stale", "revoked, stale", nil, []pki.CRL{delta(revoked, stale)}},
		{"stale, holds", nothing, "stale", "good", nil, []pki.CRL{delta(hold, stale)}},
		{"stale, removes", hold, "stale", "hold", nil, []pki.CRL{delta(removed, stale)}},
		{"stale, revokes, signed by another", nothing, "stale", "good", nil, []pki.CRL{delta(revoked, stale, func(d *pki.CRL) { d.Signer, d.KeyID = stranger, ca.SubjectKeyId })}},

		{"the later of two", nothing, "good", "good", nil, []pki.CRL{delta(hold, number(10, 11)), delta(removed, number(10, 12))}},
		{"the later of two, first", nothing, "good", "good", nil, []pki.CRL{delta(removed, number(10, 12)), delta(hold, number(10, 11))}},
		{"stale before a current one", nothing, "good", "good", nil, []pki.CRL{delta(revoked, number(10, 11), stale), delta(removed, number(10, 12))}},
		{"stale after a current one", nothing, "revoked, stale", "revoked, stale", nil, []pki.CRL{delta(revoked, number(10, 12), stale), delta(removed, number(10, 11))}},
		{"stale ones before and after a current one", nothing, "revoked, stale", "revoked, stale", nil, []pki.CRL{delta(revoked, number(10, 11), stale), delta(revoked, number(10, 13), stale), delta(removed, number(10, 12))}},
		{"beside one that continues from a later list", hold, "revoked, wrong_scope", "revoked, wrong_scope", nil, []pki.CRL{delta(revoked, number(11, 12)), delta(removed)}},
	} {
		for _, isStale := range []bool{false, true} {
			list := pki.CRL{Issuer: ca, Number: 10, Entries: entries(c.base)}
			want := c.fresh
			if isStale {
				stale(&list)
				want = c.stale
			}
			if c.list != nil {
				c.list(&list)
			}
			o := crl.JudgeOptions{Now: now(), Signers: signers(namesake, stranger)}
			for _, d := range c.delta {
				o.Deltas = append(o.Deltas, read(t, d.DER()))
			}
			out, err := target(t, client, ca).Judge(read(t, list.DER()), o)
			if got := verdict(out, err); got != want {
				t.Errorf("%s, complete list stale is %v: got %s (%v), want %s", c.name, isStale, got, err, want)
			}
		}
	}
}

// TestDeltaTimes: an outcome ends with what it rests on.
func TestDeltaTimes(t *testing.T) {
	ca := pki.NewCA("ca")
	of := target(t, ca.Client("client"), ca)
	at := now().Truncate(time.Second)
	hours := func(h int) time.Time { return at.Add(time.Duration(h) * time.Hour) }
	for _, c := range []struct {
		name                     string
		list, delta              [2]int // thisUpdate and nextUpdate, in hours from now
		wantThisUpdate, wantEnds int
	}{
		{"delta ends first", [2]int{-3, 9}, [2]int{-1, 2}, -1, 2},
		{"list ends first", [2]int{-3, 1}, [2]int{-1, 2}, -1, 1},
		{"list has ended", [2]int{-3, -2}, [2]int{-1, 2}, -1, 2},
	} {
		list := pki.CRL{Issuer: ca, Number: 1, ThisUpdate: hours(c.list[0]), NextUpdate: hours(c.list[1])}
		delta := pki.CRL{Issuer: ca, Number: 2, BaseNumber: 1, ThisUpdate: hours(c.delta[0]), NextUpdate: hours(c.delta[1])}
		out, err := of.Judge(read(t, list.DER()), crl.JudgeOptions{Now: at, Deltas: []*crl.List{read(t, delta.DER())}})
		if err != nil || !out.ThisUpdate.Equal(hours(c.wantThisUpdate)) || !out.Until.Equal(hours(c.wantEnds)) {
			t.Errorf("%s: got %v to %v, %v", c.name, out.ThisUpdate.Sub(at), out.Until.Sub(at), err)
		}
	}
}

// TestDeltaOfSigner: where another certificate signed the complete list, a delta
// CRL that clears has to be signed with its key. One that revokes may be signed by
// any that may.
func TestDeltaOfSigner(t *testing.T) {
	ca, next := pki.NewCA("ca"), pki.NewCA("ca")
	client := ca.Client("client")
	list := read(t, pki.CRL{Issuer: ca, Signer: next, Number: 1, NoKeyID: true}.DER())
	held := read(t, pki.CRL{Issuer: ca, Signer: next, Number: 1, NoKeyID: true, Entries: []pki.CRLEntry{{Serial: client.SerialNumber, Reason: 6}}}.DER())
	for _, test := range []struct {
		name   string
		list   *crl.List
		signer *pki.Certificate
		reason int
		want   string
		by     *certificate.Certificate
	}{
		{"revoked by the same key", list, next, 1, "revoked", next.Read()},
		{"revoked by the issuer's key", list, ca, 1, "revoked", nil},
		{"off hold by the same key", held, next, 8, "good", next.Read()},
		{"off hold by the issuer's key", held, ca, 8, "hold", next.Read()},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := read(t, pki.CRL{Issuer: ca, Signer: test.signer, Number: 2, BaseNumber: 1, NoKeyID: true, Entries: []pki.CRLEntry{{Serial: client.SerialNumber, Reason: test.reason}}}.DER())
			out, err := target(t, client, ca).Judge(test.list, crl.JudgeOptions{Now: now(), Deltas: []*crl.List{d}, Signers: signers(next)})
			if got := verdict(out, err); got != test.want || out.Signer != test.by {
				t.Errorf("got %s (%v), want %s", got, err, test.want)
			}
		})
	}
}

// TestManyDeltas: those of other scopes are not counted, and over the bound of
// those that matter nothing is known.
func TestManyDeltas(t *testing.T) {
	ca := pki.NewCA("ca")
	uri := func(n int) string { return fmt.Sprintf("http://crl/%d.crl", n) }
	client := ca.Client("client", pki.DistributionPoints(pki.DistributionPoint{URIs: []string{uri(0)}}))
	list := read(t, pki.CRL{Issuer: ca, Number: 1, IDP: &pki.IDP{URIs: []string{uri(0)}}}.DER())
	delta := func(shard int, number int64, signer *pki.Certificate) *crl.List {
		return read(t, pki.CRL{
			Issuer: ca, Signer: signer, Number: number, BaseNumber: 1, NoKeyID: true,
			IDP: &pki.IDP{URIs: []string{uri(shard)}}, Entries: pki.Revoked(client),
		}.DER())
	}
	stranger := pki.NewCA("stranger")
	for _, test := range []struct {
		name                   string
		otherShards, strangers int
		want                   string
	}{
		{"alone", 0, 0, "revoked"},
		{"beside 40 of other shards", 40, 0, "revoked"},
		{"behind 15 that a stranger signed", 0, 15, "revoked"},
		{"behind 16", 0, 16, "too_large"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var deltas []*crl.List
			for n := range test.otherShards {
				deltas = append(deltas, delta(n+1, 9, ca))
			}
			for n := range test.strangers {
				deltas = append(deltas, delta(0, int64(100+n), stranger))
			}
			deltas = append(deltas, delta(0, 2, ca))
			out, err := target(t, client, ca).Judge(list, crl.JudgeOptions{Now: now(), Deltas: deltas})
			if got := verdict(out, err); got != test.want {
				t.Errorf("got %s (%v), want %s", got, err, test.want)
			}
		})
	}
}
