package authn_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// caSet is a set of CA certificates that is known from the beginning.
type caSet struct {
	*kongdata.Snapshot
	waits atomic.Int64
}

// The interface's method has the name of the field.
type cas struct{ set *caSet }

func trusting(authorities ...*pki.Certificate) cas {
	s := new(kongdata.Snapshot)
	for i, ca := range authorities {
		s.CAs = append(s.CAs, kongdata.CA{ID: strings.Repeat("a", i+1), Certificate: ca.Read()})
	}
	return cas{&caSet{Snapshot: s}}
}

func policyOf(c cas, change ...func(*authn.Options)) *authn.Policy {
	o := authn.Options{CAIDs: []string{"a"}, CAs: c, Settings: authn.Settings{GroupBy: authn.GroupByCN}, Cache: authn.NewCache()}
	for _, f := range change {
		f(&o)
	}
	return authn.NewPolicy(o)
}

func sent(leaf *pki.Certificate) authn.Presented {
	return authn.Presented{Leaf: []byte(leaf.PEM()), Chain: []byte(leaf.ChainPEM())}
}

func authenticate(p *authn.Policy, presented authn.Presented) *authn.Decision {
	return p.Authenticate(context.Background(), presented, nil, time.Now())
}

func TestTheZeroDecisionIsADenial(t *testing.T) {
	if d := new(authn.Decision); d.Passed() || d.Reason != authn.Internal {
		t.Errorf("the zero decision has reason %v and passed %v", d.Reason, d.Passed())
	}
	if d := authn.Deny(authn.Passed, nil); d.Passed() || d.Answer().Status != 500 {
		t.Errorf("a denial for having passed: passed %v, status %d", d.Passed(), d.Answer().Status)
	}
}

func TestReasons(t *testing.T) {
	root, stranger := pki.NewCA("root"), pki.NewCA("stranger")
	namesake := pki.NewCA("root")
	inter := root.Intermediate("inter")
	garbage := authn.Presented{Leaf: []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")}
	tests := map[string]struct {
		presented authn.Presented
		want      authn.Reason
	}{
		"a client of the CA":             {sent(root.Client("a")), authn.Passed},
		"a client of its intermediate":   {sent(inter.Client("a")), authn.Passed},
		"the CA itself":                  {sent(root), authn.Passed},
		"none":                           {authn.Presented{}, authn.NoneSent},
		"none, but a chain":              {authn.Presented{Chain: []byte(root.PEM())}, authn.NoneSent},
		"rubbish":                        {garbage, authn.Unreadable},
		"a client of another CA":         {sent(stranger.Client("a")), authn.IssuerNotFound},
		"without its intermediate":       {authn.Presented{Leaf: []byte(inter.Client("a").PEM())}, authn.IssuerNotFound},
		"a client of a namesake":         {sent(namesake.Client("a")), authn.BadSignature},
		"expired":                        {sent(root.Client("a", pki.Expired())), authn.Expired},
		"not yet valid":                  {sent(root.Client("a", pki.NotYetValid())), authn.NotYetValid},
		"a server's":                     {sent(root.Client("a", pki.ExtKeyUsage(x509.ExtKeyUsageServerAuth))), authn.WrongUsage},
		"a CA certificate as a client's": {sent(inter), authn.WrongUsage},
		"a weak key":                     {sent(root.Client("a", pki.RSA(1024))), authn.WeakAlgorithm},
		"an unknown critical extension": {sent(root.Client("a", pki.Extension(pkix.Extension{
			Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}))), authn.Constraint},
	}
	for name, test := range tests {
		d := authenticate(policyOf(trusting(root)), test.presented)
		if d.Reason != test.want {
			t.Errorf("%s: got %v (%v), want %v", name, d.Reason, d.Detail, test.want)
		}
		status, message := 401, `{"message":"TLS certificate failed verification"}`
		verify := "FAILED:" + test.want.String()
		switch test.want {
		case authn.Passed:
			status, message, verify = 0, "", "SUCCESS"
		case authn.NoneSent:
			message, verify = `{"message":"No required TLS certificate was sent"}`, "NONE"
		}
		if d.Answer().Status != status || string(d.Answer().Body()) != message || d.Answer().ClientVerify != verify {
			t.Errorf("%s: answered %d %s and %s, want %d %s and %s", name,
				d.Answer().Status, d.Answer().Body(), d.Answer().ClientVerify, status, message, verify)
		}
	}
}

func TestWhatCouldNotBeHad(t *testing.T) {
	root, stranger := pki.NewCA("root"), pki.NewCA("stranger")
	none := trusting()
	none.set.Missing = []string{"a"}
	p := policyOf(none)
	if d := authenticate(p, sent(root.Client("a"))); d.Reason != authn.CANotLoaded || d.Answer().Status != 500 {
		t.Errorf("with no CA certificate: got %v with %d, want ca_not_loaded with 500", d.Reason, d.Answer().Status)
	}
	if d := authenticate(p, authn.Presented{}); d.Answer().Status != 401 {
		t.Errorf("with no CA certificate and none sent: got %d, want 401", d.Answer().Status)
	}
	some := trusting(root)
	some.set.Missing = []string{"b"}
	p = policyOf(some)
	if d := authenticate(p, sent(root.Client("a"))); !d.Passed() {
		t.Errorf("a client of the CA that is known: %v", d.Reason)
	}
	if d := authenticate(p, sent(stranger.Client("a"))); d.Reason != authn.CANotLoaded || d.Answer().Status != 401 {
		t.Errorf("a client of another: got %v with %d, want ca_not_loaded with 401", d.Reason, d.Answer().Status)
	}
}

func FuzzAMutatedLeafNeverPasses(f *testing.F) {
	root := pki.NewCA("root")
	leaf := root.Client("a", pki.DNS("x.example"))
	p := policyOf(trusting(root))
	f.Add([]byte(leaf.PEM()))
	f.Add([]byte(pki.NewCA("other").Client("a").PEM()))
	f.Fuzz(func(t *testing.T, text []byte) {
		d := authenticate(p, authn.Presented{Leaf: text})
		if !d.Passed() {
			return
		}
		if !bytes.Equal(d.Subject.Fingerprint[:], fingerprint(leaf)) && !bytes.Equal(d.Subject.Fingerprint[:], fingerprint(root)) {
			t.Errorf("a certificate that no CA issued passed: %s", text)
		}
	})
}

func fingerprint(c *pki.Certificate) []byte {
	sum := sha256.Sum256(c.Raw)
	return sum[:]
}
