package luaserver

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mtls-auth/mtlsauth/internal/testing/pki"
)

// After a reload all clients come at once: one definition is read, not one for each.
func TestADefinitionIsNeededOfOneQuestionAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		root := pki.NewCA("root")
		id, text := policyOf(skipLookup, root.PEM())
		q := question{Op: "decide", Protocol: Protocol, Policy: id, Leaf: root.Client("alice").PEM()}
		first, firstEnded := w.begin(q)
		if said := string(<-first.out); said != needDefinition {
			t.Fatalf("said %s", said)
		}
		second, secondEnded := w.begin(q)
		third, thirdEnded := w.begin(q)
		time.Sleep(3 * time.Second)
		for _, e := range []*exchange{second, third} {
			if said := string(<-e.out); said != `{"wait":true}` {
				t.Errorf("while another question has it: said %s", said)
			}
		}
		close(first.in) // its worker has gone: another one is asked
		if err := <-firstEnded; err == nil {
			t.Error("a worker that has gone is no error")
		}
		synctest.Wait()
		asked, other := second, third
		if len(second.out) == 0 {
			asked, other = third, second
		}
		if said := string(<-asked.out); said != needDefinition || len(other.out) != 0 {
			t.Fatalf("said %s, and %d frames to the other", said, len(other.out))
		}
		asked.define(text, len(text))
		for _, e := range []*exchange{second, third} {
			if said := string(<-e.out); !strings.HasPrefix(said, `{"verdict":"pass"`) {
				t.Errorf("said %s", said)
			}
		}
		if a, b := <-secondEnded, <-thirdEnded; a != nil || b != nil {
			t.Error(a, b)
		}
	})
}
