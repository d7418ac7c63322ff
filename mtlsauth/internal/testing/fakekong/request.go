package fakekong

import (
	"crypto/rand"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/errlog"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
)

// exchange is one request on its way through Kong.
type exchange struct {
	kong  *Kong
	state *state
	w     http.ResponseWriter
	r     *http.Request
	conn  *connection
	req   *rpc.Request
	match *match
	begin time.Time
}

func (k *Kong) serveRequest(w http.ResponseWriter, r *http.Request) {
	x := k.newExchange(w, r)
	defer x.req.End()
	w.Header().Set("Via", "1.1 fakekong")
	if x.refusedByNginx() {
		return
	}
	exit := x.route()
	if exit == nil {
		exit = x.runPlugins()
	}
	if exit == nil {
		x.req.DropHopByHop()
		x.proxy()
		return
	}
	x.exit(exit)
}

func (k *Kong) newExchange(w http.ResponseWriter, r *http.Request) *exchange {
	conn := r.Context().Value(connectionKey{}).(*connection)
	x := &exchange{kong: k, state: k.state.Load(), w: w, r: r, conn: conn, begin: time.Now()}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails (crypto/rand)
	local := r.Context().Value(http.LocalAddrContextKey).(net.Addr).(*net.TCPAddr)
	ip, host := withoutPort(r.RemoteAddr), withoutPort(r.Host)
	x.req = &rpc.Request{
		ID: hex.EncodeToString(id), Method: r.Method, URI: r.RequestURI,
		Host: host, Port: local.Port, Scheme: "http", Proto: r.Proto, ClientIP: ip,
		Header: r.Header.Clone(), Shared: map[string]any{}, Ctx: map[string]any{}, Var: x.variable,
	}
	x.req.Header.Set("Host", r.Host)
	if r.TLS != nil {
		x.req.Scheme = "https"
	}
	x.req.Attach(k.log)
	return x
}

func withoutPort(s string) string {
	if host, _, err := net.SplitHostPort(s); err == nil {
		return host
	}
	return s
}

// variable is kong.nginx.get_var: "" for what is unset or unknown.
func (x *exchange) variable(name string) string {
	switch name {
	case "ssl_client_raw_cert":
		return x.conn.judge(x.r.TLS).pem
	case "ssl_client_verify":
		return x.conn.judge(x.r.TLS).text
	case "ssl_session_reused":
		if x.r.TLS != nil {
			return map[bool]string{false: ".", true: "r"}[x.r.TLS.DidResume]
		}
	case "remote_addr", "realip_remote_addr": // real_ip_header is not emulated
		return x.req.ClientIP
	case "server_protocol":
		return x.r.Proto
	case "connection":
		return strconv.FormatUint(x.conn.number, 10)
	}
	if header, ok := strings.CutPrefix(name, "http_"); ok {
		for sent, values := range x.req.Header { // under any spelling, with _ for - too
			if strings.ToLower(strings.ReplaceAll(sent, "-", "_")) == header && len(values) > 0 {
				return values[0]
			}
		}
	}
	return ""
}

// refusedByNginx gives nginx's own 400 for a client certificate that
// ssl_verify_client does not let pass, before any plugin.
func (x *exchange) refusedByNginx() bool {
	if x.kong.opts.SSLVerifyClient == "" || x.r.TLS == nil {
		return false
	}
	if x.conn.judge(x.r.TLS).valid {
		return false
	}
	x.kong.log.Printf(errlog.Info, "client SSL certificate verify error: (%s) while reading client request headers", strings.TrimPrefix(x.conn.text, "FAILED:"))
	x.w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	x.w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(x.w, "<html>\r\n<head><title>400 The SSL certificate error</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n"+
		"<center>The SSL certificate error</center>\r\n</body>\r\n</html>\r\n") // the client may be gone
	x.record()
	return true
}

// route finds the route, or the answer when there is none.
func (x *exchange) route() *rpc.Exit {
	sni := ""
	if x.r.TLS != nil {
		sni = x.r.TLS.ServerName
	}
	x.match = x.state.config.find(x.r, x.req.Host, sni)
	if x.match == nil {
		return rpc.ErrorExit(x.req, http.StatusNotFound, "no Route matched with those values")
	}
	return nil
}

// runPlugins runs the access phase.
func (x *exchange) runPlugins() *rpc.Exit {
	for _, p := range x.state.config.pluginsFor(x.match.route) {
		if p.lua != nil {
			if exit := x.runLua(p); exit != nil {
				return exit
			}
			continue
		}
		if p.builtin != nil {
			if exit := p.builtin(x); exit != nil {
				return exit
			}
			continue
		}
		x.state.client.Access(x.req, p.loaded)
		if x.req.Exit != nil {
			return x.req.Exit
		}
	}
	return nil
}

// record is the log phase.
func (x *exchange) record() {
	var r anykong.Record
	r.Request.ID, r.Request.URI = x.req.ID, x.r.RequestURI
	if cs := x.r.TLS; cs != nil {
		verify := x.conn.judge(cs).text
		if s, ok := x.req.Ctx["CLIENT_VERIFY_OVERRIDE"].(string); ok {
			verify = s
		}
		r.Request.TLS = &anykong.RecordTLS{ClientVerify: verify}
	}
	r.MTLSAuth, _ = x.req.Serialized["mtls_auth"].(map[string]any)
	x.kong.recorded.Lock()
	defer x.kong.recorded.Unlock()
	if len(x.kong.records) == maxRecords {
		x.kong.records = x.kong.records[1:]
	}
	x.kong.records = append(x.kong.records, r)
}

// maxRecords bounds the access log, which is kept in memory.
const maxRecords = 1000
