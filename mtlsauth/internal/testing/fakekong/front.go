package fakekong

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/testing/anykong"
	"mtls-auth/mtlsauth/internal/testing/errlog"
)

// front is the TLS listener's certificate and its three ways to shake hands.
type front struct {
	certPEM []byte
	silent  *tls.Config // asks for no certificate
	nginx   *tls.Config // asks; sessions resume
}

// newFront makes the ways to shake hands, with a certificate of their own.
func newFront() (*front, error) {
	cert, certPEM, err := anykong.ServerCertificate()
	if err != nil {
		return nil, err
	}
	base := &tls.Config{
		Certificates: []tls.Certificate{cert},
		NextProtos:   []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12,
	}
	f := &front{certPEM: certPEM, silent: base}
	f.nginx = base.Clone()
	f.nginx.ClientAuth = tls.RequestClientCert
	return f, nil
}

// listen opens the listeners, which must be at loopback addresses: every client
// that reaches a fake Kong gets in.
func (k *Kong) listen() error {
	var err error
	if k.front, err = newFront(); err != nil {
		return err
	}
	for _, l := range []struct {
		what, address string
		into          *net.Listener
	}{{"listen", k.opts.Listen, &k.plain}, {"listen (TLS)", k.opts.ListenTLS, &k.tls}, {"admin_listen", k.opts.AdminListen, &k.admin}} {
		if l.address == "off" {
			continue
		}
		if l.address == "" {
			l.address = "127.0.0.1:0"
		}
		host, _, err := net.SplitHostPort(l.address)
		if err != nil {
			return fmt.Errorf("%s %q: %w", l.what, l.address, err)
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return fmt.Errorf("%s %q: the fake Kong listens at loopback addresses only", l.what, l.address)
		}
		if *l.into, err = net.Listen("tcp", l.address); err != nil {
			return fmt.Errorf("%s: %w", l.what, err)
		}
	}
	return nil
}

func (k *Kong) serve() {
	run := func(l net.Listener, s *http.Server, start func() error) {
		if l == nil {
			return
		}
		s.ErrorLog = log.New(infoWriter{k.log}, "", 0)
		s.ReadHeaderTimeout = time.Minute // nginx's client_header_timeout
		k.servers = append(k.servers, s)
		go func() { _ = start() }() // ends with Close
	}
	h := http.HandlerFunc(k.serveRequest)
	plain := &http.Server{Handler: h, ConnContext: k.connContext}
	secure := &http.Server{Handler: h, ConnContext: k.connContext, TLSConfig: k.front.silent.Clone()}
	secure.TLSConfig.GetConfigForClient = k.handshakeConfig
	admin := &http.Server{Handler: k.adminAPI()}
	run(k.plain, plain, func() error { return plain.Serve(k.plain) })
	run(k.tls, secure, func() error { return secure.ServeTLS(k.tls, "", "") })
	run(k.admin, admin, func() error { return admin.Serve(k.admin) })
}

// infoWriter puts what net/http complains of where nginx has it.
type infoWriter struct{ log *errlog.Log }

func (w infoWriter) Write(b []byte) (int, error) {
	w.log.Printf(errlog.Info, "%s", strings.TrimSpace(string(b)))
	return len(b), nil
}

// handshakeConfig is the certificate phase.
func (k *Kong) handshakeConfig(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	conn := hello.Context().Value(connectionKey{}).(*connection)
	h := k.state.Load().certificatePhase(conn, hello.ServerName)
	if !h.Ask && k.opts.SSLVerifyClient == "" {
		return k.front.silent, nil
	}
	config := k.front.nginx
	if len(h.CAs) > 0 || h.NoReuse {
		config = config.Clone()
		config.SessionTicketsDisabled = h.NoReuse
		config.ClientCAs = x509.NewCertPool()
		for _, ca := range h.CAs {
			config.ClientCAs.AddCert(ca)
		}
	}
	return config, nil
}

// connection is what is kept of one client connection.
type connection struct {
	number   uint64
	requests atomic.Int64

	once  sync.Once // the fields below cost something and stay the same
	pem   string
	text  string
	valid bool
	chain string
}

type connectionKey struct{}

var connections atomic.Uint64

func (k *Kong) connContext(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, &connection{number: connections.Add(1)})
}

func (c *connection) judge(cs *tls.ConnectionState) {
	c.once.Do(func() {
		c.text, c.valid = verifyText(cs.PeerCertificates, time.Now())
		if len(cs.PeerCertificates) == 0 {
			return
		}
		c.pem = certPEM(cs.PeerCertificates[0])
		if cs.DidResume {
			return // OpenSSL keeps the leaf in a session, but not the chain
		}
		for _, cert := range cs.PeerCertificates {
			c.chain += certPEM(cert)
		}
	})
}

func (c *connection) leafPEM(cs *tls.ConnectionState) string { c.judge(cs); return c.pem }

func (c *connection) verify(cs *tls.ConnectionState) string { c.judge(cs); return c.text }

// chainPEM is kong.client.tls.get_full_client_certificate_chain.
func (c *connection) chainPEM(cs *tls.ConnectionState) string {
	if cs == nil {
		return ""
	}
	c.judge(cs)
	return c.chain
}
