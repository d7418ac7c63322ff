package crl_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/crl"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func TestPoints(t *testing.T) {
	ca, lister := pki.NewCA("ca"), pki.NewCA("lister")
	many := func(n int) []string {
		return slices.Repeat([]string{"http://a/"}, n)
	}
	for _, c := range []struct {
		name   string
		points []pki.DistributionPoint
		want   string // the addresses, points apart by ";"
		err    string
	}{
		{"none", nil, "", ""},
		{"one", []pki.DistributionPoint{{URIs: []string{a}}}, a, ""},
		{"in their order", []pki.DistributionPoint{{URIs: []string{b, a}}, {URIs: []string{"https://c/"}}}, b + " " + a + ";https://c/", ""},
		{"ldap, no host, no address", []pki.DistributionPoint{{URIs: []string{"ldap://a/cn=x", "http:///a", "http://[::1", "a.crl", "file:///etc/passwd", a}}}, a, ""},
		{"of other form", []pki.DistributionPoint{{Names: [][]byte{pki.DirectoryName(ca.RawSubject)}}}, "", ""},
		{"CRL issuer alone", []pki.DistributionPoint{{CRLIssuer: []*pki.Certificate{lister}}}, "", ""},
		{"neither name nor CRL issuer", []pki.DistributionPoint{{Reasons: []int{1}}}, "", "malformed"},
		{"16 points", slices.Repeat([]pki.DistributionPoint{{URIs: []string{"http://a/"}}}, 16), strings.Join(many(16), ";"), ""},
		{"17 points", slices.Repeat([]pki.DistributionPoint{{URIs: []string{"http://a/"}}}, 17), "", "too_large"},
		{"64 names", []pki.DistributionPoint{{URIs: many(64)}}, strings.Join(many(64), " "), ""},
		{"65 names", []pki.DistributionPoint{{URIs: many(65)}}, "", "too_large"},
	} {
		var of []pki.Option
		if c.points != nil {
			of = opts(pki.DistributionPoints(c.points...))
		}
		got, err := crl.NewTarget(ca.Client("client", of...).Read(), ca.Read())
		if kindOf(err) != c.err || (got == nil) != (err != nil) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.err)
			continue
		}
		if err != nil {
			continue
		}
		var points []string
		for _, p := range got.Points {
			points = append(points, strings.Join(p.URLs, " "))
		}
		if got := strings.Join(points, ";"); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// TestMalformedPoints: what cannot be read is never taken for none. crypto/x509
// refuses some of these itself, so the extension is put into a parsed
// certificate.
func TestMalformedPoints(t *testing.T) {
	ca := pki.NewCA("ca")
	cn := string(relativeName("x"))
	// Lengths are below 128: a rune is a byte.
	relative := "\xa0" + string(rune(len(cn)+2)) + "\xa1" + string(rune(len(cn))) + cn
	point := func(content string) string {
		return "\x30" + string(rune(len(content)+2)) + "\x30" + string(rune(len(content))) + content
	}
	issuer := func(names ...string) string {
		all := strings.Join(names, "")
		return "\xa2" + string(rune(len(all))) + all
	}
	dn := "\xa4\x02\x30\x00"
	for name, c := range map[string]struct{ value, want string }{
		"empty value":                         {"", "malformed"},
		"no points":                           {"\x30\x00", "malformed"},
		"not a sequence":                      {"\x31\x00", "malformed"},
		"data after it":                       {point("\xa0\x06\xa0\x04\x86\x02ab") + "\x00", "malformed"},
		"empty point":                         {point(""), "malformed"},
		"name of no names":                    {point("\xa0\x02\xa0\x00"), "malformed"},
		"name of another choice":              {point("\xa0\x06\xa2\x04\x86\x02ab"), "malformed"},
		"name and more":                       {point("\xa0\x08\xa0\x04\x86\x02ab\x05\x00"), "malformed"},
		"unknown field":                       {point("\xa0\x06\xa0\x04\x86\x02ab\x83\x00"), "malformed"},
		"fields out of order":                 {point("\x81\x02\x06\x40\xa0\x06\xa0\x04\x86\x02ab"), "malformed"},
		"no such general name":                {point("\xa0\x06\xa0\x04\x89\x02ab"), "malformed"},
		"directoryName of no Name":            {point("\xa0\x06\xa0\x04\xa4\x02\x05\x00"), "malformed"},
		"reasons with unused bits set":        {point("\xa0\x06\xa0\x04\x86\x02ab\x81\x02\x07\x41"), ""},
		"reasons of no octet":                 {point("\xa0\x06\xa0\x04\x86\x02ab\x81\x00"), "malformed"},
		"reasons of four octets":              {point("\xa0\x06\xa0\x04\x86\x02ab\x81\x05\x00abcd"), ""},
		"CRL issuer of no names":              {point("\xa2\x00"), "malformed"},
		"relative to two CRL issuers":         {point(relative + issuer(dn, dn)), "malformed"},
		"relative to a CRL issuer of no name": {point(relative + issuer("\x86\x01a")), "malformed"},
		"relative to one CRL issuer":          {point(relative + issuer(dn)), ""},
		"relative":                            {point(relative), ""},
		"relative of no attribute":            {point("\xa0\x02\xa1\x00"), "malformed"},
		"good":                                {point("\xa0\x06\xa0\x04\x86\x02ab\x81\x02\x06\x40"), ""},
	} {
		got, err := crl.NewTarget(withPoints(ca.Client("client"), []byte(c.value)), ca.Read())
		if kindOf(err) != c.want || (got == nil) != (err != nil) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// TestRelativePoints are names relative to the certificate's issuer, or to the
// CRL issuer that the point names.
func TestRelativePoints(t *testing.T) {
	ca, lister := pki.NewCA("ca"), pki.NewCA("lister")
	part := pki.DistributionPoint{Relative: relativeName("part")}
	ofLister := pki.DistributionPoint{Relative: relativeName("part"), CRLIssuer: []*pki.Certificate{lister}}
	inFull := func(issuer *pki.Certificate) [][]byte {
		return [][]byte{pki.DirectoryName(below(issuer.RawSubject, "part"))}
	}
	for _, c := range []struct {
		name   string
		point  pki.DistributionPoint
		issuer *pki.Certificate
		idp    pki.IDP
		want   string
	}{
		{"both relative", part, ca, pki.IDP{Relative: relativeName("part")}, "good"},
		{"the list's in full", part, ca, pki.IDP{Names: inFull(ca)}, "good"},
		{"another part", part, ca, pki.IDP{Relative: relativeName("other")}, "wrong_scope"},
		{"below another", part, ca, pki.IDP{Names: inFull(lister)}, "wrong_scope"},
		{"CRL issuer's, both relative", ofLister, lister, pki.IDP{Relative: relativeName("part"), Indirect: true}, "good"},
		{"CRL issuer's, in full", ofLister, lister, pki.IDP{Names: inFull(lister), Indirect: true}, "good"},
		{"CRL issuer's, below the certificate's issuer", ofLister, lister, pki.IDP{Names: inFull(ca), Indirect: true}, "wrong_scope"},
	} {
		// crypto/x509 cannot parse it.
		extension := pki.DistributionPointsExtension(c.point)
		of, err := crl.NewTarget(withPoints(ca.Client("client"), extension.Value), ca.Read())
		if err != nil {
			t.Fatal(err)
		}
		l := read(t, pki.CRL{Issuer: c.issuer, IDP: &c.idp}.DER())
		if got := verdict(of.Judge(l, crl.JudgeOptions{Now: now(), Signers: signers(lister)})); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// withPoints returns the certificate with this value of the extension.
func withPoints(c *pki.Certificate, value []byte) *certificate.Certificate {
	out := *c.Read()
	out.Extensions = append(slices.Clone(out.Extensions), certificate.Extension{ID: certificate.OIDCRLDistributionPoints, Value: value})
	return &out
}

// TestIssuers are who may have issued a list for a certificate.
func TestIssuers(t *testing.T) {
	ca, lister := pki.NewCA("ca"), pki.NewCA("lister")
	named := pki.DistributionPoint{URIs: []string{a}, CRLIssuer: []*pki.Certificate{lister, ca, lister}}
	for name, c := range map[string]struct {
		of   []pki.Option
		want []*pki.Certificate
	}{
		"no points":        {nil, []*pki.Certificate{ca}},
		"a point":          {opts(pki.DistributionPoints(pki.DistributionPoint{URIs: []string{a}})), []*pki.Certificate{ca}},
		"named CRL issuer": {opts(pki.DistributionPoints(named, named)), []*pki.Certificate{ca, lister}},
	} {
		got := target(t, ca.Client("client", c.of...), ca).Issuers()
		if !slices.EqualFunc(got, c.want, func(name []byte, want *pki.Certificate) bool { return bytes.Equal(name, want.RawSubject) }) {
			t.Errorf("%s: got %x", name, got)
		}
	}
}

// FuzzPoints: what cannot be read has no points, and what can be judges without
// a panic, never good by a list that names another distribution point.
func FuzzPoints(f *testing.F) {
	ca, lister := pki.NewCA("ca"), pki.NewCA("lister")
	for _, p := range []pki.DistributionPoint{
		{URIs: []string{a, "ldap://x/"}, Reasons: []int{1, 8}},
		{Relative: relativeName("part"), CRLIssuer: []*pki.Certificate{lister}},
		{CRLIssuer: []*pki.Certificate{lister, ca}},
	} {
		f.Add(pki.DistributionPointsExtension(p, p).Value)
	}
	client := ca.Client("client")
	const elsewhere = "http://elsewhere.example/unlikely.crl"
	l := read(f, pki.CRL{Issuer: ca, IDP: &pki.IDP{URIs: []string{elsewhere}}}.DER())
	f.Fuzz(func(t *testing.T, value []byte) {
		of, err := crl.NewTarget(withPoints(client, value), ca.Read())
		if err != nil {
			if of != nil {
				t.Error("a target with an error")
			}
			return
		}
		if len(of.Points) == 0 {
			t.Error("no points, and no error")
		}
		out, err := of.Judge(l, crl.JudgeOptions{Now: now()})
		if err == nil && !bytes.Contains(value, []byte(elsewhere)) {
			t.Errorf("got %+v", out)
		}
	})
}
