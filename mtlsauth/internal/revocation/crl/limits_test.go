package crl_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/crl"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// other returns a CA certificate of the same name with another key, and without
// a key identifier that would tell.
func other(ca *pki.Certificate) *certificate.Certificate {
	c := *pki.NewCA(ca.Subject.CommonName).Read()
	c.SubjectKeyId = nil
	return &c
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(to []byte) (int, error) {
	n, err := c.r.Read(to)
	c.n += n
	return n, err
}

func TestReadTooLarge(t *testing.T) {
	ca := pki.NewCA("ca")
	list := pki.CRL{Issuer: ca, RawEntries: pki.Serials(10_000, 16)}
	for name, data := range map[string][]byte{"DER": list.DER(), "PEM": list.PEM()} {
		size := int64(len(data))
		for limit, want := range map[int64]string{size: "", size + 1: "", size - 1: "too_large", 1000: "too_large"} {
			r := &counter{r: bytes.NewReader(data)}
			_, err := crl.Read(r, crl.ReadOptions{MaxBytes: limit})
			if got := kindOf(err); got != want {
				t.Errorf("%s of %d bytes, limit %d: got %q (%v), want %q", name, size, limit, got, err, want)
			}
			if int64(r.n) > limit+1 {
				t.Errorf("%s: read %d bytes of %d", name, r.n, limit)
			}
		}
	}
	// What is announced is enough: 4 GB, of which nothing comes.
	r := &counter{r: io.MultiReader(bytes.NewReader([]byte("\x30\x84\xf0\x00\x00\x00\x30")), idle{})}
	if _, err := crl.Read(r, crl.ReadOptions{}); kindOf(err) != "too_large" {
		t.Errorf("got %v", err)
	}
}

func TestReadReserve(t *testing.T) {
	ca := pki.NewCA("ca")
	_, edKey, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	ed := pki.NewCA("ed", pki.Key(edKey))
	full := errors.New("no memory left")
	for _, issuer := range []*pki.Certificate{ca, ed} {
		der := pki.CRL{Issuer: issuer, RawEntries: pki.Serials(10_000, 16)}.DER()
		asked := 0
		l, err := crl.Read(bytes.NewReader(der), crl.ReadOptions{Reserve: func(n int) error {
			if n <= 0 {
				t.Errorf("asked for %d bytes", n)
			}
			asked += n
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		if issuer == ed && asked < 2*len(der) {
			t.Errorf("asked for %d bytes, but takes what is signed, of %d, twice", asked, len(der))
		}
		if kept := l.Size(); kept > asked+2048 || asked > 3*kept {
			t.Errorf("%v: keeps %d bytes, asked for %d", issuer.Subject, kept, asked)
		}
		// Refused at any point, it returns the error and no list.
		for limit := 0; limit < asked; limit += asked / 37 {
			left := limit
			l, err := crl.Read(bytes.NewReader(der), crl.ReadOptions{Reserve: func(n int) error {
				if left -= n; left < 0 {
					return full
				}
				return nil
			}})
			if !errors.Is(err, full) || l != nil {
				t.Errorf("%v: with %d bytes: got %v", issuer.Subject, limit, err)
			}
		}
	}
}

// TestReadReserveOfMany bounds what lists of odd make ask for, by their size.
func TestReadReserveOfMany(t *testing.T) {
	ca := pki.NewCA("ca")
	lengths := pki.CRL{Issuer: ca}
	issuers := pki.CRL{Issuer: ca, IDP: &pki.IDP{Indirect: true}}
	for i := range 2000 {
		serial := append([]byte{1}, make([]byte, i)...)
		lengths.Entries = append(lengths.Entries, pki.CRLEntry{Serial: bigOf(serial)})
	}
	for range 500 {
		issuers.Entries = append(issuers.Entries, pki.CRLEntry{Serial: bigOf([]byte{1}), Issuer: named(randomName())})
	}
	for name, list := range map[string]pki.CRL{"a length each": lengths, "an issuer each": issuers} {
		der := list.DER()
		asked := 0
		l, err := crl.Read(bytes.NewReader(der), crl.ReadOptions{Reserve: func(n int) error { asked += n; return nil }})
		if err != nil {
			t.Fatal(err)
		}
		kept := keptBy(func() any { return read(t, der) })
		t.Logf("%s: %d bytes of DER, asked for %d, Size is %d, kept %d", name, len(der), asked, l.Size(), kept)
		if asked > 12*len(der) {
			t.Errorf("%s: asked for %d bytes", name, asked)
		}
		if kept > int64(l.Size())*3/2 {
			t.Errorf("%s: keeps %d bytes, but says %d", name, kept, l.Size())
		}
	}
}

func TestReadManyIssuers(t *testing.T) {
	ca := pki.NewCA("ca")
	list := pki.CRL{Issuer: ca, IDP: &pki.IDP{Indirect: true}}
	for n, want := range map[int]string{4096: "", 4097: "too_large"} {
		list.Entries = nil
		for range n {
			list.Entries = append(list.Entries, pki.CRLEntry{Serial: bigOf([]byte{1}), Issuer: named(randomName())})
		}
		if _, err := crl.Read(bytes.NewReader(list.DER()), crl.ReadOptions{}); kindOf(err) != want {
			t.Errorf("%d issuers: got %v, want %q", n, err, want)
		}
	}
}

func TestReadExpect(t *testing.T) {
	ca := pki.NewCA("ca")
	from, to := time.Now().Add(-time.Minute).Truncate(time.Second), time.Now().Add(time.Minute).Truncate(time.Second)
	der := pki.CRL{Issuer: ca, ThisUpdate: from, NextUpdate: to, RawEntries: pki.Serials(100_000, 16)}.DER()
	var seen crl.Header
	if _, err := crl.Read(bytes.NewReader(der), crl.ReadOptions{Expect: func(h crl.Header) error { seen = h; return nil }}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(seen.RawIssuer, ca.RawSubject) || !seen.ThisUpdate.Equal(from) || !seen.NextUpdate.Equal(to) || seen.Algorithm.String() != "ECDSA with SHA-256" {
		t.Errorf("got %+v", seen)
	}
	unwanted := errors.New("not this one")
	r := &counter{r: bytes.NewReader(der)}
	l, err := crl.Read(r, crl.ReadOptions{Expect: func(crl.Header) error { return unwanted }})
	if !errors.Is(err, unwanted) || l != nil {
		t.Errorf("got %v, want %v", err, unwanted)
	}
	if r.n > 70_000 {
		t.Errorf("read %d bytes before the list was refused", r.n)
	}
}
