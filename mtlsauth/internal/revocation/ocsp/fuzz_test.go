package ocsp_test

import (
	"bytes"
	"testing"

	"mtls-auth/mtlsauth/internal/revocation/ocsp"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// FuzzMutated changes bytes of signed responses: what comes out is an error or
// the answer that was signed. The bytes that may change without harm are those
// which nothing rests on, of embedded certificates that did not sign, for
// example.
func FuzzMutated(f *testing.F) {
	w := newWorld()
	direct, delegated := w.full(), w.full()
	direct.Certificates = [][]byte{w.ca.Raw}
	delegated.Signer, delegated.Singles[0].Status = w.delegate, pki.OCSPGood
	signed := [][]byte{direct.DER(), delegated.DER()}
	var answers []ocsp.Answer
	for _, der := range signed {
		answer, err := ocsp.Judge(der, w.ca.Read(), w.client.SerialNumber, w.responderOptions)
		if err != nil {
			f.Fatal(err)
		}
		answers = append(answers, answer)
	}
	for which := range signed {
		f.Add(uint8(which), uint16(0), byte(0), uint16(0), byte(0), []byte(nil))
		f.Add(uint8(which), uint16(40), byte(1), uint16(0), byte(0), []byte(nil))
		f.Add(uint8(which), uint16(3), byte(2), uint16(7), byte(2), []byte{5, 0})
		f.Add(uint8(which), uint16(100), byte(0x80), uint16(300), byte(0xff), []byte(nil))
	}
	f.Fuzz(func(t *testing.T, which uint8, at uint16, flip byte, also uint16, flipAlso byte, inserted []byte) {
		n := int(which) % len(signed)
		der := bytes.Clone(signed[n])
		der[int(at)%len(der)] ^= flip
		der[int(also)%len(der)] ^= flipAlso
		if len(inserted) > 0 {
			cut := int(also) % len(der)
			der = append(der[:cut:cut], append(bytes.Clone(inserted), der[cut:]...)...)
		}
		answer, err := judge(t, der, w.ca.Read(), w.client.SerialNumber, w.responderOptions)
		if err == nil && answer != answers[n] {
			t.Fatalf("got %+v, signed is %+v", answer, answers[n])
		}
		if err != nil && bytes.Equal(der, signed[n]) {
			t.Fatal(err)
		}
	})
}

// FuzzJudge reads bytes of anyone's choice, also such as are signed: the
// responder may be anybody's when a certificate authority is careless.
func FuzzJudge(f *testing.F) {
	w := newWorld()
	for _, der := range [][]byte{w.full().DER(), w.delegated(w.delegate).DER(), {0x30, 3, 10, 1, 3}} {
		f.Add(der)
	}
	var data []byte
	seed := w.full()
	seed.Edit = func(der []byte) []byte { data = der; return der }
	seed.DER()
	f.Add(data)
	f.Fuzz(func(t *testing.T, in []byte) {
		_, err := judge(t, in, w.ca.Read(), w.client.SerialNumber, w.responderOptions)
		if err == nil {
			// The engine cannot sign, so it is one of the seeds of this run.
			return
		}
		signed := w.response(pki.OCSPGood)
		signed.Edit = func([]byte) []byte { return in }
		der := signed.DER()
		answer, err := judge(t, der, w.ca.Read(), w.client.SerialNumber, w.responderOptions)
		again, errAgain := judge(t, der, w.ca.Read(), w.client.SerialNumber, w.responderOptions)
		if answer != again || verdict(answer, err) != verdict(again, errAgain) {
			t.Fatalf("got %+v (%v), then %+v (%v)", answer, err, again, errAgain)
		}
		judgeLasting(t, der, w.ca.Read(), w.client.SerialNumber, w.responderOptions)
	})
}

// TestEveryBit flips each bit of a direct and a delegated response once.
func TestEveryBit(t *testing.T) {
	w := newWorld()
	for _, r := range []pki.OCSPResponse{w.response(pki.OCSPGood), w.delegated(w.delegate)} {
		der := r.DER()
		for i := range der {
			for bit := range 8 {
				der[i] ^= 1 << bit
				if answer, err := judge(t, der, w.ca.Read(), w.client.SerialNumber, w.responderOptions); err == nil {
					t.Errorf("bit %d of byte %d: got %+v", bit, i, answer)
				}
				der[i] ^= 1 << bit
			}
		}
		if answer, err := judge(t, der, w.ca.Read(), w.client.SerialNumber, w.responderOptions); err != nil {
			t.Errorf("got %+v, %v", answer, err)
		}
	}
}
