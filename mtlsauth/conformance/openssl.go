package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"mtls-auth/mtlsauth/internal/testing/anykong"
)

// byOpenSSL is `openssl verify`, with CRLs where the vector has some.
func byOpenSSL(ctx context.Context, v vector) (answer, error) {
	dir, err := os.MkdirTemp("", "conformance-")
	if err != nil {
		return cannot, err
	}
	defer os.RemoveAll(dir)
	args := []string{"verify", "-purpose", "sslclient", "-no-CApath", "-no-CAstore", "-CAfile", filepath.Join(dir, "anchors")}
	if !v.at.IsZero() {
		args = append(args, "-attime", strconv.FormatInt(v.at.Unix(), 10))
	}
	files := map[string][]byte{"anchors": pemOf("CERTIFICATE", v.anchors...), "leaf": pemOf("CERTIFICATE", v.leaf)}
	if len(v.chain) > 0 {
		files["chain"] = pemOf("CERTIFICATE", v.chain...)
		args = append(args, "-untrusted", filepath.Join(dir, "chain"))
	}
	if v.crls != nil {
		args = append(args, "-crl_check_all", "-extended_crl", "-use_deltas")
		if len(v.crls) > 0 {
			files["crls"] = pemOf("X509 CRL", v.crls...)
			args = append(args, "-CRLfile", filepath.Join(dir, "crls"))
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return cannot, err
		}
	}
	err = exec.CommandContext(ctx, "openssl", append(args, filepath.Join(dir, "leaf"))...).Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		return cannot, err
	}
	return saysIf(err == nil), nil
}

// byOpenSSLOCSP is `openssl ocsp`, which asks the responder itself.
func byOpenSSLOCSP(ctx context.Context, v vector) (answer, error) {
	dir, err := os.MkdirTemp("", "conformance-")
	if err != nil {
		return cannot, err
	}
	defer os.RemoveAll(dir)
	issuer, leaf := filepath.Join(dir, "issuer"), filepath.Join(dir, "leaf")
	if err := errors.Join(os.WriteFile(issuer, pemOf("CERTIFICATE", v.anchors[0]), 0o600), os.WriteFile(leaf, pemOf("CERTIFICATE", v.leaf), 0o600)); err != nil {
		return cannot, err
	}
	out, _ := exec.CommandContext(ctx, "openssl", "ocsp", "-issuer", issuer, "-cert", leaf, "-CAfile", issuer, "-url", v.ocsp, "-no_nonce").CombinedOutput()
	text := string(out)
	return saysIf(strings.Contains(text, "Response verify OK") && strings.Contains(text, leaf+": good") && !strings.Contains(text, "WARNING")), nil
}

// proxies are nginx or HAProxy with a listener for each vector.
type proxies struct {
	name    string
	dir     string
	started *exec.Cmd
	refused map[int]bool // a listener that the proxy does not start with
}

func (p *proxies) stop() {
	if p.started != nil {
		p.started.Process.Kill()
		p.started.Wait()
	}
	os.RemoveAll(p.dir)
}

// start writes the files of all vectors and starts the proxy, without the listeners that it
// refuses: one whose CA certificates or CRLs it does not load lets no client in.
func start(ctx context.Context, name string, vectors []vector, config func(dir string, use map[int]vector) string, check, run []string) (*proxies, error) {
	dir, err := os.MkdirTemp("", "conformance-")
	if err != nil {
		return nil, err
	}
	p := &proxies{name: name, dir: dir, refused: map[int]bool{}}
	server, _, err := anykong.ServerCertificate()
	if err != nil {
		return p, err
	}
	key, err := marshalKey(server.PrivateKey)
	if err != nil {
		return p, err
	}
	write := func(name string, text []byte) {
		if e := os.WriteFile(filepath.Join(dir, name), text, 0o600); e != nil && err == nil {
			err = e
		}
	}
	write("server.pem", append(pemOf("CERTIFICATE", server.Certificate...), key...))
	use := map[int]vector{}
	for n, v := range vectors {
		use[n] = v
		write(fmt.Sprintf("%d-ca.pem", n), pemOf("CERTIFICATE", v.anchors...))
		if len(v.crls) > 0 {
			write(fmt.Sprintf("%d-crl.pem", n), pemOf("X509 CRL", v.crls...))
		}
	}
	file := filepath.Join(dir, "conf")
	for err == nil {
		write("conf", []byte(config(dir, use)))
		out, failed := exec.CommandContext(ctx, check[0], append(check[1:], file)...).CombinedOutput()
		if failed == nil {
			break
		}
		before := len(use)
		for n := range use {
			for _, kind := range []string{"ca", "crl"} {
				if strings.Contains(string(out), fmt.Sprintf("/%d-%s.pem", n, kind)) {
					delete(use, n)
					p.refused[n] = true
				}
			}
		}
		if len(use) == before {
			return p, fmt.Errorf("%s: %w\n%s", name, failed, out)
		}
	}
	if err != nil {
		return p, err
	}
	p.started = exec.CommandContext(ctx, run[0], append(run[1:], file)...)
	if err := p.started.Start(); err != nil {
		return p, err
	}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		last := -1
		for n := range use {
			last = max(last, n)
		}
		if c, err := net.Dial("unix", p.socket(last)); err == nil {
			c.Close()
			return p, nil
		}
		if time.Since(began) > time.Minute {
			return p, fmt.Errorf("%s does not listen", name)
		}
	}
}

func (p *proxies) socket(n int) string { return filepath.Join(p.dir, fmt.Sprintf("%d.sock", n)) }

// ask makes a handshake and a request.
func (p *proxies) ask(n int, v vector) (answer, error) {
	if p.refused[n] {
		return refuses, nil
	}
	pair := v.pair()
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", p.socket(n))
		},
		TLSClientConfig: &tls.Config{
			InsecureSkipVerify:   true, //nolint:gosec // the server is not what is verified here
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil },
		},
	}
	defer transport.CloseIdleConnections()
	// nginx begins to ask the responder with the first request, and answers when it has.
	response, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Get("https://localhost/")
	if err != nil {
		return refuses, nil // the handshake ended with an alert
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return refuses, nil
	}
	return saysIf(response.StatusCode == http.StatusOK && strings.TrimSpace(string(body)) == "SUCCESS"), nil
}

// startNginx has ssl_verify_client with ssl_crl, or with ssl_ocsp where a vector names a
// responder.
func startNginx(ctx context.Context, vectors []vector) (*proxies, error) {
	return start(ctx, "nginx", vectors, func(dir string, use map[int]vector) string {
		var b strings.Builder
		fmt.Fprintf(&b, "daemon off;\nmaster_process off;\nworker_rlimit_nofile 4096;\npid %s/pid;\nerror_log %s/log info;\nevents { worker_connections 1024; }\nhttp {\naccess_log off;\n", dir, dir)
		for n, v := range use {
			fmt.Fprintf(&b, "server {\nlisten unix:%s/%d.sock ssl;\nssl_certificate %s/server.pem;\nssl_certificate_key %s/server.pem;\nssl_verify_client on;\nssl_verify_depth 20;\nssl_client_certificate %s/%d-ca.pem;\n", dir, n, dir, dir, dir, n)
			if len(v.crls) > 0 {
				fmt.Fprintf(&b, "ssl_crl %s/%d-crl.pem;\n", dir, n)
			}
			if v.ocsp != "" {
				b.WriteString("ssl_ocsp on;\n")
			}
			b.WriteString("return 200 $ssl_client_verify;\n}\n")
		}
		return b.String() + "}\n"
	}, []string{"nginx", "-t", "-q", "-c"}, []string{"nginx", "-c"})
}

// startHAProxy has verify required with crl-file.
func startHAProxy(ctx context.Context, vectors []vector) (*proxies, error) {
	return start(ctx, "haproxy", vectors, func(dir string, use map[int]vector) string {
		var b strings.Builder
		b.WriteString("global\nmaxconn 200\ndefaults\nmode http\ntimeout client 60s\ntimeout server 60s\ntimeout connect 60s\nfrontend all\n")
		for n, v := range use {
			fmt.Fprintf(&b, "bind %s/%d.sock ssl crt %s/server.pem verify required ca-file %s/%d-ca.pem", dir, n, dir, dir, n)
			if len(v.crls) > 0 {
				fmt.Fprintf(&b, " crl-file %s/%d-crl.pem", dir, n)
			}
			b.WriteString("\n")
		}
		b.WriteString("http-request return status 200 content-type text/plain string SUCCESS\n")
		return b.String()
	}, []string{"haproxy", "-c", "-q", "-f"}, []string{"haproxy", "-f"})
}
