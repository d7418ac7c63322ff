package pki

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// CRLHost serves one list over HTTP, whatever path is asked for, with ETag and
// Last-Modified and with 304 to those that have it (RFC 9110, section 13). It
// may be changed while it runs.
type CRLHost struct {
	*listener    // with its lock for the fields below
	body         []byte
	version      int
	changed      time.Time
	noValidators bool
	requests     []CRLRequest
}

// CRLRequest is a request that a CRLHost has got.
type CRLRequest struct {
	Method, Path                 string
	IfNoneMatch, IfModifiedSince string
	// Status is what was answered, 0 for nothing.
	Status int
}

// NewCRLHost returns a host of this body that does not listen: it is a handler.
// Start gives it an address.
func NewCRLHost(body []byte) *CRLHost {
	h := &CRLHost{listener: newListener()}
	h.Set(body)
	return h
}

// Start listens on a port of the loopback interface and returns the host's
// address, for CRLDistributionPoint. It is called at most once.
func (h *CRLHost) Start() string { return h.listen(h, "/ca.crl") }

// Set replaces the body, under a new ETag and Last-Modified, which is a second
// later each time.
func (h *CRLHost) Set(body []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.body = body
	h.version++
	if h.changed.IsZero() {
		h.changed = time.Now().Add(-time.Hour).Truncate(time.Second)
	}
	h.changed = h.changed.Add(time.Second)
}

// NoValidators leaves ETag and Last-Modified out from now on, so that the body
// is sent every time.
func (h *CRLHost) NoValidators() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.noValidators = true
}

// Requests returns those that came, in their order, also those that were not
// answered.
func (h *CRLHost) Requests() []CRLRequest {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.requests)
}

// Count returns how many requests were answered with this status.
func (h *CRLHost) Count(status int) int {
	n := 0
	for _, r := range h.Requests() {
		if r.Status == status {
			n++
		}
	}
	return n
}

// ServeHTTP answers with the list.
func (h *CRLHost) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	h.mu.Lock()
	index := len(h.requests)
	h.requests = append(h.requests, CRLRequest{
		Method: request.Method, Path: request.URL.Path,
		IfNoneMatch: request.Header.Get("If-None-Match"), IfModifiedSince: request.Header.Get("If-Modified-Since"),
	})
	h.mu.Unlock()
	trouble, answers := h.answers(request)
	if !answers {
		return
	}
	status, body := h.answer(w.Header(), request.Header, trouble)
	h.mu.Lock()
	h.requests[index].Status = status
	h.mu.Unlock()
	w.WriteHeader(status)
	w.Write(body)
}

// answer fills the header and returns the rest.
func (h *CRLHost) answer(header, asked http.Header, trouble Trouble) (status int, body []byte) {
	if trouble.Status != 0 {
		return trouble.Status, trouble.Body
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	header.Set("Content-Type", "application/pkix-crl")
	if !h.noValidators {
		tag := `"` + strconv.Itoa(h.version) + `"`
		header.Set("ETag", tag)
		header.Set("Last-Modified", h.changed.UTC().Format(http.TimeFormat))
		since, err := http.ParseTime(asked.Get("If-Modified-Since"))
		matched := asked.Get("If-None-Match") == tag
		if asked.Get("If-None-Match") == "" {
			matched = err == nil && !h.changed.After(since)
		}
		if matched {
			return http.StatusNotModified, nil
		}
	}
	header.Set("Content-Length", strconv.Itoa(len(h.body)))
	return http.StatusOK, h.body
}
