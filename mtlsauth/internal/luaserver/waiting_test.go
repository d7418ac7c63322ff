package luaserver

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"mtls-auth/mtlsauth/internal/config"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// One tenant's client, whose CA's responder says nothing, sends another meaningless
// chain along each time: 10,000 questions wait, and another CA's new clients are
// decided as on a quiet day.
func TestQuestionsThatWaitLeaveOthersTheirPlaces(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes 10,000 questions")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var conns sync.Map
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Store(c, true) // accepted, and not answered
		}
	}()
	tenant, root := pki.NewCA("tenant"), pki.NewCA("root")
	client := tenant.Client("client", pki.OCSPServer("http://"+l.Addr().String()))
	w := newWorld(t)
	slow, slowText := policyOf(`,"skip_consumer_lookup":true,"revocation_check_mode":"STRICT","http_timeout":40000`, tenant.PEM())
	other, otherText := policyOf(`,"skip_consumer_lookup":true,"revocation_check_mode":"SKIP"`, root.PEM())
	const clients = 50
	quiet := func() time.Duration {
		began := time.Now()
		for n := range clients {
			a, err := w.ask(other, otherText, root.Client(fmt.Sprint("client ", n)))
			if err != nil || a.Verdict != verdictPass {
				t.Fatalf("another CA's client: %s %d %v %v", a.verdict.Verdict, a.Status, a.Lines, err)
			}
		}
		return time.Since(began)
	}
	warm := root.Client("warm")
	before := min(quiet(), quiet())
	go w.ask(slow, slowText, tenant.Client("first")) // which brings the definition
	time.Sleep(200 * time.Millisecond)
	const questions = 10_000
	var asked sync.WaitGroup
	for n := range questions {
		asked.Add(1)
		e, _ := w.begin(question{Op: "decide", Protocol: Protocol, Version: config.Version, Policy: slow, Sessions: w.chains.session(),
			Leaf: client.PEM(), Chain: root.PEM() + strings.Repeat("\n", n+1), Resumed: "."})
		go func() {
			asked.Done()
			for range e.out { // heartbeats
			}
		}()
		if n%64 == 0 {
			time.Sleep(5 * time.Millisecond) // the limiter has a bound of its own on new certificates at once
		}
	}
	asked.Wait()
	for range 600 { // until what can be worked on has been
		if w.deciding.Load() == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if n := w.deciding.Load(); n > maxDeciding/16 {
		t.Errorf("%d questions that wait hold a place to work", n)
	}
	during := min(quiet(), quiet(), quiet())
	t.Logf("%d new clients of another CA: %v on a quiet day, %v beside %d questions that wait", clients, before, during, questions)
	if during > before*3/2+20*time.Millisecond {
		t.Errorf("%v, want at most 1.5 times %v", during, before)
	}
	if a, err := w.ask(other, otherText, warm); err != nil || a.Verdict != verdictPass {
		t.Errorf("a warm request: %v, %v", a.verdict, err)
	}
	conns.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
}
