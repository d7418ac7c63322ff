package fakekong

import (
	"sync"

	"mtls-auth/mtlsauth/internal/testing/anykong"
)

// maxRecords bounds what is kept in memory.
const maxRecords = 1000

type accessLog struct {
	mu      sync.Mutex
	records []anykong.Record
	next    int
}

func (l *accessLog) add(r anykong.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.records) < maxRecords {
		l.records = append(l.records, r)
	} else {
		l.records[l.next] = r
		l.next = (l.next + 1) % maxRecords
	}
}

func (l *accessLog) list() []anykong.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append(append([]anykong.Record(nil), l.records[l.next:]...), l.records[:l.next]...)
}

// record is the log phase.
func (x *exchange) record() {
	var r anykong.Record
	r.Request.ID, r.Request.URI = x.req.ID, x.r.RequestURI
	if cs := x.r.TLS; cs != nil {
		verify := x.conn.verify(cs)
		if s, ok := x.req.Ctx["CLIENT_VERIFY_OVERRIDE"].(string); ok {
			verify = s
		}
		r.Request.TLS = &anykong.RecordTLS{ClientVerify: verify}
	}
	r.MTLSAuth, _ = x.req.Serialized["mtls_auth"].(map[string]any)
	x.kong.access.add(r)
}
