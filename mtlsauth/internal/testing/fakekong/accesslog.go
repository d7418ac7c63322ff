package fakekong

import "sync"

// Record is a request in the access log: some of the fields of Kong's log
// serializer, under their names.
type Record struct {
	Request struct {
		ID  string     `json:"id"`
		URI string     `json:"uri"`
		TLS *RecordTLS `json:"tls,omitempty"`
	} `json:"request"`
}

// RecordTLS is request.tls of Kong's log serializer.
type RecordTLS struct {
	// ClientVerify is $ssl_client_verify, or what a plugin has put into ngx.ctx
	// as CLIENT_VERIFY_OVERRIDE.
	ClientVerify string `json:"client_verify"`
}

// maxRecords bounds what is kept in memory.
const maxRecords = 1000

type accessLog struct {
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
}

func (l *accessLog) list() []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append(append([]Record(nil), l.records[l.next:]...), l.records[:l.next]...)
}

// record is the log phase.
func (x *exchange) record() {
	var r Record
	r.Request.ID, r.Request.URI = x.req.ID, x.r.RequestURI
	if cs := x.r.TLS; cs != nil {
		verify := x.conn.verify(cs)
		if s, ok := x.req.Ctx["CLIENT_VERIFY_OVERRIDE"].(string); ok {
			verify = s
		}
		r.Request.TLS = &RecordTLS{verify}
	}
	x.kong.access.add(r)
}
