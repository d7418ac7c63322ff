package kongdata

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
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

// adminAccess is what a request to the Admin API needs besides the address. An
// empty path is none. The files are read again when they change.
type adminAccess struct {
	token  string
	caPEM  []byte
	cert   []byte
	key    []byte
	pinned [][]byte // DER of certificates that are trusted as they are

	tokenFile, caFile, certFile, keyFile *filewatch.File
	pinFiles                             []*filewatch.File
	pinErr                               error
	pinByPath                            map[string][]byte
}

func newAdminAccess(c Config, pins []string) *adminAccess {
	access := &adminAccess{
		tokenFile: accessFile(c.AdminTokenFile),
		caFile:    accessFile(c.AdminCAFile),
		certFile:  accessFile(c.AdminCertFile),
		keyFile:   accessFile(c.AdminKeyFile),
		pinByPath: make(map[string][]byte),
	}
	for _, path := range pins {
		access.pinFiles = append(access.pinFiles, accessFile(path))
	}
	return access
}

func accessFile(path string) *filewatch.File {
	if path == "" {
		return nil
	}
	return filewatch.New(path, maxAccessFile)
}

// read reads the files that have changed and returns whether any did.
func (a *adminAccess) read(force bool) (bool, error) {
	var token []byte
	var changed bool
	for _, f := range []struct {
		flag string
		file *filewatch.File
		into *[]byte
	}{
		{"-admin-token-file", a.tokenFile, &token},
		{"-admin-ca-file", a.caFile, &a.caPEM},
		{"-admin-cert-file", a.certFile, &a.cert},
		{"-admin-key-file", a.keyFile, &a.key},
	} {
		if f.file == nil {
			continue
		}
		data, fresh, err := f.file.Read(force)
		if err != nil {
			return false, fmt.Errorf("reading %s: %w", f.flag, err)
		}
		if !fresh || f.into != &token && bytes.Equal(data, *f.into) {
			continue
		}
		*f.into, changed = data, true
	}
	if token != nil {
		text := strings.TrimSpace(string(token))
		if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
			a.tokenFile.Again()
			return false, errors.New("-admin-token-file holds no token")
		}
		changed = changed || text != a.token
		a.token = text
	}
	return a.readPins(force) || changed, nil
}

// readPins reads the certificates that are trusted as they are. One that cannot be
// read is not trusted; the rest of TLS still works.
func (a *adminAccess) readPins(force bool) bool {
	changed := false
	a.pinErr = nil
	for _, file := range a.pinFiles {
		data, fresh, err := file.Read(force)
		if err != nil {
			a.pinErr = err
			changed = changed || a.pinByPath[file.Path()] != nil
			delete(a.pinByPath, file.Path())
			continue
		}
		if !fresh {
			continue
		}
		// The first is the server's own, what follows is its chain.
		block, _ := pem.Decode(data)
		if block == nil || block.Type != "CERTIFICATE" {
			a.pinErr = fmt.Errorf("%s holds no PEM certificate", file.Path())
			block = &pem.Block{}
		}
		changed = changed || !bytes.Equal(a.pinByPath[file.Path()], block.Bytes)
		a.pinByPath[file.Path()] = block.Bytes
	}
	a.pinned = nil
	for _, der := range a.pinByPath {
		if len(der) > 0 {
			a.pinned = append(a.pinned, der)
		}
	}
	return changed
}

// client returns an HTTP client for the address. It follows no redirect, keeps
// no cookie and uses no proxy: the token goes to this address and nowhere else.
func (a *adminAccess) client(address adminAddress) (*http.Client, error) {
	config, err := a.tls(address)
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

func (a *adminAccess) tls(address adminAddress) (*tls.Config, error) {
	if !address.tls {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if a.caFile != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(a.caPEM) {
			return nil, errors.New("-admin-ca-file holds no PEM certificate")
		}
	}
	if a.certFile != nil {
		pair, err := tls.X509KeyPair(a.cert, a.key)
		if err != nil {
			return nil, fmt.Errorf("-admin-cert-file and -admin-key-file: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if len(a.pinFiles) > 0 {
		pinned, pinErr, roots := a.pinned, a.pinErr, config.RootCAs
		// The usual verification is done below, for what is not pinned.
		config.InsecureSkipVerify = true
		config.VerifyConnection = func(state tls.ConnectionState) error {
			return verifyServer(state.PeerCertificates, pinned, pinErr, roots, address.host)
		}
	}
	return config, nil
}

// verifyServer accepts a server that shows one of the pinned certificates, or
// one that the usual verification accepts. It fails closed.
func verifyServer(presented []*x509.Certificate, pinned [][]byte, pinErr error, roots *x509.CertPool, host string) error {
	if len(presented) == 0 {
		return errors.New("the server shows no certificate")
	}
	for _, der := range pinned {
		if bytes.Equal(presented[0].Raw, der) {
			return nil
		}
	}
	intermediates := x509.NewCertPool()
	for _, cert := range presented[1:] {
		intermediates.AddCert(cert)
	}
	_, err := presented[0].Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: intermediates})
	if err == nil {
		return nil
	}
	if pinErr != nil {
		return fmt.Errorf("the server's certificate is not trusted (%w), and the one of admin_ssl_cert cannot be read (%w); -admin-ca-file can name its CA", err, pinErr)
	}
	return fmt.Errorf("the server's certificate is neither the one of admin_ssl_cert nor trusted: %w; -admin-ca-file can name its CA", err)
}
