package fakekong

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"time"
)

// Record is a request in the access log: some of the fields of Kong's log
// serializer, under their names.
type Record struct {
	Request struct {
		ID     string     `json:"id"`
		Method string     `json:"method"`
		URI    string     `json:"uri"`
		TLS    *RecordTLS `json:"tls,omitempty"`
	} `json:"request"`
	Response struct {
		Status int `json:"status"`
	} `json:"response"`
	ClientIP      string         `json:"client_ip"`
	Route         map[string]any `json:"route,omitempty"`
	Service       map[string]any `json:"service,omitempty"`
	Consumer      map[string]any `json:"consumer,omitempty"`
	Authenticated map[string]any `json:"authenticated_entity,omitempty"`
	StartedAt     int64          `json:"started_at"`
	Latency       int64          `json:"latency_ms"`
}

// RecordTLS is request.tls of Kong's log serializer.
type RecordTLS struct {
	Version string `json:"version"`
	Cipher  string `json:"cipher"`
	// ClientVerify is $ssl_client_verify, or what a plugin has put into ngx.ctx
	// as CLIENT_VERIFY_OVERRIDE.
	ClientVerify string `json:"client_verify"`
}

// maxRecords bounds what is kept in memory.
const maxRecords = 1000

type accessLog struct {
	out io.Writer

	mu      sync.Mutex
	records []Record
	next    int
}

func (l *accessLog) add(r Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.records) < maxRecords {
		l.records = append(l.records, r)
	} else {
		l.records[l.next] = r
		l.next = (l.next + 1) % maxRecords
	}
	if l.out != nil {
		_ = json.NewEncoder(l.out).Encode(r) // a log that cannot be written ends no request
	}
}

func (l *accessLog) list() []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append(append([]Record(nil), l.records[l.next:]...), l.records[:l.next]...)
}

// authenticatedEntity is what Kong's serializer shows of a credential: two
// fields of it. A key of key-auth's names its consumer in another way, and shows
// its id alone.
func (x *exchange) authenticatedEntity() map[string]any {
	var out map[string]any
	for _, field := range []string{"id", "consumer_id"} {
		if v, ok := x.req.Credential()[field]; ok {
			if out == nil {
				out = map[string]any{}
			}
			out[field] = v
		}
	}
	return out
}

// record is the log phase.
func (x *exchange) record(status int) {
	var r Record
	r.Request.ID, r.Request.Method, r.Request.URI = x.req.ID, x.req.Method, x.r.RequestURI
	r.Response.Status = status
	if cs := x.r.TLS; cs != nil {
		verify := x.conn.verify(cs)
		if s, ok := x.req.Ctx["CLIENT_VERIFY_OVERRIDE"].(string); ok {
			verify = s
		}
		r.Request.TLS = &RecordTLS{strings.Replace(tls.VersionName(cs.Version), "TLS 1", "TLSv1", 1), cipherName(cs.CipherSuite), verify}
	}
	r.ClientIP, r.Route, r.Service = x.req.ClientIP, x.req.Route, x.req.Service
	r.Consumer, r.Authenticated = x.req.Consumer(), x.authenticatedEntity()
	r.StartedAt, r.Latency = x.begin.UnixMilli(), time.Since(x.begin).Milliseconds()
	x.g.access.add(r)
}
