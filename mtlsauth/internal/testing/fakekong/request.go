package fakekong

import (
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

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
	conn.requests.Add(1)
	x := &exchange{kong: k, state: k.state.Load(), w: w, r: r, conn: conn, begin: time.Now()}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails (crypto/rand)
	local := r.Context().Value(http.LocalAddrContextKey).(net.Addr).(*net.TCPAddr)
	ip, port := splitPort(r.RemoteAddr)
	host, _ := splitPort(r.Host)
	x.req = &rpc.Request{
		ID: hex.EncodeToString(id), Method: r.Method, Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery,
		Host: host, Port: local.Port, Scheme: "http", Proto: r.Proto, ClientIP: ip, ClientPort: port,
		Header: r.Header.Clone(), Shared: map[string]any{}, Ctx: map[string]any{}, Var: x.variable,
	}
	x.req.Header.Set("Host", r.Host)
	if r.TLS != nil {
		x.req.Scheme = "https"
	}
	x.req.Attach(k.log)
	return x
}

func splitPort(s string) (string, int) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return s, 0
	}
	n, _ := strconv.Atoi(port)
	return host, n
}

// variable is kong.nginx.get_var: "" for what is unset or unknown.
func (x *exchange) variable(name string) string {
	if strings.HasPrefix(name, "ssl_") {
		if x.r.TLS == nil {
			return ""
		}
		value, _ := x.conn.tlsVar(x.r.TLS, name)
		return value
	}
	switch name {
	case "https":
		if x.r.TLS != nil {
			return "on"
		}
	case "scheme":
		return x.req.Scheme
	case "request_id":
		return x.req.ID
	case "request_method":
		return x.r.Method
	case "request_uri":
		return x.r.RequestURI
	case "uri":
		return x.r.URL.Path
	case "args", "query_string":
		return x.req.RawQuery
	case "host":
		return x.req.Host
	case "remote_addr", "realip_remote_addr": // real_ip_header is not emulated
		return x.req.ClientIP
	case "remote_port":
		return strconv.Itoa(x.req.ClientPort)
	case "server_port":
		return strconv.Itoa(x.req.Port)
	case "server_protocol":
		return x.r.Proto
	case "connection":
		return strconv.FormatUint(x.conn.number, 10)
	case "connection_requests":
		return strconv.FormatInt(x.conn.requests.Load(), 10)
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
	text := x.conn.verify(x.r.TLS)
	if x.conn.valid {
		return false
	}
	x.kong.log.Printf(errlog.Info, "client SSL certificate verify error: (%s) while reading client request headers", strings.TrimPrefix(text, "FAILED:"))
	nginxPage(x.w, "400 The SSL certificate error", "400 Bad Request", "The SSL certificate error")
	x.record()
	return true
}

// nginxPage is an answer of nginx itself, of status 400.
func nginxPage(w http.ResponseWriter, title, heading string, more ...string) {
	page := "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + heading + "</h1></center>\r\n"
	for _, text := range more {
		page += "<center>" + text + "</center>\r\n"
	}
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write([]byte(page + "</body>\r\n</html>\r\n")) // the client may be gone
}

// route finds the route, or the answer when there is none to go on with.
func (x *exchange) route() *rpc.Exit {
	sni := ""
	if x.r.TLS != nil {
		sni = x.r.TLS.ServerName
	}
	x.match = x.state.config.find(x.r, x.req.Host, sni)
	if x.match == nil {
		return rpc.ErrorExit(x.req, http.StatusNotFound, "no Route matched with those values")
	}
	rt := x.match.route
	x.req.Route = map[string]any{"id": rt.id, "name": rt.name}
	if rt.service != nil {
		x.req.Service = map[string]any{"id": rt.service.id, "name": rt.service.name}
	}
	if x.r.TLS == nil && !rt.speaks("http") {
		exit := rpc.ErrorExit(x.req, http.StatusUpgradeRequired, "Please use HTTPS protocol")
		exit.Header.Set("Connection", "Upgrade")
		exit.Header.Set("Upgrade", "TLS/1.2, HTTP/1.1")
		return exit
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
