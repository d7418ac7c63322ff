package authn_test

import (
	"testing"

	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// told is a door's form: how many headers it was to set.
type told struct{ headers int }

func (told) Size() int { return 8 }

// What passes has its form and lets the answer go; what does not pass keeps its
// answer, of which there are few.
func TestADoorsFormStandsForTheAnswer(t *testing.T) {
	root, stranger := pki.NewCA("root"), pki.NewCA("stranger")
	made := 0
	form := func(d *authn.Decision) authn.Form { made++; return told{len(d.Answer.Headers)} }
	p := policyOf(trusting(root), func(o *authn.Options) { o.Form = form })
	client := sent(root.Client("a"))
	for range 2 {
		d := authenticate(p, client)
		if !d.Passed() || d.Status() != 0 || d.Answer != nil {
			t.Errorf("got %v with status %d and answer %+v, want a pass with no answer", d.Reason, d.Status(), d.Answer)
		}
		if f := d.FormBy(form); f != (told{len(authn.HeaderNames())}) {
			t.Errorf("got %+v, want the form of a whole answer", f)
		}
	}
	if made != 1 {
		t.Errorf("the form was made %d times", made)
	}
	d := authenticate(p, sent(stranger.Client("a")))
	if d.GoesOn() || d.Status() != 401 || d.Answer == nil {
		t.Errorf("a stranger: got %v with status %d and answer %+v", d.Reason, d.Status(), d.Answer)
	}
	if made != 1 {
		t.Error("a denial was given a form before a door asked for it")
	}
}

func TestADecisionWithoutAnAnswerIsAFault(t *testing.T) {
	for name, d := range map[string]*authn.Decision{
		"zero":                     {},
		"a denial without answer":  {Reason: authn.Expired},
		"a denial with no status":  {Reason: authn.Expired, Answer: new(authn.Answer)},
		"a fault that claims more": {Reason: authn.Internal, Answer: &authn.Answer{ClientVerify: "SUCCESS"}},
	} {
		if d.Status() != 500 || d.GoesOn() {
			t.Errorf("%s: status %d, goes on %v; want 500", name, d.Status(), d.GoesOn())
		}
	}
}
