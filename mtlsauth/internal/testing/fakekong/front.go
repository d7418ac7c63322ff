package fakekong

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"mtls-auth/mtlsauth/internal/testing/anykong"
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
	run := func(l net.Listener, s *http.Server, start func(net.Listener) error) {
		if l == nil {
			return
		}
		s.ErrorLog = log.New(io.Discard, "", 0)
		s.ReadHeaderTimeout = time.Minute // nginx's client_header_timeout
		k.servers = append(k.servers, s)
		go func() { _ = start(l) }() // ends with Close
	}
	h := http.HandlerFunc(k.serveRequest)
	plain := &http.Server{Handler: h, ConnContext: k.connContext}
	secure := &http.Server{Handler: h, ConnContext: k.connContext, TLSConfig: k.front.silent.Clone()}
	secure.TLSConfig.GetConfigForClient = k.handshakeConfig
	admin := &http.Server{Handler: k.adminAPI()}
	run(k.plain, plain, plain.Serve)
	run(k.tls, secure, func(l net.Listener) error { return secure.ServeTLS(l, "", "") })
	run(k.admin, admin, admin.Serve)
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
	number uint64

	once  sync.Once // the fields below cost something and stay the same
	pem   string
	text  string // $ssl_client_verify
	valid bool
	chain string // kong.client.tls.get_full_client_certificate_chain
}

type connectionKey struct{}

var connections atomic.Uint64

func (k *Kong) connContext(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, &connection{number: connections.Add(1)})
}

// judge fills the fields in. Without TLS they stay empty.
func (c *connection) judge(cs *tls.ConnectionState) *connection {
	c.once.Do(func() {
		if cs == nil {
			return
		}
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
	return c
}
