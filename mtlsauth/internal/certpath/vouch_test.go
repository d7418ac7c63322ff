package certpath_test

import (
	"fmt"
	"testing"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// TestSelfIssuedIsExempt: RFC 5280, section 6.1.3(b), and 6.1.4(l).
func TestSelfIssuedIsExempt(t *testing.T) {
	root := pki.NewCA("root")
	old := root.Intermediate("ca", pathLength(0), constraints(t, true, permitted(dnsBase("example.com"), dnBase(t, "O=Kong"))))
	renewed := old.Intermediate("ca", pki.DNS("elsewhere.org"))
	trust := certpath.NewTrust([]*certificate.Certificate{read(root)}, certpath.TrustOptions{})
	presented := []*certificate.Certificate{read(old), read(renewed)}
	good := renewed.Client("leaf", subjectDN(t, "O=Kong,CN=leaf"))
	if paths, err := trust.Validate(read(good), presented, certpath.Options{Now: now}); err != nil || len(paths) != 1 || len(paths[0].Certificates) != 4 {
		t.Errorf("got %v, %v", paths, err)
	}
	// The last certificate is never exempt.
	own := old.Client("ca", pki.DNS("elsewhere.org"))
	if _, err := trust.Validate(read(own), presented, certpath.Options{Now: now}); kindOf(err) != "constraint" {
		t.Errorf("self-issued leaf: got %v", err)
	}
	other := renewed.Intermediate("other")
	leaf := other.Client("leaf", subjectDN(t, "O=Kong,CN=leaf"))
	if _, err := trust.Validate(read(leaf), append(presented, read(other)), certpath.Options{Now: now}); kindOf(err) != "constraint" {
		t.Errorf("path length: got %v", err)
	}
}

func TestConstrains(t *testing.T) {
	all := []certificate.Kind{certificate.DNS, certificate.Email, certificate.URI, certificate.IP, certificate.DirectoryName, certificate.UPN, certificate.OtherName}
	dns, email, any6 := dnsBase("a.org"), emailBase("a.org"), ipBase(make([]byte, 32)...)
	everyDN := context(4, true, sequence())
	for _, test := range []struct {
		name     string
		one, two [][]byte
		want     []certificate.Kind
	}{
		{"none", nil, nil, nil},
		{"one kind", [][]byte{permitted(dns)}, nil, []certificate.Kind{certificate.DNS}},
		{"every kind", [][]byte{permitted(dns, email, uriBase("a.org"), ipBase(1, 2, 3, 4, 255, 255, 255, 255), dnBase(t, "CN=leaf"), dnBase(t, "CN=two"))}, nil, all[:5]},
		{"excluded alone", [][]byte{excluded(email)}, nil, nil},
		{"everything permitted", [][]byte{permitted(dnsBase(""), any6, everyDN, email)}, nil, []certificate.Kind{certificate.Email}},
		{"one of two permits everything", [][]byte{permitted(dns, dnsBase(""))}, nil, nil},
		{"a form that is not compared", [][]byte{permitted(otherName("u"), email)}, nil, []certificate.Kind{certificate.Email}},
		{"a CA cannot add a kind", [][]byte{permitted(email)}, [][]byte{permitted(dns, email)}, []certificate.Kind{certificate.Email}},
		{"nor grant one below an exclusion", [][]byte{excluded(email)}, [][]byte{permitted(dns)}, nil},
		{"nor give one back", [][]byte{permitted(dns, email)}, [][]byte{permitted(dns)}, []certificate.Kind{certificate.DNS}},
	} {
		options := map[string][]pki.Option{}
		if test.one != nil {
			options["root>one"] = []pki.Option{constraints(t, true, test.one...)}
		}
		if test.two != nil {
			options["one>two"] = []pki.Option{constraints(t, true, test.two...)}
		}
		g := newGraph(t, "root root>one one>two two>leaf", options)
		trust := certpath.NewTrust(g.list(t, "root root>one one>two"), certpath.TrustOptions{})
		paths, err := trust.Validate(g.certs["two>leaf"], nil, certpath.Options{Now: now})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := paths[0].Constrained(); got != (test.one != nil) {
			t.Errorf("%s: Constrained is %v", test.name, got)
		}
		var got []certificate.Kind
		for _, kind := range all {
			if paths[0].Constrains(kind) {
				got = append(got, kind)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

// TestLeafWithConstraints: those of the leaf apply to nothing, and vouch for nothing.
func TestLeafWithConstraints(t *testing.T) {
	g := newGraph(t, "root root>leaf", map[string][]pki.Option{"root>leaf": {constraints(t, true, permitted(dnsBase("a.org"), dnBase(t, "O=x")))}})
	trust := certpath.NewTrust(g.list(t, "root"), certpath.TrustOptions{})
	paths, err := trust.Validate(g.certs["root>leaf"], nil, certpath.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if paths[0].Constrained() || paths[0].Constrains(certificate.DNS) {
		t.Error("the leaf's own constraints count")
	}
}

// TestCriticalSubjectAltName: crypto/x509 knows four forms of names only.
func TestCriticalSubjectAltName(t *testing.T) {
	for _, test := range []struct {
		name string
		san  []byte
		want string
	}{
		{"directoryName", dnBase(t, "O=Kong"), "root>leaf root"},
		{"UPN", otherName("u@corp"), "root>leaf root"},
		{"registeredID", context(8, false, []byte{42}), "root>leaf root"},
		{"broken directoryName", context(4, true, []byte{1, 2}), "constraint"},
		{"unknown form", context(9, false, []byte("x")), "constraint"},
		{"broken UPN", otherName("\xff"), "constraint"},
	} {
		g := newGraph(t, "root root>leaf", map[string][]pki.Option{"root>leaf": {subjectDN(t, ""), san(true, test.san)}})
		trust := certpath.NewTrust(g.list(t, "root"), certpath.TrustOptions{})
		paths, err := trust.Validate(g.certs["root>leaf"], nil, certpath.Options{Now: now})
		if got := outcome(g, paths, err); got != test.want {
			t.Errorf("%s: got %q, want %q (%v)", test.name, got, test.want, err)
		}
	}
}
