package crl_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"

	"mtls-auth/mtlsauth/internal/revocation/crl"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

const a, b = "http://crl.example/a.crl", "http://crl.example/b.crl"

// TestScope is RFC 5280, section 6.3.3 (b)(2), for lists of the certificate's
// own issuer.
func TestScope(t *testing.T) {
	ca := pki.NewCA("ca")
	at := func(uris ...string) pki.Option {
		return pki.DistributionPoints(pki.DistributionPoint{URIs: uris})
	}
	relative := pki.DistributionPoint{Relative: relativeName("part")}
	full := pki.DistributionPoint{Names: [][]byte{pki.DirectoryName(below(ca.RawSubject, "part"))}}
	// crypto/x509 cannot parse relative names in certificates.
	fullPoint := pki.DistributionPoints(full)
	asCA := pki.With(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true })
	noCA := pki.With(func(c *x509.Certificate) { c.BasicConstraintsValid = true })
	for _, c := range []struct {
		name string
		cert []pki.Option
		idp  *pki.IDP
		want string
	}{
		{"no points, no IDP", nil, nil, "good"},
		{"a point, no IDP", opts(at(a)), nil, "good"},
		{"the point's name", opts(at(a)), &pki.IDP{URIs: []string{a}}, "good"},
		{"the point's second name", opts(at(b, a)), &pki.IDP{URIs: []string{a}}, "good"},
		{"the IDP's second name", opts(at(a)), &pki.IDP{URIs: []string{b, a}}, "good"},
		{"the second point", opts(pki.DistributionPoints(pki.DistributionPoint{URIs: []string{b}}, pki.DistributionPoint{URIs: []string{a}})), &pki.IDP{URIs: []string{a}}, "good"},
		{"another name", opts(at(a)), &pki.IDP{URIs: []string{b}}, "wrong_scope"},
		{"another name, not critical", opts(at(a)), &pki.IDP{URIs: []string{b}, NotCritical: true}, "wrong_scope"},
		{"a name in another spelling", opts(at(a)), &pki.IDP{URIs: []string{"HTTP://CRL.example:80/x/../%61.crl"}}, "good"},
		{"a path in other case", opts(at(a)), &pki.IDP{URIs: []string{"http://crl.example/A.crl"}}, "wrong_scope"},
		{"no points, but an IDP with a name", nil, &pki.IDP{URIs: []string{a}}, "wrong_scope"},
		{"no points, the issuer's name", nil, &pki.IDP{Names: [][]byte{pki.DirectoryName(ca.RawSubject)}}, "good"},
		{"a point, the issuer's name", opts(at(a)), &pki.IDP{Names: [][]byte{pki.DirectoryName(ca.RawSubject)}}, "good"},
		{"no points, the issuer's other name", opts(issuerAltName(a)), &pki.IDP{URIs: []string{a}}, "good"},
		{"no points, not the issuer's other name", opts(issuerAltName(b)), &pki.IDP{URIs: []string{a}}, "wrong_scope"},
		{"no points, issuer's other name unreadable", opts(pki.Extension(idCE(18, false, []byte("\x30\x05x")))), &pki.IDP{URIs: []string{a}}, "wrong_scope"},
		{"relative name", opts(fullPoint), &pki.IDP{Relative: relative.Relative}, "good"},
		{"another relative name", opts(fullPoint), &pki.IDP{Relative: relativeName("other")}, "wrong_scope"},
		{"directory name", opts(fullPoint), &pki.IDP{Names: full.Names}, "good"},
		{"user certificates", nil, &pki.IDP{OnlyUserCerts: true}, "good"},
		{"user certificates, with basic constraints", opts(noCA), &pki.IDP{OnlyUserCerts: true}, "good"},
		{"user certificates, for a CA", opts(asCA), &pki.IDP{OnlyUserCerts: true}, "wrong_scope"},
		{"CA certificates", nil, &pki.IDP{OnlyCACerts: true}, "wrong_scope"},
		{"CA certificates, with basic constraints", opts(noCA), &pki.IDP{OnlyCACerts: true}, "wrong_scope"},
		{"CA certificates, for a CA", opts(asCA), &pki.IDP{OnlyCACerts: true}, "good"},
		{"both", nil, &pki.IDP{OnlyUserCerts: true, OnlyCACerts: true}, "wrong_scope"},
		{"both, for a CA", opts(asCA), &pki.IDP{OnlyUserCerts: true, OnlyCACerts: true}, "wrong_scope"},
		{"attribute certificates", nil, &pki.IDP{OnlyAttributeCerts: true}, "wrong_scope"},
		{"indirect, but of the issuer", nil, &pki.IDP{Indirect: true}, "good"},
		{"nothing said", nil, &pki.IDP{}, "good"},
	} {
		of := target(t, ca.Client("client", c.cert...), ca)
		l := read(t, pki.CRL{Issuer: ca, IDP: c.idp}.DER())
		out, err := of.Judge(l, crl.JudgeOptions{Now: now()})
		if got := verdict(out, err); got != c.want {
			t.Errorf("%s: got %s (%v), want %s", c.name, got, err, c.want)
		}
	}
}

// TestReasonMasks is section 6.3.3 (d).
func TestReasonMasks(t *testing.T) {
	ca := pki.NewCA("ca")
	point := func(uri string, reasons ...int) pki.DistributionPoint {
		return pki.DistributionPoint{URIs: []string{uri}, Reasons: reasons}
	}
	all := []int{1, 2, 3, 4, 5, 6, 7, 8}
	for _, c := range []struct {
		name   string
		points []pki.DistributionPoint
		idp    *pki.IDP
		want   crl.ReasonMask // 0: of no use
	}{
		{"neither", []pki.DistributionPoint{point(a)}, &pki.IDP{URIs: []string{a}}, crl.AllReasons},
		{"point", []pki.DistributionPoint{point(a, 1, 2)}, &pki.IDP{URIs: []string{a}}, 0x06},
		{"list", []pki.DistributionPoint{point(a)}, &pki.IDP{URIs: []string{a}, Reasons: []int{1, 8}}, 0x102},
		{"both", []pki.DistributionPoint{point(a, 1, 2, 3)}, &pki.IDP{URIs: []string{a}, Reasons: []int{2, 3, 4}}, 0x0c},
		{"both, with nothing in common", []pki.DistributionPoint{point(a, 1)}, &pki.IDP{URIs: []string{a}, Reasons: []int{2}}, 0},
		{"two points", []pki.DistributionPoint{point(a, 1), point(a, 2), point(b, 3)}, &pki.IDP{URIs: []string{a}}, 0x06},
		{"every reason by name", []pki.DistributionPoint{point(a, all...)}, &pki.IDP{URIs: []string{a}, Reasons: all}, crl.AllReasons},
		{"every reason but one", []pki.DistributionPoint{point(a)}, &pki.IDP{URIs: []string{a}, Reasons: all[1:]}, crl.AllReasons &^ 2},
		{"the unused bit", []pki.DistributionPoint{point(a)}, &pki.IDP{URIs: []string{a}, Reasons: []int{0}}, 0},
		{"no reason", []pki.DistributionPoint{point(a)}, &pki.IDP{URIs: []string{a}, Reasons: []int{}}, 0},
		{"a point, and a list without IDP", []pki.DistributionPoint{point(a, 1)}, nil, 0x02},
		{"no points", nil, &pki.IDP{Reasons: []int{1, 2}}, 0x06},
	} {
		var of []pki.Option
		if c.points != nil {
			of = opts(pki.DistributionPoints(c.points...))
		}
		listed, client := ca.Client("listed", of...), ca.Client("client", of...)
		l := read(t, pki.CRL{Issuer: ca, IDP: c.idp, Entries: pki.Revoked(listed)}.DER())
		out, err := target(t, client, ca).Judge(l, crl.JudgeOptions{Now: now()})
		if out.Reasons != c.want || (err == nil) != (c.want != 0) || err != nil && kindOf(err) != "wrong_scope" {
			t.Errorf("%s: got %#x, %v, want %#x", c.name, out.Reasons, err, c.want)
		}
		out, err = target(t, listed, ca).Judge(l, crl.JudgeOptions{Now: now()})
		if out.Revoked != (c.want != 0) || out.Reasons != c.want {
			t.Errorf("%s: listed: got %+v, %v", c.name, out, err)
		}
	}
}

// TestIndirect is (b)(1): lists of another issuer than the certificate's.
func TestIndirect(t *testing.T) {
	ca, lister, third := pki.NewCA("ca"), pki.NewCA("lister"), pki.NewCA("third")
	by := func(issuers ...*pki.Certificate) pki.Option {
		return pki.DistributionPoints(pki.DistributionPoint{URIs: []string{a}, CRLIssuer: issuers})
	}
	indirect := &pki.IDP{URIs: []string{a}, Indirect: true}
	type entry struct {
		of     *pki.Certificate // whose serial number
		issuer *pki.Certificate // certificate issuer, nil: as before
	}
	client := ca.Client("client", by(lister))
	stranger := third.Client("stranger")
	bare := pki.DistributionPoints(pki.DistributionPoint{CRLIssuer: []*pki.Certificate{lister}})
	for _, c := range []struct {
		name    string
		client  *pki.Certificate
		idp     *pki.IDP
		entries []entry
		signer  *pki.Certificate
		want    string
	}{
		{"not listed", client, indirect, nil, lister, "good"},
		{"listed", client, indirect, []entry{{client, ca}}, lister, "revoked"},
		{"listed after another of the issuer", client, indirect, []entry{{stranger, ca}, {client, nil}}, lister, "revoked"},
		{"listed after one of another issuer", client, indirect, []entry{{stranger, ca}, {client, third}}, lister, "good"},
		{"same serial number of the list's issuer", client, indirect, []entry{{client, nil}}, lister, "good"},
		{"same serial number, back to the list's issuer", client, indirect, []entry{{stranger, ca}, {client, lister}}, lister, "good"},
		{"listed in a second group of the issuer", client, indirect, []entry{{stranger, ca}, {stranger, third}, {client, ca}}, lister, "revoked"},
		{"not indirect", client, &pki.IDP{URIs: []string{a}}, nil, lister, "wrong_issuer"},
		{"without IDP", client, nil, nil, lister, "wrong_issuer"},
		{"another distribution point", client, &pki.IDP{URIs: []string{b}, Indirect: true}, nil, lister, "wrong_scope"},
		{"the certificate's issuer as distribution point", client, &pki.IDP{Names: [][]byte{pki.DirectoryName(ca.RawSubject)}, Indirect: true}, nil, lister, "wrong_scope"},
		{"no name in the IDP", client, &pki.IDP{Indirect: true}, nil, lister, "good"},
		{"no point names a CRL issuer", ca.Client("c"), indirect, nil, lister, "wrong_issuer"},
		{"the point names another", ca.Client("c", by(third)), indirect, nil, lister, "wrong_issuer"},
		{"the point names two", ca.Client("c", by(third, lister)), indirect, nil, lister, "good"},
		{"the point has no name, the IDP the issuer's", ca.Client("c", bare), &pki.IDP{Names: [][]byte{pki.DirectoryName(lister.RawSubject)}, Indirect: true}, nil, lister, "good"},
		{"the point has no name, the IDP another", ca.Client("c", bare), indirect, nil, lister, "wrong_scope"},
		{"signed by the certificate's issuer", client, indirect, nil, ca, "bad_signature"},
		{"signed by a namesake", client, indirect, nil, pki.NewCA("lister"), "bad_signature"},
	} {
		list := pki.CRL{Issuer: lister, Signer: c.signer, IDP: c.idp, NoKeyID: true}
		for _, e := range c.entries {
			list.Entries = append(list.Entries, pki.CRLEntry{Serial: e.of.SerialNumber, Issuer: e.issuer})
		}
		of := target(t, c.client, ca)
		out, err := of.Judge(read(t, list.DER()), crl.JudgeOptions{Now: now(), Signers: signers(ca, lister, third)})
		if got := verdict(out, err); got != c.want {
			t.Errorf("%s: got %s (%v), want %s", c.name, got, err, c.want)
		}
		if err == nil && out.Signer != lister.Read() {
			t.Errorf("%s: got signer %v", c.name, out.Signer)
		}
		if got := verdict(of.Judge(read(t, list.DER()), crl.JudgeOptions{Now: now()})); got != "wrong_issuer" && got != "wrong_scope" {
			t.Errorf("%s: without Signers got %s", c.name, got)
		}
	}
}

// TestCRLIssuerBesideOwnList: a complete list of the certificate's own issuer
// is of use also where the certificate names another issuer of lists (section
// 6.3.3, the last paragraph).
func TestCRLIssuerBesideOwnList(t *testing.T) {
	ca, lister := pki.NewCA("ca"), pki.NewCA("lister")
	client := ca.Client("client", pki.DistributionPoints(pki.DistributionPoint{URIs: []string{a}, CRLIssuer: []*pki.Certificate{lister}}))
	if got := verdict(target(t, client, ca).Judge(read(t, pki.CRL{Issuer: ca}.DER()), crl.JudgeOptions{Now: now()})); got != "good" {
		t.Errorf("got %s", got)
	}
}

func opts(o ...pki.Option) []pki.Option { return o }

func issuerAltName(uri string) pki.Option {
	value := append([]byte{0x30, byte(len(uri) + 2), 0x86, byte(len(uri))}, uri...)
	return pki.Extension(pkix.Extension{Id: []int{2, 5, 29, 18}, Value: value})
}
