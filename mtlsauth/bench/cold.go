package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"

	"mtls-auth/mtlsauth/bench/role"
	"mtls-auth/mtlsauth/bench/server"
	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/kongdata"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// cold measures the decision about a certificate that was never seen, within
// one process, beside what any program must do: decode the PEM, parse, Verify.
func (b *bench) cold() error {
	before := len(b.running)
	p, err := role.Run("cold", nil)
	if err != nil {
		return err
	}
	b.running = append(b.running, p)
	t := newTable(b.out, "certificates", "decision µs", "decode, parse, Verify µs", "ratio")
	for _, key := range keyKinds {
		for levels := 1; levels <= 2; levels++ {
			job := coldJob{Key: key, Levels: levels, Rounds: b.rounds, Leaves: max(20, b.requests/16)}
			var r coldResult
			if err := p.Do("measure", job, &r); err != nil {
				return err
			}
			ours, theirs := median(r.Ours), median(r.Theirs)
			name := fmt.Sprintf("%s, %d level%s", key, levels, plural(levels))
			t.row(name, microseconds(ours), microseconds(theirs), ratio(ours, theirs))
			b.atMost(1.15, ours/theirs, "cold request, %s, of decode, parse and Verify", name)
		}
	}
	t.flush()
	b.printf("\nprocessor time of the process for one certificate, garbage included: medians of %d rounds.\n"+
		"Levels are signatures below the trust anchor. Ours is the whole decision, its answer included.\n", b.rounds)
	return b.stop(before)
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

const (
	rsa2048  = "RSA 2048"
	p256     = "P-256"
	ed255    = "Ed25519"
	coldName = "client.example"
)

var keyKinds = []string{rsa2048, p256, ed255}

// coldJob is what to measure: so many leaves in each round, under a CA with
// keys of the kind, by way of an intermediate where there are two levels.
type coldJob struct {
	Key            string
	Levels         int
	Rounds, Leaves int
}

// coldResult has nanoseconds for one leaf, round by round.
type coldResult struct{ Ours, Theirs []float64 }

type coldPart struct{}

func startCold(struct{}) (role.Part, error) { return coldPart{}, nil }

func (coldPart) Close() error { return nil }

func (coldPart) Do(command string, argument json.RawMessage) (any, error) {
	var j coldJob
	if err := json.Unmarshal(argument, &j); err != nil {
		return nil, err
	}
	root := pki.NewCA("root", pki.Key(newKey(j.Key)))
	issuer := root
	if j.Levels > 1 {
		issuer = root.Intermediate("intermediate", pki.Key(newKey(j.Key)))
	}
	ours := &coldOurs{authn.NewPolicy(authn.Options{
		CAIDs: []string{server.CAID}, CAs: constant{&kongdata.Snapshot{CAs: []kongdata.CA{{ID: server.CAID, Certificate: root.Certificate}}}},
		GroupBy: authn.GroupByCN, Cache: authn.NewCache(),
	})}
	theirs := &coldTheirs{roots: x509.NewCertPool()}
	theirs.roots.AddCert(root.Certificate)
	var r coldResult
	for round := range j.Rounds + 1 {
		leaves := coldLeaves(issuer, newKey(j.Key), j.Leaves)
		var a, b float64
		var errA, errB error
		if round%2 == 0 {
			a, errA = each(leaves, ours.judge)
			b, errB = each(leaves, theirs.judge)
		} else {
			b, errB = each(leaves, theirs.judge)
			a, errA = each(leaves, ours.judge)
		}
		if err := errors.Join(errA, errB); err != nil {
			return nil, err
		}
		if round > 0 { // the first finds everything unprepared
			r.Ours, r.Theirs = append(r.Ours, a), append(r.Theirs, b)
		}
	}
	return r, nil
}

func newKey(kind string) crypto.Signer {
	var key crypto.Signer
	var err error
	switch kind {
	case rsa2048:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case p256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		panic(err) // the machine has no random numbers
	}
	return key
}

// coldLeaves makes certificates that differ; they share a key, so that
// thousands are made quickly.
func coldLeaves(issuer *pki.Certificate, key crypto.Signer, n int) []authn.Presented {
	out := make([]authn.Presented, n)
	for i := range out {
		c := issuer.Client("client", pki.Key(key), pki.DNS(coldName))
		out[i] = authn.Presented{Leaf: []byte(c.PEM()), Chain: []byte(c.ChainPEM())}
	}
	return out
}

// each returns the processor time for one of the leaves.
func each(leaves []authn.Presented, judge func(authn.Presented) error) (float64, error) {
	runtime.GC()
	before := processTime()
	for _, l := range leaves {
		if err := judge(l); err != nil {
			return 0, err
		}
	}
	return float64((processTime() - before).Nanoseconds()) / float64(len(leaves)), nil
}

func processTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err) // it has no way to fail
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

type coldOurs struct{ policy *authn.Policy }

func (o *coldOurs) judge(p authn.Presented) error {
	if d := o.policy.Authenticate(context.Background(), p, nil, time.Now()); !d.Passed() {
		return fmt.Errorf("a good certificate was denied: %v: %s", d.Reason, d.Detail)
	}
	return nil
}

type coldTheirs struct{ roots *x509.CertPool }

// judge decodes and parses what was presented, the copy of the leaf in its chain
// passed over, and verifies.
func (t *coldTheirs) judge(p authn.Presented) error {
	block, _ := pem.Decode(p.Leaf)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	options := x509.VerifyOptions{
		Roots: t.roots, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	_, rest := pem.Decode(p.Chain)
	for block, rest = pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return err
		}
		options.Intermediates.AddCert(c)
	}
	_, err = leaf.Verify(options)
	return err
}

// constant are CA certificates that are known from the beginning.
type constant struct{ snapshot *kongdata.Snapshot }

var _ authn.CASet = constant{}

func (c constant) Snapshot() *kongdata.Snapshot            { return c.snapshot }
func (c constant) Wait(context.Context) *kongdata.Snapshot { return c.snapshot }
