package fakekong_test

import (
	"crypto/tls"
	"crypto/x509"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/fakekong"
	"mtls-auth/mtlsauth/internal/testing/pki"
)

func stateOf(leaf *pki.Certificate, above ...*pki.Certificate) *tls.ConnectionState {
	cs := &tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_256_GCM_SHA384, PeerCertificates: []*x509.Certificate{leaf.Certificate}}
	for _, c := range above {
		cs.PeerCertificates = append(cs.PeerCertificates, c.Certificate)
	}
	return cs
}

// crypto/tls keeps the whole chain in a session, OpenSSL the leaf alone.
func TestNoChainOnAResumedSession(t *testing.T) {
	inter := pki.NewCA("root").Intermediate("i")
	leaf := inter.Client("alice")
	cs := stateOf(leaf, inter)
	if got := fakekong.TestingChain(cs); got != leaf.PEM()+inter.PEM() {
		t.Errorf("full handshake: %q", got)
	}
	cs.DidResume = true
	if got := fakekong.TestingChain(cs); got != "" {
		t.Errorf("resumed: %q", got)
	}
	if got := fakekong.TestingVar(cs, "ssl_client_raw_cert"); got != leaf.PEM() {
		t.Errorf("leaf on a resumed session: %q", got)
	}
	if got := fakekong.TestingChain(nil); got != "" {
		t.Errorf("plain HTTP: %q", got)
	}
}
