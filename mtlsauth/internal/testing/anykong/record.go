package anykong

// Record is a request in the access log: some of the fields of Kong's log
// serializer, under their names.
type Record struct {
	Request struct {
		ID  string     `json:"id"`
		URI string     `json:"uri"`
		TLS *RecordTLS `json:"tls,omitempty"`
	} `json:"request"`
	// MTLSAuth is what the plugin has set.
	MTLSAuth map[string]any `json:"mtls_auth"`
}

// RecordTLS is request.tls of Kong's log serializer.
type RecordTLS struct {
	// ClientVerify is $ssl_client_verify, or what a plugin has put into ngx.ctx
	// as CLIENT_VERIFY_OVERRIDE.
	ClientVerify string `json:"client_verify"`
}
