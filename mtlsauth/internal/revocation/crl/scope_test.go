package crl_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"

	"mtls-auth/mtlsauth/internal/pkitest"
	"mtls-auth/mtlsauth/internal/revocation/crl"
)

const a, b = "http://crl.example/a.crl", "http://crl.example/b.crl"

// TestScope is RFC 5280, section 6.3.3 (b)(2), for lists of the certificate's
// own issuer.
func TestScope(t *testing.T) {
	ca := pkitest.NewCA("ca")
	at := func(uris ...string) pkitest.Option {
		return pkitest.DistributionPoints(pkitest.DistributionPoint{URIs: uris})
	}
	relative := pkitest.DistributionPoint{Relative: relativeName("part")}
	full := pkitest.DistributionPoint{Names: [][]byte{pkitest.DirectoryName(below(ca.RawSubject, "part"))}}
	// crypto/x509 cannot parse relative names in certificates.
	fullPoint := pkitest.DistributionPoints(full)
	asCA := pkitest.With(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true })
	noCA := pkitest.With(func(c *x509.Certificate) { c.BasicConstraintsValid = true })
	for _, c := range []struct {
		name string
		cert []pkitest.Option
		idp  *pkitest.IDP
		want string
	}{
		{"no points, no IDP", nil, nil, "good"},
		{"a point, no IDP", opts(at(a)), nil, "good"},
		{"the point's name", opts(at(a)), &pkitest.IDP{URIs: []string{a}}, "good"},
		{"the point's second name", opts(at(b, a)), &pkitest.IDP{URIs: []string{a}}, "good"},
		{"the IDP's second name", opts(at(a)), &pkitest.IDP{URIs: []string{b, a}}, "good"},
		{"the second point", opts(pkitest.DistributionPoints(pkitest.DistributionPoint{URIs: []string{b}}, pkitest.DistributionPoint{URIs: []string{a}})), &pkitest.IDP{URIs: []string{a}}, "good"},
		{"another name", opts(at(a)), &pkitest.IDP{URIs: []string{b}}, "wrong_scope"},
		{"another name, not critical", opts(at(a)), &pkitest.IDP{URIs: []string{b}, NotCritical: true}, "wrong_scope"},
		{"a name in other case", opts(at(a)), &pkitest.IDP{URIs: []string{"HTTP://crl.example/a.crl"}}, "wrong_scope"},
		{"no points, but an IDP with a name", nil, &pkitest.IDP{URIs: []string{a}}, "wrong_scope"},
		{"no points, the issuer's name", nil, &pkitest.IDP{Names: [][]byte{pkitest.DirectoryName(ca.RawSubject)}}, "good"},
		{"a point, the issuer's name", opts(at(a)), &pkitest.IDP{Names: [][]byte{pkitest.DirectoryName(ca.RawSubject)}}, "good"},
		{"no points, the issuer's other name", opts(issuerAltName(a)), &pkitest.IDP{URIs: []string{a}}, "good"},
		{"no points, not the issuer's other name", opts(issuerAltName(b)), &pkitest.IDP{URIs: []string{a}}, "wrong_scope"},
		{"no points, issuer's other name unreadable", opts(pkitest.Extension(idCE(18, false, []byte("\x30\x05x")))), &pkitest.IDP{URIs: []string{a}}, "wrong_scope"},
		{"relative name", opts(fullPoint), &pkitest.IDP{Relative: relative.Relative}, "good"},
		{"another relative name", opts(fullPoint), &pkitest.IDP{Relative: relativeName("other")}, "wrong_scope"},
		{"directory name", opts(fullPoint), &pkitest.IDP{Names: full.Names}, "good"},
		{"user certificates", nil, &pkitest.IDP{OnlyUserCerts: true}, "good"},
		{"user certificates, with basic constraints", opts(noCA), &pkitest.IDP{OnlyUserCerts: true}, "good"},
		{"user certificates, for a CA", opts(asCA), &pkitest.IDP{OnlyUserCerts: true}, "wrong_scope"},
		{"CA certificates", nil, &pkitest.IDP{OnlyCACerts: true}, "wrong_scope"},
		{"CA certificates, with basic constraints", opts(noCA), &pkitest.IDP{OnlyCACerts: true}, "wrong_scope"},
		{"CA certificates, for a CA", opts(asCA), &pkitest.IDP{OnlyCACerts: true}, "good"},
		{"both", nil, &pkitest.IDP{OnlyUserCerts: true, OnlyCACerts: true}, "wrong_scope"},
		{"both, for a CA", opts(asCA), &pkitest.IDP{OnlyUserCerts: true, OnlyCACerts: true}, "wrong_scope"},
		{"attribute certificates", nil, &pkitest.IDP{OnlyAttributeCerts: true}, "wrong_scope"},
		{"indirect, but of the issuer", nil, &pkitest.IDP{Indirect: true}, "good"},
		{"nothing said", nil, &pkitest.IDP{}, "good"},
	} {
		of := target(t, ca.Client("client", c.cert...), ca)
		l := read(t, pkitest.CRL{Issuer: ca, IDP: c.idp}.DER())
		out, err := of.Judge(l, crl.JudgeOptions{Now: now()})
		if got := verdict(out, err); got != c.want {
			t.Errorf("%s: got %s (%v), want %s", c.name, got, err, c.want)
		}
	}
}

// TestReasonMasks is section 6.3.3 (d).
func TestReasonMasks(t *testing.T) {
	ca := pkitest.NewCA("ca")
	point := func(uri string, reasons ...int) pkitest.DistributionPoint {
		return pkitest.DistributionPoint{URIs: []string{uri}, Reasons: reasons}
	}
	all := []int{1, 2, 3, 4, 5, 6, 7, 8}
	for _, c := range []struct {
		name   string
		points []pkitest.DistributionPoint
		idp    *pkitest.IDP
		want   crl.ReasonMask // 0: of no use
	}{
		{"neither", []pkitest.DistributionPoint{point(a)}, &pkitest.IDP{URIs: []string{a}}, crl.AllReasons},
		{"point", []pkitest.DistributionPoint{point(a, 1, 2)}, &pkitest.IDP{URIs: []string{a}}, 0x06},
		{"list", []pkitest.DistributionPoint{point(a)}, &pkitest.IDP{URIs: []string{a}, Reasons: []int{1, 8}}, 0x102},
		{"both", []pkitest.DistributionPoint{point(a, 1, 2, 3)}, &pkitest.IDP{URIs: []string{a}, Reasons: []int{2, 3, 4}}, 0x0c},
		{"both, with nothing in common", []pkitest.DistributionPoint{point(a, 1)}, &pkitest.IDP{URIs: []string{a}, Reasons: []int{2}}, 0},
		{"two points", []pkitest.DistributionPoint{point(a, 1), point(a, 2), point(b, 3)}, &pkitest.IDP{URIs: []string{a}}, 0x06},
		{"every reason by name", []pkitest.DistributionPoint{point(a, all...)}, &pkitest.IDP{URIs: []string{a}, Reasons: all}, crl.AllReasons},
		{"every reason but one", []pkitest.DistributionPoint{point(a)}, &pkitest.IDP{URIs: []string{a}, Reasons: all[1:]}, crl.AllReasons &^ 2},
		{"the unused bit", []pkitest.DistributionPoint{point(a)}, &pkitest.IDP{URIs: []string{a}, Reasons: []int{0}}, 0},
		{"no reason", []pkitest.DistributionPoint{point(a)}, &pkitest.IDP{URIs: []string{a}, Reasons: []int{}}, 0},
		{"a point, and a list without IDP", []pkitest.DistributionPoint{point(a, 1)}, nil, 0x02},
		{"no points", nil, &pkitest.IDP{Reasons: []int{1, 2}}, 0x06},
	} {
		var of []pkitest.Option
		if c.points != nil {
			of = opts(pkitest.DistributionPoints(c.points...))
		}
		listed, client := ca.Client("listed", of...), ca.Client("client", of...)
		l := read(t, pkitest.CRL{Issuer: ca, IDP: c.idp, Entries: pkitest.Revoked(listed)}.DER())
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
	ca, lister, third := pkitest.NewCA("ca"), pkitest.NewCA("lister"), pkitest.NewCA("third")
	by := func(issuers ...*pkitest.Certificate) pkitest.Option {
		return pkitest.DistributionPoints(pkitest.DistributionPoint{URIs: []string{a}, CRLIssuer: issuers})
	}
	indirect := &pkitest.IDP{URIs: []string{a}, Indirect: true}
	type entry struct {
		of     *pkitest.Certificate // whose serial number
		issuer *pkitest.Certificate // certificate issuer, nil: as before
	}
	client := ca.Client("client", by(lister))
	stranger := third.Client("stranger")
	bare := pkitest.DistributionPoints(pkitest.DistributionPoint{CRLIssuer: []*pkitest.Certificate{lister}})
	for _, c := range []struct {
		name    string
		client  *pkitest.Certificate
		idp     *pkitest.IDP
		entries []entry
		signer  *pkitest.Certificate
		want    string
	}{
		{"not listed", client, indirect, nil, lister, "good"},
		{"listed", client, indirect, []entry{{client, ca}}, lister, "revoked"},
		{"listed after another of the issuer", client, indirect, []entry{{stranger, ca}, {client, nil}}, lister, "revoked"},
		{"listed after one of another issuer", client, indirect, []entry{{stranger, ca}, {client, third}}, lister, "good"},
		{"same serial number of the list's issuer", client, indirect, []entry{{client, nil}}, lister, "good"},
		{"same serial number, back to the list's issuer", client, indirect, []entry{{stranger, ca}, {client, lister}}, lister, "good"},
		{"listed in a second group of the issuer", client, indirect, []entry{{stranger, ca}, {stranger, third}, {client, ca}}, lister, "revoked"},
		{"not indirect", client, &pkitest.IDP{URIs: []string{a}}, nil, lister, "wrong_issuer"},
		{"without IDP", client, nil, nil, lister, "wrong_issuer"},
		{"another distribution point", client, &pkitest.IDP{URIs: []string{b}, Indirect: true}, nil, lister, "wrong_scope"},
		{"the certificate's issuer as distribution point", client, &pkitest.IDP{Names: [][]byte{pkitest.DirectoryName(ca.RawSubject)}, Indirect: true}, nil, lister, "wrong_scope"},
		{"no name in the IDP", client, &pkitest.IDP{Indirect: true}, nil, lister, "good"},
		{"no point names a CRL issuer", ca.Client("c"), indirect, nil, lister, "wrong_issuer"},
		{"the point names another", ca.Client("c", by(third)), indirect, nil, lister, "wrong_issuer"},
		{"the point names two", ca.Client("c", by(third, lister)), indirect, nil, lister, "good"},
		{"the point has no name, the IDP the issuer's", ca.Client("c", bare), &pkitest.IDP{Names: [][]byte{pkitest.DirectoryName(lister.RawSubject)}, Indirect: true}, nil, lister, "good"},
		{"the point has no name, the IDP another", ca.Client("c", bare), indirect, nil, lister, "wrong_scope"},
		{"signed by the certificate's issuer", client, indirect, nil, ca, "bad_signature"},
		{"signed by a namesake", client, indirect, nil, pkitest.NewCA("lister"), "bad_signature"},
	} {
		list := pkitest.CRL{Issuer: lister, Signer: c.signer, IDP: c.idp, NoKeyID: true}
		for _, e := range c.entries {
			list.Entries = append(list.Entries, pkitest.CRLEntry{Serial: e.of.SerialNumber, Issuer: e.issuer})
		}
		of := target(t, c.client, ca)
		out, err := of.Judge(read(t, list.DER()), crl.JudgeOptions{Now: now(), Signers: signers(ca, lister, third)})
		if got := verdict(out, err); got != c.want {
			t.Errorf("%s: got %s (%v), want %s", c.name, got, err, c.want)
		}
		if err == nil && out.Signer != lister.Certificate {
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
	ca, lister := pkitest.NewCA("ca"), pkitest.NewCA("lister")
	client := ca.Client("client", pkitest.DistributionPoints(pkitest.DistributionPoint{URIs: []string{a}, CRLIssuer: []*pkitest.Certificate{lister}}))
	if got := verdict(target(t, client, ca).Judge(read(t, pkitest.CRL{Issuer: ca}.DER()), crl.JudgeOptions{Now: now()})); got != "good" {
		t.Errorf("got %s", got)
	}
}

func opts(o ...pkitest.Option) []pkitest.Option { return o }

func issuerAltName(uri string) pkitest.Option {
	value := append([]byte{0x30, byte(len(uri) + 2), 0x86, byte(len(uri))}, uri...)
	return pkitest.Extension(pkix.Extension{Id: []int{2, 5, 29, 18}, Value: value})
}
