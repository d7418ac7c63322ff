package e2e

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// A39: the 14 answers that a client has to tell apart, each well signed by a key
// of its own, through the whole program. All but two say good and prove nothing.
func TestOCSPProbes(t *testing.T) {
	t.Parallel()
	root, other := pki.NewCA("root"), pki.NewCA("other")
	another := root.Client("another")
	delegate := root.OCSPSigner("delegate")
	signedBy := func(signer *pki.Certificate) func(*pki.OCSPResponse) {
		return func(r *pki.OCSPResponse) { r.Signer = signer }
	}
	about := func(change func(*pki.OCSPSingle)) func(*pki.OCSPResponse) {
		return func(r *pki.OCSPResponse) { change(&r.Singles[0]) }
	}
	ofOther := func(s *pki.OCSPSingle) { s.NameOf, s.KeyOf = other, other }
	r := newStatusRig(t, cas{idA: root, idB: other}, bothModes(object{"ca_certificates": []string{idA, idB}}))
	for _, probe := range []struct {
		name   string
		change func(*pki.OCSPResponse)
		good   bool
	}{
		{"good, direct", func(*pki.OCSPResponse) {}, true},
		{"good, delegated", signedBy(delegate), true},
		{"CertID of another issuer, direct", about(ofOther), false},
		{"CertID of another issuer, delegated", func(r *pki.OCSPResponse) { r.Signer = delegate; ofOther(&r.Singles[0]) }, false},
		{"responder id of another CA", func(r *pki.OCSPResponse) { r.ResponderID = other }, false},
		{"wrong serial", about(func(s *pki.OCSPSingle) { s.Serial = another.SerialNumber }), false},
		{"delegate without OCSPSigning", signedBy(root.OCSPSigner("no usage", pki.ExtKeyUsage())), false},
		{"another client's certificate as delegate", signedBy(another), false},
		{"expired delegate", signedBy(root.OCSPSigner("expired", pki.Expired())), false},
		{"delegate of another CA", signedBy(other.OCSPSigner("other's")), false},
		{"signed by another CA", signedBy(other), false},
		{"stale", about(func(s *pki.OCSPSingle) { s.ThisUpdate, s.NextUpdate = inSeconds(-7200), inSeconds(-3600) }), false},
		{"thisUpdate in the future", about(func(s *pki.OCSPSingle) { s.ThisUpdate = inSeconds(3600) }), false},
		{"a year old without nextUpdate", about(func(s *pki.OCSPSingle) {
			s.ThisUpdate, s.NoNextUpdate = time.Now().AddDate(-1, 0, 0), true
		}), false},
	} {
		responder := newResponder(t, root)
		responder.Change(probe.change)
		good, bad := root.Client("good", pki.OCSPServer(responder.URL())), root.Client("bad", pki.OCSPServer(responder.URL()))
		responder.Good(good)
		responder.Revoke(bad, 1)
		strict, ignore := isUnknown, passesNoted
		if probe.good {
			strict, ignore = passes, passes
		}
		r.expectStatus("A39 "+probe.name, "/strict", good, strict)
		r.expectStatus("A39 "+probe.name, "/ignore", good, ignore)
		// What proves nothing refuses no client either; but a revocation whose time
		// is over, or has not come, has been proved.
		if probe.good || probe.name == "stale" || probe.name == "a year old without nextUpdate" || probe.name == "thisUpdate in the future" {
			r.expectStatus("A39 revoked, "+probe.name, "/ignore", bad, isRevoked)
		} else {
			r.expectStatus("A39 revoked, "+probe.name, "/ignore", bad, passesNoted)
		}
	}
	// A client that signs its own answer.
	responder := newResponder(t, root)
	self := root.Client("self", pki.OCSPServer(responder.URL()))
	responder.Change(signedBy(self))
	responder.Good(self)
	r.expectStatus("A39 signed by the client itself", "/strict", self, isUnknown)
}

// A40: the like of CRLs. The lists are empty: who takes one for good lets the
// client in.
func TestCRLProbes(t *testing.T) {
	t.Parallel()
	root, other, namesake := pki.NewCA("root"), pki.NewCA("other"), pki.NewCA("root")
	client := root.Client("client of root")
	oddCritical := pkix.Extension{Id: []int{1, 3, 6, 1, 4, 1, 55555, 1}, Critical: true, Value: []byte{5, 0}}
	oddNot := oddCritical
	oddNot.Critical = false
	// Another certificate of the issuer's name that may sign CRLs, configured.
	const idSigner, idMayNot = "dddddddd-0000-4000-8000-000000000004", "eeeeeeee-0000-4000-8000-000000000005"
	signer := root.Intermediate("root")
	mayNot := root.Intermediate("root", pki.With(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }))
	ids := object{"ca_certificates": []string{idA, idB, idSigner, idMayNot}}
	r := newStatusRig(t, cas{idA: root, idB: other, idSigner: signer, idMayNot: mayNot}, bothModes(ids))
	for _, probe := range []struct {
		name   string
		change func(*pki.CRL)
		good   bool
	}{
		{"good", func(*pki.CRL) {}, true},
		{"good, no key identifier", func(c *pki.CRL) { c.NoKeyID = true }, true},
		{"good, for user certificates", func(c *pki.CRL) { c.IDP = &pki.IDP{OnlyUserCerts: true} }, true},
		{"good, an extension of no importance", func(c *pki.CRL) { c.Extensions = append(c.Extensions, oddNot) }, true},
		{"good, signed by another certificate of its name", func(c *pki.CRL) { c.Signer = signer }, true},
		{"without a number", func(c *pki.CRL) { c.NoNumber = true }, false},
		{"another CA's", func(c *pki.CRL) { c.Issuer = other }, false},
		{"signed by another CA", func(c *pki.CRL) { c.Signer = other }, false},
		{"signed by a CA of the same name", func(c *pki.CRL) { c.Issuer = namesake }, false},
		{"signed by a client", func(c *pki.CRL) { c.Signer = client }, false},
		{"signed by who may not sign CRLs", func(c *pki.CRL) { c.Signer = mayNot }, false},
		{"stale", func(c *pki.CRL) { c.ThisUpdate, c.NextUpdate = inSeconds(-7200), inSeconds(-3600) }, false},
		{"thisUpdate in the future", func(c *pki.CRL) { c.ThisUpdate = inSeconds(3600) }, false},
		{"without nextUpdate", func(c *pki.CRL) { c.NoNextUpdate = true }, false},
		{"a delta", func(c *pki.CRL) { c.Number, c.BaseNumber = 2, 1 }, false},
		{"for CA certificates", func(c *pki.CRL) { c.IDP = &pki.IDP{OnlyCACerts: true} }, false},
		{"for attribute certificates", func(c *pki.CRL) { c.IDP = &pki.IDP{OnlyAttributeCerts: true} }, false},
		{"for some reasons", func(c *pki.CRL) { c.IDP = &pki.IDP{Reasons: []int{1}} }, false},
		{"of another distribution point", func(c *pki.CRL) { c.IDP = &pki.IDP{URIs: []string{"http://other.invalid/"}} }, false},
		{"an unknown critical extension", func(c *pki.CRL) { c.Extensions = append(c.Extensions, oddCritical) }, false},
		{"SHA-1", func(c *pki.CRL) { c.Hash = crypto.SHA1 }, false},
		{"a bit flipped", func(c *pki.CRL) { c.CorruptSignature = true }, false},
	} {
		list := pki.CRL{Issuer: root}
		probe.change(&list)
		host := newCRLHost(t, list)
		good := root.Client("client", pki.CRLDistributionPoint(host.URL()))
		strict, ignore := isUnknown, passesNoted
		if probe.good {
			strict, ignore = passes, passes
		}
		r.expectStatus("A40 "+probe.name, "/strict", good, strict)
		r.expectStatus("A40 "+probe.name, "/ignore", good, ignore)
	}
}
