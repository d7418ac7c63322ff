package certpath

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// TestAfford: all that is left can be spent, and what is not left is not.
func TestAfford(t *testing.T) {
	for _, test := range []struct {
		name       string
		left, cost int
		want       bool
		after      int
	}{
		{"some of it", 10, 4, true, 6},
		{"all of it", 10, 10, true, 0},
		{"more", 10, 11, false, 10},
	} {
		s := &search{left: test.left}
		if got := s.afford(test.cost); got != test.want || s.left != test.after || s.cut == test.want {
			t.Errorf("%s: got %v, %d left, cut off: %v", test.name, got, s.left, s.cut)
		}
	}
}

func onCurve(c elliptic.Curve) pki.Option {
	key, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		panic(err)
	}
	return pki.Key(key)
}

func keyRSA(t *testing.T) pki.Option {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return pki.Key(key)
}

func readMade(made ...*pki.Certificate) (all []*certificate.Certificate) {
	for _, cert := range made {
		all = append(all, cert.Read())
	}
	return all
}

// TestSpent counts the signature checks of a search, in halves of one on P-256, by what it
// spends. Each signature is checked once for each key, and among others of their curve the
// key that signed is found by two checks and one recovery, which costs one and a half.
func TestSpent(t *testing.T) {
	// What fits no key identifier comes in the order in which it is configured.
	leafOf := func(ca *pki.Certificate) *certificate.Certificate {
		like := *ca.Certificate
		like.SubjectKeyId = []byte("of none")
		return (&pki.Certificate{Certificate: &like, Key: ca.Key}).Client("leaf").Read()
	}
	root, other := pki.NewCA("root"), pki.NewCA("other")
	one := root.Intermediate("one")
	again := root.Intermediate("one", pki.Key(one.Key))
	bogus := func(c elliptic.Curve, n int) (all []*certificate.Certificate) {
		for range n {
			all = append(all, pki.NewCA("root", onCurve(c)).Read())
		}
		return all
	}
	oneRSA := root.Intermediate("one RSA", keyRSA(t))
	againRSA, strangerRSA := root.Intermediate("one RSA", pki.Key(oneRSA.Key)), other.Intermediate("one RSA", keyRSA(t))
	sub := one.Intermediate("sub")
	two := sub.Intermediate("two")
	twoAgain := sub.Intermediate("two", pki.Key(two.Key))
	shared := one.Intermediate("shared", pki.Key(one.Key))
	ofRootsKey := root.Intermediate("of root's key", pki.Key(root.Key))
	p256, p384 := elliptic.P256(), elliptic.P384()
	root384 := pki.NewCA("root", onCurve(p384))
	cross := []*pki.Certificate{root, other, other.Intermediate("root", pki.Key(root.Key)), root.Intermediate("other", pki.Key(other.Key))}
	for _, test := range []struct {
		name       string
		leaf       *certificate.Certificate
		configured []*certificate.Certificate
		presented  []*certificate.Certificate
		budget     int // 0: the usual one
		want       int // halves of a check
		paths      int
	}{
		{"one level", leafOf(root), readMade(root), nil, 0, 2, 1},
		{"two levels", leafOf(one), readMade(root), readMade(one), 0, 4, 1},
		{"two certificates of one key", leafOf(one), readMade(root), readMade(one, again), 0, 6, 2},
		{"two certificates of one RSA key", leafOf(oneRSA), readMade(root), readMade(oneRSA, againRSA), 0, 6, 2},
		{"another RSA key of the name", leafOf(oneRSA), readMade(root, oneRSA, strangerRSA), nil, 0, 4, 1},
		{"two ways to one certificate", leafOf(two), readMade(root), readMade(two, twoAgain, sub, one), 0, 10, 2},
		{"two CAs with one key", leafOf(shared), readMade(root), readMade(shared, one), 0, 6, 1},
		{"one whose own key signed it in another's name", leafOf(ofRootsKey), readMade(ofRootsKey), nil, 0, 2, 0},
		{"the first of forty", leafOf(root), append(readMade(root), bogus(p256, 39)...), nil, 0, 2, 1},
		{"CAs that certify each other", leafOf(root), readMade(cross...), nil, 0, 4, 2},
		{"of two", leafOf(root), append(bogus(p256, 1), root.Read()), nil, 0, 4, 1},
		{"of three, too few to narrow down", leafOf(root), append(bogus(p256, 2), root.Read()), nil, 0, 6, 1},
		{"of four", leafOf(root), append(bogus(p256, 3), root.Read()), nil, 0, 7, 1},
		{"of forty", leafOf(root), append(bogus(p256, 39), root.Read()), nil, 0, 7, 1},
		{"none of forty", leafOf(root), bogus(p256, 40), nil, 0, 5, 0},
		{"of forty on two curves", leafOf(root384), append(bogus(p256, 39), root384.Read()), nil, 0, 5 + 2*costP384/costP256, 1},
		{"recovery cannot be afforded", leafOf(root), append(bogus(p256, 3), root.Read()), nil, 2*costP256 + 400, 4, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := NewTrust(test.configured, TrustOptions{}).newSearch(test.leaf, test.presented, Options{Now: time.Now()})
			if test.budget != 0 {
				s.left = test.budget
			}
			before := s.left
			paths, err := s.run(leafNode(test.leaf))
			if len(paths) != test.paths {
				t.Errorf("%d paths, want %d: %v", len(paths), test.paths, err)
			}
			signatures := before - s.left - costStep*len(test.configured) // and few other steps
			if got := signatures * 2 / costP256; got != test.want {
				t.Errorf("spent %d on signatures, which is %d halves, want %d", signatures, got, test.want)
			}
		})
	}
}

// TestSpentAgain: which configured certificate has issued another is found once.
func TestSpentAgain(t *testing.T) {
	root := pki.NewCA("root")
	one := root.Intermediate("one")
	leaf := one.Client("leaf").Read()
	trust := NewTrust(readMade(root, one), TrustOptions{})
	for round, want := range []int{2, 1} {
		s := trust.newSearch(leaf, nil, Options{Now: time.Now()})
		before := s.left
		if paths, err := s.run(leafNode(leaf)); len(paths) != 1 {
			t.Fatalf("round %d: %d paths, %v", round, len(paths), err)
		}
		if got := (before - s.left) / costP256; got != want {
			t.Errorf("round %d: %d checks, want %d", round, got, want)
		}
	}
}

// TestPresentedIsNotKept: a configured certificate does not keep one that was sent along.
func TestPresentedIsNotKept(t *testing.T) {
	root := pki.NewCA("root")
	one := root.Intermediate("one")
	two := one.Intermediate("two")
	leaf := two.Client("leaf").Read()
	trust := NewTrust(readMade(root, two), TrustOptions{})
	if _, err := trust.Validate(leaf, readMade(one), Options{Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if kept := trust.byRaw[string(two.Raw)].signer.Load(); kept != nil {
		t.Errorf("%x is kept", kept.cert.RawSubject)
	}
}

// TestReadingIsSpent: the bytes of what was sent along count.
func TestReadingIsSpent(t *testing.T) {
	root := pki.NewCA("root")
	leaf := root.Client("leaf").Read()
	trust := NewTrust(readMade(root), TrustOptions{})
	sent := root.Intermediate("one").Read()
	without, with := trust.newSearch(leaf, nil, Options{}).left, trust.newSearch(leaf, []*certificate.Certificate{sent}, Options{}).left
	if got, want := without-with, len(sent.Raw)/bytesPerCost; got != want {
		t.Errorf("spent %d on a certificate of %d bytes, want %d", got, len(sent.Raw), want)
	}
}

// TestCompleteIsAfforded: a path is not judged without budget.
func TestCompleteIsAfforded(t *testing.T) {
	root := pki.NewCA("root")
	leaf := root.Client("leaf").Read()
	trust := NewTrust(readMade(root), TrustOptions{})
	s := trust.newSearch(leaf, nil, Options{Now: time.Now()})
	s.path, s.left = []*node{leafNode(leaf), trust.byRaw[string(root.Raw)]}, 0
	if s.complete(); len(s.found) != 0 || !s.cut {
		t.Errorf("%d paths without budget, cut off: %v", len(s.found), s.cut)
	}
}

// TestDepth: a path may have 32 certificates.
func TestDepth(t *testing.T) {
	all := []*pki.Certificate{pki.NewCA("root")}
	for i := range maxDepth {
		all = append(all, all[i].Intermediate(fmt.Sprint("ca ", i)))
	}
	trust := NewTrust(readMade(all...), TrustOptions{})
	for below, want := range map[int]Kind{maxDepth - 2: Unspecified, maxDepth - 1: Constraint} {
		kind := Unspecified
		if _, err := trust.Validate(all[below].Client("leaf").Read(), nil, Options{Now: time.Now()}); err != nil {
			kind = err.(*Error).Kind
		}
		if kind != want {
			t.Errorf("a path of %d certificates: got %v, want %v", below+2, kind, want)
		}
	}
}

// TestCliqueIsCutOff: CAs that all certify each other, and lead nowhere, have more paths
// than the budget is for.
func TestCliqueIsCutOff(t *testing.T) {
	var cas, cross []*pki.Certificate
	for i := range 8 {
		cas = append(cas, pki.NewCA(fmt.Sprint("ca ", i)))
	}
	for _, issuer := range cas {
		for _, subject := range cas {
			if issuer != subject {
				cross = append(cross, issuer.Intermediate(subject.Subject.CommonName, pki.Key(subject.Key)))
			}
		}
	}
	leaf := cas[0].Client("leaf").Read()
	reached := 0
	_, err := NewTrust(readMade(cross...), TrustOptions{}).Validate(leaf, nil, Options{Now: time.Now(), Trace: func(s Step) {
		if s.Check == KnownCheck {
			reached++
		}
	}})
	if reached > budget/(8*costStep) {
		t.Errorf("%d certificates are reached, each at %d of %d", reached, 8*costStep, budget)
	}
	if refused, ok := err.(*Error); !ok || refused.Kind != TooCostly {
		t.Errorf("got %v, want too costly", err)
	}
}

// TestSelfSignedIsRemembered: a certificate's own signature is checked once, and what is
// remembered is bounded.
func TestSelfSignedIsRemembered(t *testing.T) {
	known := func(id [sha256.Size]byte) (is, ok bool, n int) {
		selfSigned.Lock()
		defer selfSigned.Unlock()
		is, ok = selfSigned.known[id]
		return is, ok, len(selfSigned.known)
	}
	root := pki.NewCA("root").Read()
	NewTrust([]*certificate.Certificate{root, pki.NewCA("other").Read()}, TrustOptions{})
	if is, ok, _ := known(root.Fingerprint()); !is || !ok {
		t.Fatalf("a root: self-signed is %v, remembered %v", is, ok)
	}
	selfSigned.Lock()
	selfSigned.known[root.Fingerprint()] = false
	for i := len(selfSigned.known); i < maxSelfSigned; i++ {
		selfSigned.known[[sha256.Size]byte{byte(i), byte(i >> 8), 1}] = true
	}
	selfSigned.Unlock()
	if NewTrust([]*certificate.Certificate{root}, TrustOptions{}).IsAnchor(root) {
		t.Error("its signature is checked again")
	}
	if _, _, n := known(root.Fingerprint()); n != maxSelfSigned {
		t.Errorf("%d are remembered, want %d", n, maxSelfSigned)
	}
	NewTrust([]*certificate.Certificate{pki.NewCA("another").Read()}, TrustOptions{})
	if _, _, n := known(root.Fingerprint()); n != 1 {
		t.Errorf("beyond the bound %d are remembered, want the last one", n)
	}
	if !NewTrust([]*certificate.Certificate{root}, TrustOptions{}).IsAnchor(root) {
		t.Error("it is no anchor after the others were forgotten")
	}
}

func TestKindOutOfRange(t *testing.T) {
	if got := Kind(200).String(); got != "unspecified" {
		t.Errorf("got %s", got)
	}
}
