package fakekong

import "crypto/tls"

// TestingChain is get_full_client_certificate_chain for a connection.
func TestingChain(cs *tls.ConnectionState) string { return new(connection).chainPEM(cs) }

// TestingVar is get_var for a variable about a TLS connection.
func TestingVar(cs *tls.ConnectionState, name string) string {
	v, _ := new(connection).tlsVar(cs, name)
	return v
}
