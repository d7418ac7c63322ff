package authn_test

import (
	"testing"

	"mtls-auth/mtlsauth/internal/authn"
)

func TestTheZeroDecisionIsAFault(t *testing.T) {
	d := new(authn.Decision)
	if a := d.Answer(); d.GoesOn() || d.Status() != 500 || a.Status != 500 || a.ClientVerify != "FAILED:internal" || len(a.Headers) > 0 {
		t.Errorf("got %+v", a)
	}
}
