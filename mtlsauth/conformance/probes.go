package main

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// probesOfCRLs are CRLs that a gateway has to tell apart, each signed by a key of its own;
// revocation is checked in STRICT mode, and there is no other CRL.
func probesOfCRLs() []vector {
	now := time.Now()
	critical := pkix.Extension{Id: []int{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}
	var all []vector
	add := func(name string, valid bool, make func(ca, client *pki.Certificate) []pki.CRL, options ...pki.Option) {
		ca := pki.NewCA("CA of " + name)
		client := ca.Client("client", options...)
		v := made("CRL", "CRL", name, valid, client, ca)
		v.crls = [][]byte{}
		for _, list := range make(ca, client) {
			v.crls = append(v.crls, list.DER())
		}
		all = append(all, v)
	}
	one := func(change func(l *pki.CRL, ca, client *pki.Certificate)) func(ca, client *pki.Certificate) []pki.CRL {
		return func(ca, client *pki.Certificate) []pki.CRL {
			l := pki.CRL{Issuer: ca}
			change(&l, ca, client)
			return []pki.CRL{l}
		}
	}
	other := pki.NewCA("another CA")
	here := pki.DistributionPoints(pki.DistributionPoint{URIs: []string{"http://crl.example/here"}})

	add("good", true, one(func(l *pki.CRL, _, _ *pki.Certificate) {}))
	add("revoked", false, one(func(l *pki.CRL, _, c *pki.Certificate) { l.Entries = pki.Revoked(c) }))
	add("another certificate revoked", true, one(func(l *pki.CRL, _, c *pki.Certificate) {
		l.Entries = []pki.CRLEntry{{Serial: new(big.Int).Add(c.SerialNumber, big.NewInt(1))}}
	}))
	add("no CRL", false, func(_, _ *pki.Certificate) []pki.CRL { return nil })
	add("over", false, one(func(l *pki.CRL, _, _ *pki.Certificate) {
		l.ThisUpdate, l.NextUpdate = now.Add(-48*time.Hour), now.Add(-time.Hour)
	}))
	add("over, and revoked", false, one(func(l *pki.CRL, _, c *pki.Certificate) {
		l.ThisUpdate, l.NextUpdate, l.Entries = now.Add(-48*time.Hour), now.Add(-time.Hour), pki.Revoked(c)
	}))
	add("not yet valid", false, one(func(l *pki.CRL, _, _ *pki.Certificate) { l.ThisUpdate = now.Add(12 * time.Hour) }))
	add("without nextUpdate", false, one(func(l *pki.CRL, _, _ *pki.Certificate) { l.NoNextUpdate = true }))
	add("signed by another key", false, one(func(l *pki.CRL, _, _ *pki.Certificate) { l.Signer, l.NoKeyID = other, true }))
	add("a bad signature", false, one(func(l *pki.CRL, _, _ *pki.Certificate) { l.CorruptSignature = true }))
	add("of another CA", false, one(func(l *pki.CRL, _, _ *pki.Certificate) { l.Issuer = other }))
	add("an unknown critical extension", false, one(func(l *pki.CRL, _, _ *pki.Certificate) { l.Extensions = []pkix.Extension{critical} }))
	add("an unknown critical extension of an entry", false, one(func(l *pki.CRL, _, c *pki.Certificate) {
		l.Entries = []pki.CRLEntry{{Serial: new(big.Int).Add(c.SerialNumber, big.NewInt(1)), Extensions: []pkix.Extension{critical}}}
	}))
	add("for CA certificates only", false, one(func(l *pki.CRL, _, _ *pki.Certificate) { l.IDP = &pki.IDP{OnlyCACerts: true} }))
	add("for user certificates only", true, one(func(l *pki.CRL, _, _ *pki.Certificate) { l.IDP = &pki.IDP{OnlyUserCerts: true} }))
	add("for attribute certificates only", false, one(func(l *pki.CRL, _, _ *pki.Certificate) { l.IDP = &pki.IDP{OnlyAttributeCerts: true} }))
	add("for some reasons only", false, one(func(l *pki.CRL, _, _ *pki.Certificate) { l.IDP = &pki.IDP{Reasons: []int{1, 2}} }))
	add("of the certificate's distribution point", true, one(func(l *pki.CRL, _, _ *pki.Certificate) {
		l.IDP = &pki.IDP{URIs: []string{"http://crl.example/here"}}
	}), here)
	add("of another distribution point", false, one(func(l *pki.CRL, _, _ *pki.Certificate) {
		l.IDP = &pki.IDP{URIs: []string{"http://crl.example/there"}}
	}), here)
	add("a delta CRL that revokes", false, func(ca, c *pki.Certificate) []pki.CRL {
		return []pki.CRL{{Issuer: ca}, {Issuer: ca, Number: 2, BaseNumber: 1, Entries: pki.Revoked(c)}}
	})
	add("a delta CRL that ends a hold", true, func(ca, c *pki.Certificate) []pki.CRL {
		return []pki.CRL{
			{Issuer: ca, Entries: []pki.CRLEntry{{Serial: c.SerialNumber, Reason: 6}}},
			{Issuer: ca, Number: 2, BaseNumber: 1, Entries: []pki.CRLEntry{{Serial: c.SerialNumber, Reason: 8}}},
		}
	})
	add("a delta CRL alone", false, func(ca, _ *pki.Certificate) []pki.CRL {
		return []pki.CRL{{Issuer: ca, Number: 2, BaseNumber: 1}}
	})
	add("an earlier CRL beside it clears", false, func(ca, c *pki.Certificate) []pki.CRL {
		return []pki.CRL{
			{Issuer: ca, Number: 2, Entries: pki.Revoked(c)},
			{Issuer: ca, Number: 1, ThisUpdate: now.Add(-2 * time.Hour)},
		}
	})

	mayNot := pki.NewCA("CA without cRLSign", pki.With(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }))
	v := made("CRL", "CRL", "the signer may sign no CRLs", false, mayNot.Client("client"), mayNot)
	v.crls = [][]byte{pki.CRL{Issuer: mayNot}.DER()}
	all = append(all, v)

	root := pki.NewCA("root of two levels")
	for _, revoked := range []bool{false, true} {
		inter := root.Intermediate("intermediate")
		top := pki.CRL{Issuer: root}
		name := "two levels, both good"
		if revoked {
			top.Entries, name = pki.Revoked(inter), "two levels, the intermediate revoked"
		}
		v := made("CRL", "CRL", name, !revoked, inter.Client("client"), root)
		v.crls = [][]byte{top.DER(), pki.CRL{Issuer: inter}.DER()}
		all = append(all, v)
	}
	return all
}

// probesOfOCSP are OCSP responses that a client has to tell apart, each well signed by a key
// of its own. close ends the responders.
func probesOfOCSP() (all []vector, close func()) {
	now := time.Now().Truncate(time.Second)
	var responders []*pki.Responder
	otherCA := pki.NewCA("another CA")
	add := func(name string, valid bool, change func(r *pki.OCSPResponse, ca *pki.Certificate)) {
		ca := pki.NewCA("CA of " + name)
		responder := pki.NewResponder(ca)
		url := responder.Start()
		responders = append(responders, responder)
		client := ca.Client("client", pki.OCSPServer(url))
		responder.Good(client)
		responder.Change(func(r *pki.OCSPResponse) { change(r, ca) })
		v := made("OCSP", "OCSP", name, valid, client, ca)
		v.ocsp = url
		all = append(all, v)
	}
	of := func(s *pki.OCSPSingle) { s.NameOf, s.KeyOf = otherCA, otherCA }
	add("good, direct", true, func(*pki.OCSPResponse, *pki.Certificate) {})
	add("good, delegated", true, func(r *pki.OCSPResponse, ca *pki.Certificate) { r.Signer = ca.OCSPSigner("delegate") })
	add("revoked", false, func(r *pki.OCSPResponse, _ *pki.Certificate) { r.Singles[0].Status = pki.OCSPRevoked })
	add("unknown", false, func(r *pki.OCSPResponse, _ *pki.Certificate) { r.Singles[0].Status = pki.OCSPUnknown })
	add("try later", false, func(r *pki.OCSPResponse, _ *pki.Certificate) { r.ResponseStatus = 3 })
	add("CertID of another issuer, direct", false, func(r *pki.OCSPResponse, _ *pki.Certificate) { of(&r.Singles[0]) })
	add("CertID of another issuer, delegated", false, func(r *pki.OCSPResponse, ca *pki.Certificate) {
		r.Signer = ca.OCSPSigner("delegate")
		of(&r.Singles[0])
	})
	add("responderID of another CA", false, func(r *pki.OCSPResponse, _ *pki.Certificate) { r.ResponderID = otherCA })
	add("another serial number", false, func(r *pki.OCSPResponse, ca *pki.Certificate) { r.Singles[0].Serial = ca.SerialNumber })
	add("delegate without id-kp-OCSPSigning", false, func(r *pki.OCSPResponse, ca *pki.Certificate) {
		r.Signer = ca.OCSPSigner("no usage", pki.ExtKeyUsage())
	})
	add("signed by another client", false, func(r *pki.OCSPResponse, ca *pki.Certificate) { r.Signer = ca.Client("another") })
	add("expired delegate", false, func(r *pki.OCSPResponse, ca *pki.Certificate) {
		r.Signer = ca.OCSPSigner("expired delegate", pki.Expired())
	})
	add("delegate of another CA", false, func(r *pki.OCSPResponse, _ *pki.Certificate) { r.Signer = otherCA.OCSPSigner("delegate") })
	add("signed by another CA", false, func(r *pki.OCSPResponse, _ *pki.Certificate) { r.Signer = otherCA })
	add("a bad signature", false, func(r *pki.OCSPResponse, _ *pki.Certificate) { r.CorruptSignature = true })
	add("over", false, func(r *pki.OCSPResponse, _ *pki.Certificate) {
		r.Singles[0].ThisUpdate, r.Singles[0].NextUpdate = now.Add(-2*time.Hour), now.Add(-time.Hour)
	})
	add("thisUpdate in the future", false, func(r *pki.OCSPResponse, _ *pki.Certificate) {
		r.Singles[0].ThisUpdate, r.Singles[0].NextUpdate = now.Add(time.Hour), now.Add(2*time.Hour)
	})
	add("a year old without nextUpdate", false, func(r *pki.OCSPResponse, _ *pki.Certificate) {
		r.Singles[0].ThisUpdate, r.Singles[0].NoNextUpdate = now.AddDate(-1, 0, 0), true
	})
	return all, func() {
		for _, r := range responders {
			r.Close()
		}
	}
}
