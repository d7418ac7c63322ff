package fakekong_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"
	"time"

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

// nginx's text formats, as seen.
func TestFormats(t *testing.T) {
	serial, _ := new(big.Int).SetString("04C89EA66DF39DEE468DEC53885C751A43C71BB0", 16)
	leaf := pki.NewCA("Rig").Client("", pki.With(func(c *x509.Certificate) {
		c.SerialNumber = serial
		c.RawSubject = rawName(t, "C", "CH", "O", "Rig, Inc.", "OU", "R&D", "CN", "alice")
	}), pki.Valid(time.Date(2026, 11, 3, 7, 32, 28, 0, time.UTC), time.Date(2036, 11, 20, 17, 32, 28, 0, time.UTC)))
	cs := stateOf(leaf)
	for name, want := range map[string]string{
		"ssl_client_s_dn": `CN=alice,OU=R&D,O=Rig\, Inc.,C=CH`, "ssl_client_s_dn_legacy": "/C=CH/O=Rig, Inc./OU=R&D/CN=alice",
		"ssl_client_i_dn": "CN=Rig", "ssl_client_serial": "04C89EA66DF39DEE468DEC53885C751A43C71BB0",
		"ssl_client_v_start": "Nov  3 07:32:28 2026 GMT", "ssl_client_v_end": "Nov 20 17:32:28 2036 GMT",
		"ssl_protocol": "TLSv1.3", "ssl_cipher": "TLS_AES_256_GCM_SHA384", "ssl_session_reused": ".", "ssl_session_id": "",
	} {
		if got := fakekong.TestingVar(cs, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	escaped := fakekong.TestingVar(cs, "ssl_client_escaped_cert")
	if !strings.HasPrefix(escaped, "-----BEGIN%20CERTIFICATE-----%0A") || !strings.HasSuffix(escaped, "-----END%20CERTIFICATE-----%0A") || strings.ContainsAny(escaped, "+/=\n") {
		t.Errorf("escaped: %q", escaped)
	}
	if got := fakekong.TestingVar(cs, "ssl_client_cert"); strings.HasSuffix(got, "\n") || strings.Count(got, "\n\t") != strings.Count(leaf.PEM(), "\n")-1 {
		t.Errorf("ssl_client_cert: %q", got)
	}
	if got := fakekong.TestingVar(cs, "ssl_client_fingerprint"); len(got) != 40 || strings.ToLower(got) != got {
		t.Errorf("fingerprint %q", got)
	}
	cs.Version, cs.CipherSuite = tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	if got := fakekong.TestingVar(cs, "ssl_protocol") + " " + fakekong.TestingVar(cs, "ssl_cipher"); got != "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256" {
		t.Errorf("%q", got)
	}
}

// rawName makes a name of these types and values, in this order.
func rawName(t *testing.T, pairs ...string) []byte {
	t.Helper()
	oids := map[string][]int{"C": {2, 5, 4, 6}, "O": {2, 5, 4, 10}, "OU": {2, 5, 4, 11}, "CN": {2, 5, 4, 3}}
	var rdns pkix.RDNSequence
	for i := 0; i < len(pairs); i += 2 {
		rdns = append(rdns, pkix.RelativeDistinguishedNameSET{{Type: oids[pairs[i]], Value: pairs[i+1]}})
	}
	raw, err := asn1.Marshal(rdns)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
