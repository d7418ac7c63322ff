package certheader_test

import (
	"slices"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/certheader"
)

func TestRead(t *testing.T) {
	leaf, inter := samples(t)
	value, chainValue := encode(certheader.RFC9440, [][]byte{leaf}), encode(certheader.RFC9440, [][]byte{inter})
	type lines = []certheader.Line
	var (
		cert       = certheader.Line{Name: "client-cert", Value: value}
		twin       = certheader.Line{Name: "client_cert", Value: value}
		forged     = certheader.Line{Name: "Client-Cert", Value: chainValue}
		chain      = certheader.Line{Name: "client-cert-chain", Value: chainValue}
		other      = certheader.Line{Name: "x-client-cert", Value: chainValue}
		success    = certheader.Line{Name: "x-verify", Value: " SUCCESS "}
		failed     = certheader.Line{Name: "x-verify", Value: "FAILED:certificate has expired"}
		one        = []string{alice}
		withChain  = certheader.Settings{ChainName: "Client-Cert-Chain"}
		verified   = certheader.Settings{VerificationName: "X-Verify", VerificationValues: []string{"0", "SUCCESS"}}
		secure     = certheader.Settings{SecureSource: true}
		many       = slices.Repeat(lines{other}, 2000)
		underscore = certheader.Settings{Name: "Client_Cert"}
	)
	for _, test := range []struct {
		name     string
		settings certheader.Settings
		request  certheader.Request
		want     []string
		token    certheader.Token
	}{
		{"sent", certheader.Settings{}, certheader.Request{Lines: lines{other, cert}}, one, ""},
		{"not sent", certheader.Settings{}, certheader.Request{Lines: lines{other}}, nil, ""},
		{"no headers", certheader.Settings{}, certheader.Request{}, nil, ""},
		{"empty", certheader.Settings{}, certheader.Request{Lines: lines{{Name: "client-cert"}}}, nil, ""},
		{"space", certheader.Settings{}, certheader.Request{Lines: lines{{Name: "client-cert", Value: " \t"}}}, nil, ""},
		{"Apache's null", certheader.Settings{}, certheader.Request{Lines: lines{{Name: "client-cert", Value: "(null)"}}}, nil, ""},
		{"Caddy's placeholder", certheader.Settings{}, certheader.Request{Lines: lines{{Name: "client-cert", Value: ":{http.request.tls.client.certificate_der_base64}:"}}}, nil, ""},
		{"two placeholders", certheader.Settings{}, certheader.Request{Lines: lines{{Name: "client-cert", Value: "{http.request.tls.client.a}{http.request.tls.client.b}"}}}, nil, certheader.BadEncoding},
		{"another placeholder", certheader.Settings{}, certheader.Request{Lines: lines{{Name: "client-cert", Value: "{http.request.host}"}}}, nil, certheader.BadEncoding},

		{"the other spelling alone", certheader.Settings{}, certheader.Request{Lines: lines{twin}}, nil, certheader.Twin},
		{"both spellings", certheader.Settings{}, certheader.Request{Lines: lines{cert, twin}}, nil, certheader.Twin},
		{"both spellings, the other first", certheader.Settings{}, certheader.Request{Lines: lines{twin, cert}}, nil, certheader.Twin},
		{"the other spelling, empty", certheader.Settings{}, certheader.Request{Lines: lines{cert, {Name: "client_cert"}}}, nil, certheader.Twin},
		{"underscores are configured", underscore, certheader.Request{Lines: lines{{Name: "CLIENT_CERT", Value: value}}}, one, ""},
		{"underscores are configured, dashes sent", underscore, certheader.Request{Lines: lines{cert}}, nil, certheader.Twin},
		{"underscores are configured, both sent", underscore, certheader.Request{Lines: lines{twin, cert}}, nil, certheader.Twin},
		{"some underscores", certheader.Settings{Name: "x-client_cert"}, certheader.Request{Lines: lines{{Name: "x_client-cert", Value: value}}}, nil, certheader.Twin},
		{"twice", certheader.Settings{}, certheader.Request{Lines: lines{cert, forged}}, nil, certheader.Duplicate},
		{"twice with equal values", certheader.Settings{}, certheader.Request{Lines: lines{cert, cert}}, nil, certheader.Duplicate},
		{"twice, one empty", certheader.Settings{}, certheader.Request{Lines: lines{cert, {Name: "Client-Cert"}}}, nil, certheader.Duplicate},

		{"with a chain", withChain, certheader.Request{Lines: lines{chain, cert}}, []string{alice, intermediate}, ""},
		{"a chain that is not configured", certheader.Settings{}, certheader.Request{Lines: lines{chain, cert}}, one, ""},
		{"a chain alone", withChain, certheader.Request{Lines: lines{chain}}, nil, ""},
		{"the chain in the other spelling", withChain, certheader.Request{Lines: lines{cert, {Name: "client_cert_chain", Value: chainValue}}}, nil, certheader.Twin},
		{"the chain in both spellings", withChain, certheader.Request{Lines: lines{cert, chain, {Name: "client_cert_chain", Value: chainValue}}}, nil, certheader.Twin},
		{"a chain that cannot be read", withChain, certheader.Request{Lines: lines{cert, {Name: "client-cert-chain", Value: "x"}}}, nil, certheader.BadEncoding},

		{"more headers than were read", certheader.Settings{}, certheader.Request{Lines: lines{cert}, Incomplete: true}, nil, certheader.TooMany},
		{"more headers than were read, without it", certheader.Settings{}, certheader.Request{Lines: lines{other}, Incomplete: true}, nil, certheader.TooMany},
		{"many headers", certheader.Settings{}, certheader.Request{Lines: append(slices.Clone(many), cert)}, one, ""},
		{"too large", certheader.Settings{}, certheader.Request{Lines: lines{{Name: "client-cert", Value: ":" + strings.Repeat("A", 64<<10) + ":"}}}, nil, certheader.TooLarge},

		{"verified", verified, certheader.Request{Lines: lines{cert, success}}, one, ""},
		{"not verified", verified, certheader.Request{Lines: lines{cert, failed}}, nil, certheader.NotVerified},
		{"no verdict", verified, certheader.Request{Lines: lines{cert}}, nil, certheader.NotVerified},
		{"an empty verdict", verified, certheader.Request{Lines: lines{cert, {Name: "x-verify"}}}, nil, certheader.NotVerified},
		{"a verdict in another case", verified, certheader.Request{Lines: lines{cert, {Name: "x-verify", Value: "success"}}}, nil, certheader.NotVerified},
		{"two verdicts", verified, certheader.Request{Lines: lines{cert, success, failed}}, nil, certheader.Duplicate},
		{"two equal verdicts", verified, certheader.Request{Lines: lines{cert, success, success}}, nil, certheader.Duplicate},
		{"a verdict in the other spelling", verified, certheader.Request{Lines: lines{cert, {Name: "x_verify", Value: "SUCCESS"}}}, nil, certheader.Twin},
		{"a verdict without a certificate", verified, certheader.Request{Lines: lines{success}}, nil, ""},
		{"a failed verdict without a certificate", verified, certheader.Request{Lines: lines{failed}}, nil, ""},

		{"from an untrusted peer", secure, certheader.Request{Lines: lines{cert}}, nil, certheader.UntrustedPeer},
		{"the other spelling from an untrusted peer", secure, certheader.Request{Lines: lines{twin}}, nil, certheader.UntrustedPeer},
		{"nothing from an untrusted peer", secure, certheader.Request{Lines: lines{other}, Incomplete: true}, nil, ""},
		{"from a trusted peer", secure, certheader.Request{Lines: lines{cert}, Trusted: true}, one, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := test.settings
			s.Format = certheader.RFC9440
			if s.Name == "" {
				s.Name = "Client-Cert"
			}
			sums, token := readFrom(t, s, test.request)
			if !slices.Equal(sums, test.want) || token != test.token {
				t.Errorf("got %v %q, want %v %q", sums, token, test.want, test.token)
			}
		})
	}
}

func TestConcerns(t *testing.T) {
	s := certheader.Settings{Name: "Client-Cert", ChainName: "Client-Cert-Chain", VerificationName: "SSL_Verify"}
	for name, want := range map[string]bool{
		"client-cert": true, "CLIENT_cert": true, "client-cert_chain": true, "ssl-verify": true, "ssl_verify": true,
		"": false, "client-cer": false, "client-certs": false, "x-client-cert": false, "client.cert": false,
	} {
		if s.Concerns(name) != want {
			t.Errorf("%q: got %v", name, !want)
		}
	}
	bare := certheader.Settings{Name: "a"}
	if bare.Concerns("") {
		t.Error("a header that is not configured concerns it")
	}
}

// An error tells what a header is like and nothing of what is in it.
func TestErrorsTellNoValue(t *testing.T) {
	s := certheader.Settings{Name: "Client-Cert", Format: certheader.Base64Encoded}
	_, err := s.Read(certheader.Request{Lines: []certheader.Line{{Name: "client-cert", Value: "c2VjcmV0 c2VjcmV0"}}})
	if want := `bad_encoding: header Client-Cert: byte 9 is ' ', which is not in base64's standard alphabet; it has 17 bytes`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
