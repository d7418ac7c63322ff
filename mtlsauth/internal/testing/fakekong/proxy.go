package fakekong

import (
	"crypto/tls"
	"encoding/json"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"time"

	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

// exit sends an answer of Kong's or a plugin's.
func (x *exchange) exit(e *rpc.Exit) {
	h := x.w.Header()
	for name, values := range e.Header {
		h[name] = values
	}
	if h.Get("Content-Type") == "" {
		h["Content-Type"] = nil // net/http would guess one
	}
	h.Set("Server", "fakekong")
	h.Set("X-Kong-Response-Latency", x.latency())
	h.Set("X-Kong-Request-Id", x.req.ID)
	h.Set("Content-Length", strconv.Itoa(len(e.Body)))
	x.w.WriteHeader(e.Status)
	_, _ = x.w.Write(e.Body) // the client may be gone
	if f, ok := x.w.(http.Flusher); ok {
		f.Flush() // the plugin's connection ends after the answer is out
	}
	x.record()
}

func (x *exchange) latency() string { return strconv.FormatInt(time.Since(x.begin).Milliseconds(), 10) }

// transport goes to upstreams. Kong does not verify their certificates unless
// told to (proxy_ssl_verify off).
var transport = &http.Transport{
	DialContext:         (&net.Dialer{Timeout: time.Minute}).DialContext,
	TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // as Kong
	MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: time.Minute,
	DisableCompression: true,
}

// hopByHop are the headers that a proxy module writes itself.
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

func (x *exchange) proxy() {
	s := x.match.route.service
	status := 0
	p := &httputil.ReverseProxy{
		Transport: transport,
		ErrorLog:  stdlog.New(io.Discard, "", 0),
		Rewrite:   func(pr *httputil.ProxyRequest) { x.rewrite(pr, s) },
		ModifyResponse: func(res *http.Response) error {
			status = res.StatusCode
			res.Header.Set("X-Kong-Proxy-Latency", x.latency())
			res.Header.Set("X-Kong-Request-Id", x.req.ID)
			return nil
		},
	}
	p.ServeHTTP(x.w, x.r)
	if status != 0 {
		x.record()
	}
}

// rewrite makes the upstream's request: the headers as the plugins left them,
// and Kong's own.
func (x *exchange) rewrite(pr *httputil.ProxyRequest, s *service) {
	h := x.req.Header
	host := h.Get("Host")
	h.Del("Host")
	for _, name := range hopByHop {
		h.Del(name)
	}
	pr.Out.Header = h
	rest := pr.In.URL.Path
	if x.match.route.stripPath {
		rest = strings.TrimPrefix(rest, x.match.path)
		h.Set("X-Forwarded-Prefix", x.match.path)
	}
	if rest == "" || rest[0] != '/' {
		rest = "/" + rest
	}
	out := *s.url
	out.Path = strings.TrimSuffix(s.url.Path, "/") + rest
	out.RawQuery = x.r.URL.RawQuery
	pr.Out.URL = &out
	pr.Out.Host = s.url.Host
	if x.match.route.preserveHost || host != x.r.Host {
		pr.Out.Host = host
	}
	h.Set("Via", "1.1 fakekong")
	h.Set("X-Real-IP", x.req.ClientIP)
	h.Set("X-Forwarded-For", strings.Join(append(x.r.Header.Values("X-Forwarded-For"), x.req.ClientIP), ", "))
	h.Set("X-Forwarded-Proto", x.req.Scheme)
	h.Set("X-Forwarded-Host", x.req.Host)
	h.Set("X-Forwarded-Port", strconv.Itoa(x.req.Port))
	h.Set("X-Forwarded-Path", x.r.URL.Path)
	h.Set("X-Kong-Request-Id", x.req.ID)
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = nil // net/http would add its own
	}
}

// Echoed is what Echo answers.
type Echoed struct {
	Method  string              `json:"method"`
	Path    string              `json:"path"`
	Query   string              `json:"query"`
	Host    string              `json:"host"`
	Headers map[string][]string `json:"headers"`
}

// Echo is an upstream that answers 200 with what it received, as JSON.
var Echo http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(Echoed{r.Method, r.URL.Path, r.URL.RawQuery, r.Host, r.Header}) // the client may be gone
})
