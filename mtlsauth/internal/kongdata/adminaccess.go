package kongdata

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"mtls-auth/mtlsauth/internal/filewatch"
)

const (
	// maxAccessFile bounds token, CA, certificate and key files; the CA file
	// is the largest, and the bundle of all public CAs is 250 KB.
	maxAccessFile = 1 << 20

	// idleTimeout closes connections to the Admin API that were not used for
	// some refresh periods.
	idleTimeout = 90 * time.Second

	// maxHeader bounds the header of an answer.
	maxHeader = 64 << 10
)

// adminAccess names the files that are needed besides the address of an Admin API. An
// empty path names none. They are read each time: they are few and small.
type adminAccess struct {
	tokenFile, caFile, certFile, keyFile string

	// pins are files with certificates of servers that are trusted as they are.
	pins []string
}

func newAdminAccess(c Config, pins []string) adminAccess {
	return adminAccess{c.AdminTokenFile, c.AdminCAFile, c.AdminCertFile, c.AdminKeyFile, pins}
}

// adminSecrets are what the files hold.
type adminSecrets struct {
	token         string
	ca, cert, key string // PEM
	pinned        []string
	pinErr        error // why a pin is not among pinned
}

func (a adminAccess) read() (adminSecrets, error) {
	var s adminSecrets
	for _, f := range []struct {
		flag, path string
		into       *string
	}{
		{"-admin-token-file", a.tokenFile, &s.token},
		{"-admin-ca-file", a.caFile, &s.ca},
		{"-admin-cert-file", a.certFile, &s.cert},
		{"-admin-key-file", a.keyFile, &s.key},
	} {
		if f.path == "" {
			continue
		}
		data, _, err := filewatch.ReadFile(f.path, maxAccessFile)
		if err != nil {
			return s, fmt.Errorf("reading %s: %w", f.flag, err)
		}
		*f.into = string(data)
	}
	s.token = strings.TrimSpace(s.token)
	if a.tokenFile != "" && s.token == "" || strings.ContainsFunc(s.token, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
		return s, errors.New("-admin-token-file must hold a token: one word of ASCII")
	}
	for _, path := range a.pins {
		// One that cannot be read is not trusted; the rest of TLS still works.
		data, _, err := filewatch.ReadFile(path, maxAccessFile)
		if err == nil {
			// The first is the server's own, what follows is its chain.
			if block, _ := pem.Decode(data); block != nil && block.Type == "CERTIFICATE" {
				s.pinned = append(s.pinned, string(block.Bytes))
				continue
			}
			err = fmt.Errorf("%s holds no PEM certificate", path)
		}
		s.pinErr = err
	}
	return s, nil
}

func (s adminSecrets) equal(other adminSecrets) bool {
	return s.token == other.token && s.ca == other.ca && s.cert == other.cert && s.key == other.key &&
		slices.Equal(s.pinned, other.pinned) && fmt.Sprint(s.pinErr) == fmt.Sprint(other.pinErr)
}

// client returns an HTTP client for the address. It follows no redirect, keeps
// no cookie and uses no proxy: the token goes to this address and nowhere else.
func (a adminAccess) client(address adminAddress, secrets adminSecrets) (*http.Client, error) {
	config, err := a.tls(address, secrets)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: requestTimeout}
	if address.loopback {
		dialer.ControlContext = loopbackOnly
	}
	transport := &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    requestTimeout,
		MaxConnsPerHost:        2 * atOnce, // CA certificates and consumers
		MaxIdleConnsPerHost:    2 * atOnce,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true,
	}
	if address.socket != "" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", address.socket)
		}
	}
	return &http.Client{
		Transport:     transport,
		Timeout:       requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// loopbackOnly fails closed when a name such as localhost leads elsewhere.
func loopbackOnly(_ context.Context, _, address string, _ syscall.RawConn) error {
	if ip, err := netip.ParseAddrPort(address); err != nil || !ip.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("%s is not a loopback address, and plain http goes only there", address)
	}
	return nil
}

func (a adminAccess) tls(address adminAddress, secrets adminSecrets) (*tls.Config, error) {
	if !address.tls {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if a.caFile != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(secrets.ca)) {
			return nil, errors.New("-admin-ca-file holds no PEM certificate")
		}
	}
	if a.certFile != "" {
		pair, err := tls.X509KeyPair([]byte(secrets.cert), []byte(secrets.key))
		if err != nil {
			return nil, fmt.Errorf("-admin-cert-file and -admin-key-file: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if len(a.pins) > 0 {
		roots := config.RootCAs
		// The usual verification is done below, for what is not pinned.
		config.InsecureSkipVerify = true
		config.VerifyConnection = func(state tls.ConnectionState) error {
			return verifyServer(state.PeerCertificates, secrets, roots, address.host)
		}
	}
	return config, nil
}

// verifyServer accepts a server that shows one of the pinned certificates, or
// one that the usual verification accepts. It fails closed.
func verifyServer(presented []*x509.Certificate, secrets adminSecrets, roots *x509.CertPool, host string) error {
	if len(presented) == 0 {
		return errors.New("the server shows no certificate")
	}
	if slices.Contains(secrets.pinned, string(presented[0].Raw)) {
		return nil
	}
	intermediates := x509.NewCertPool()
	for _, cert := range presented[1:] {
		intermediates.AddCert(cert)
	}
	_, err := presented[0].Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: intermediates})
	if err == nil {
		return nil
	}
	if secrets.pinErr != nil {
		return fmt.Errorf("the server's certificate is not trusted (%w), and the one of admin_ssl_cert cannot be read (%w); -admin-ca-file can name its CA", err, secrets.pinErr)
	}
	return fmt.Errorf("the server's certificate is neither the one of admin_ssl_cert nor trusted: %w; -admin-ca-file can name its CA", err)
}
