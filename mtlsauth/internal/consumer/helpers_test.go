package consumer_test

import (
	"context"
	"encoding/asn1"
	"fmt"
	"strings"
	"sync"
	"testing"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

var oidSAN = asn1.ObjectIdentifier{2, 5, 29, 17}

const (
	tagUTF8      = 12
	tagPrintable = 19
	tagT61       = 20
	tagIA5       = 22
	tagBMP       = 30
)

// tlv encodes one DER element.
func tlv(tag byte, content ...[]byte) []byte {
	var body []byte
	for _, c := range content {
		body = append(body, c...)
	}
	var length []byte
	switch n := len(body); {
	case n < 0x80:
		length = []byte{byte(n)}
	case n < 0x100:
		length = []byte{0x81, byte(n)}
	case n < 0x10000:
		length = []byte{0x82, byte(n >> 8), byte(n)}
	default:
		length = []byte{0x83, byte(n >> 16), byte(n >> 8), byte(n)}
	}
	return append(append([]byte{tag}, length...), body...)
}

func generalName(number byte, value string) []byte { return tlv(0x80|number, []byte(value)) }

func attribute(oid asn1.ObjectIdentifier, tag byte, value string) []byte {
	der, err := asn1.Marshal(oid)
	if err != nil {
		panic(err)
	}
	return tlv(0x30, der, tlv(tag, []byte(value)))
}

// dirName is a directoryName with an RDN for each attribute.
func dirName(attributes ...[]byte) []byte {
	var rdns []byte
	for _, a := range attributes {
		rdns = append(rdns, tlv(0x31, a)...)
	}
	return tlv(0xa4, tlv(0x30, rdns))
}

func otherName(oid asn1.ObjectIdentifier, value []byte) []byte {
	der, err := asn1.Marshal(oid)
	if err != nil {
		panic(err)
	}
	return tlv(0xa0, der, tlv(0xa0, value))
}

var (
	oidUPN = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}
	oidCN  = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidO   = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidUID = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}
)

func upn(name string) []byte { return otherName(oidUPN, tlv(tagUTF8, []byte(name))) }

// withSAN is a certificate as far as this package looks at it: what no certificate
// could hold can be in it too.
func withSAN(value []byte, commonNames ...string) *certificate.Certificate {
	cert := withSubject(commonNames...)
	cert.Extensions = []certificate.Extension{{ID: certificate.OIDSubjectAltName, Value: value}}
	return cert
}

func withSubject(commonNames ...string) *certificate.Certificate {
	var rdns []byte
	for _, cn := range commonNames {
		rdns = append(rdns, tlv(0x31, attribute(oidCN, tagUTF8, cn))...)
	}
	return &certificate.Certificate{RawSubject: tlv(0x30, rdns)}
}

func san(names ...[]byte) []byte { return tlv(0x30, names...) }

// people is a directory that records what it was asked.
type people struct {
	mu      sync.Mutex
	list    []*consumer.Consumer
	fail    map[consumer.Query]error
	batches [][]consumer.Query
	// before is called with each batch.
	before func(context.Context, []consumer.Query)
}

func (p *people) Find(ctx context.Context, queries []consumer.Query) []consumer.Result {
	if p.before != nil {
		p.before(ctx, queries)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.batches = append(p.batches, queries)
	results := make([]consumer.Result, len(queries))
	for i, q := range queries {
		if results[i].Err = p.fail[q]; results[i].Err == nil {
			results[i].Err = ctx.Err()
		}
		for _, c := range p.list {
			value := map[consumer.By]string{consumer.ByID: c.ID, consumer.ByUsername: c.Username, consumer.ByCustomID: c.CustomID}[q.By]
			if value == q.Value && results[i].Err == nil {
				copied := *c
				results[i].Consumer = &copied
			}
		}
	}
	return results
}

// asked returns the questions so far in their order, batches apart.
func (p *people) asked() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var batches []string
	for _, batch := range p.batches {
		var one []string
		for _, q := range batch {
			one = append(one, fmt.Sprintf("%s=%s", q.By, q.Value))
		}
		batches = append(batches, strings.Join(one, " "))
	}
	return strings.Join(batches, " | ")
}

func (p *people) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.batches = nil
}

func uuid(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", n) }

func mustIndex(t testing.TB, list ...consumer.Credential) *consumer.Credentials {
	t.Helper()
	c, err := consumer.NewCredentials(list)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var root = sync.OnceValue(func() *pki.Certificate { return pki.NewCA("root") })

// newLookups returns a cache that has room for all that a test asks.
func newLookups() *consumer.Lookups { return consumer.NewLookups(1 << 20) }
