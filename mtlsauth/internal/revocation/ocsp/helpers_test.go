package ocsp_test

import (
	"bytes"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/ocsp"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

// now is in whole seconds, as the times of responses are.
var now = time.Now().Truncate(time.Second)

// world is what most tests start from.
type world struct {
	ca, otherCA      *pki.Certificate
	client, another  *pki.Certificate // both of ca
	delegate         *pki.Certificate
	delegateOfOther  *pki.Certificate
	delegateExpired  *pki.Certificate
	responderOptions ocsp.Options
	allowSHA1        bool
}

func newWorld() world {
	ca, otherCA := pki.NewCA("ca"), pki.NewCA("other ca")
	return world{
		ca: ca, otherCA: otherCA,
		client: ca.Client("client"), another: ca.Client("another"),
		delegate:         ca.OCSPSigner("delegate"),
		delegateOfOther:  otherCA.OCSPSigner("delegate of other ca"),
		delegateExpired:  ca.OCSPSigner("expired delegate", pki.Expired()),
		responderOptions: ocsp.Options{Now: now},
	}
}

// response is a good one about the client, signed by its issuer.
func (w world) response(status pki.CertStatus) pki.OCSPResponse {
	return pki.OCSPResponse{Issuer: w.ca, Singles: []pki.OCSPSingle{pki.Single(w.client, status)}}
}

// delegated is a good one signed by signer.
func (w world) delegated(signer *pki.Certificate) pki.OCSPResponse {
	r := w.response(pki.OCSPGood)
	r.Signer = signer
	return r
}

func (w world) judge(t *testing.T, r pki.OCSPResponse) (ocsp.Answer, error) {
	t.Helper()
	if w.allowSHA1 {
		return ocsp.JudgeSHA1(r.DER(), w.ca.Read(), w.client.SerialNumber, w.responderOptions)
	}
	return judge(t, r.DER(), w.ca.Read(), w.client.SerialNumber, w.responderOptions)
}

// judge is ocsp.Judge and checks what holds of every result.
func judge(t *testing.T, der []byte, issuer *certificate.Certificate, serial *big.Int, o ocsp.Options) (ocsp.Answer, error) {
	t.Helper()
	answer, err := ocsp.Judge(der, issuer, serial, o)
	checkResult(t, answer, err)
	if err == nil && o.Now.After(answer.Until) {
		t.Fatalf("answer is over: until %v", answer.Until)
	}
	return answer, err
}

func judgeLasting(t *testing.T, der []byte, issuer *certificate.Certificate, serial *big.Int, o ocsp.Options) (ocsp.Answer, error) {
	t.Helper()
	answer, err := ocsp.JudgeLasting(der, issuer, serial, o)
	checkResult(t, answer, err)
	if err == nil && !answer.Final() && (answer.Status != ocsp.Revoked || o.Now.After(answer.Until)) {
		t.Fatalf("not a revocation that lasts: %+v", answer)
	}
	return answer, err
}

func checkResult(t *testing.T, answer ocsp.Answer, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if answer != (ocsp.Answer{}) {
		t.Fatalf("an error comes with an answer: %+v", answer)
	}
	if _, ok := errors.AsType[*ocsp.Error](err); !ok {
		t.Fatalf("error is %T, want *ocsp.Error", err)
	}
}

var kindNames = map[ocsp.Kind]string{
	ocsp.Malformed: "malformed", ocsp.Unsuccessful: "unsuccessful", ocsp.Unauthorized: "unauthorized", ocsp.BadSignature: "bad_signature",
	ocsp.WeakAlgorithm: "weak_algorithm", ocsp.OtherCertificate: "other_certificate", ocsp.Critical: "critical",
	ocsp.NotYetValid: "not_yet_valid", ocsp.Stale: "stale",
}

// verdict is the status, or the kind of the error.
func verdict(answer ocsp.Answer, err error) string {
	if e, ok := errors.AsType[*ocsp.Error](err); ok {
		return kindNames[e.Kind]
	}
	return map[ocsp.Status]string{ocsp.Unknown: "unknown", ocsp.Good: "good", ocsp.Revoked: "revoked"}[answer.Status]
}

func wantVerdict(t *testing.T, answer ocsp.Answer, err error, want string) {
	t.Helper()
	if got := verdict(answer, err); got != want {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
}

// node is a DER element: a constructed one has children, another has content.
type node struct {
	tag      asn1.Tag
	children []*node
	content  []byte
}

func parseNodes(der []byte) []*node {
	var nodes []*node
	for input := cryptobyte.String(der); !input.Empty(); {
		var content cryptobyte.String
		n := &node{}
		if !input.ReadAnyASN1(&content, &n.tag) {
			panic("not DER")
		}
		if n.tag&0x20 != 0 {
			n.children = parseNodes(content)
		} else {
			n.content = content
		}
		nodes = append(nodes, n)
	}
	return nodes
}

func (n *node) add(b *cryptobyte.Builder) {
	b.AddASN1(n.tag, func(b *cryptobyte.Builder) {
		b.AddBytes(n.content)
		for _, child := range n.children {
			child.add(b)
		}
	})
}

func (n *node) der() []byte {
	b := cryptobyte.NewBuilder(nil)
	n.add(b)
	return b.BytesOrPanic()
}

// edit returns a change of DER as a tree.
func edit(change func(root *node)) func([]byte) []byte {
	return func(der []byte) []byte {
		root := parseNodes(bytes.Clone(der))[0]
		change(root)
		return root.der()
	}
}

func insert(n *node, at int, children ...*node) {
	n.children = slices.Insert(n.children, at, children...)
}
