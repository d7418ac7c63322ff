// Package config is the plugin's configuration in Kong's words: the schema that Kong
// checks it with, and the parser that makes settings of it.
package config

import (
	"encoding/json"
	"errors"
	"fmt"

	"mtls-auth/mtlsauth/internal/authn"
)

// Config is a plugin configuration in Kong's words, checked: every value is
// one that the schema allows. It is made by Parse only.
type Config struct {
	// CACertificates are the ids of the Kong CA Certificates that are trusted,
	// in lower case, at least one.
	CACertificates []string
	// SkipConsumerLookup lets a trusted certificate be enough.
	SkipConsumerLookup bool
	// ConsumerBy are the consumer attributes that a subject name is matched
	// with; empty for none.
	ConsumerBy []string
	// AuthenticatedGroupBy says what becomes an authenticated group.
	AuthenticatedGroupBy authn.GroupBy
	// Anonymous and DefaultConsumer name a consumer by UUID or username; ""
	// for none.
	Anonymous, DefaultConsumer string
	// AllowPartialChain lets a path end at a configured certificate that is no
	// root.
	AllowPartialChain bool
	// RevocationCheckMode is SKIP, IGNORE_CA_ERROR or STRICT.
	RevocationCheckMode string
	// SendCADN asks for the CAs' names to be sent in the TLS handshake, which
	// no plugin server can do.
	SendCADN bool
	// HTTPTimeout is for each OCSP or CRL exchange, CertCacheTTL is after what
	// time an answer is asked for anew, both in milliseconds.
	HTTPTimeout, CertCacheTTL float64
	// HTTPProxy and HTTPSProxy are forward proxies for OCSP and CRL, as
	// host:port; "" for none.
	HTTPProxy, HTTPSProxy string
	// SSLVerify has TLS servers of OCSP and CRL addresses verified.
	SSLVerify bool
	// CacheTTL is how long a consumer lookup is kept, in seconds.
	CacheTTL float64
	// SANDirNameMatcher are the attributes of a directoryName that are subject
	// names; empty for all.
	SANDirNameMatcher []string
	// Credentials are the manual mappings.
	Credentials []Credential
}

// Credential is a manual mapping in a configuration.
type Credential struct {
	SubjectName string
	// Consumer is a UUID or a username.
	Consumer string
	// CACertificate is the id of the CA certificate that the certificate must
	// come from; "" for any.
	CACertificate string
}

// Names of the fields, as Kong has them.
const (
	fieldCACertificates       = "ca_certificates"
	fieldSkipConsumerLookup   = "skip_consumer_lookup"
	fieldConsumerBy           = "consumer_by"
	fieldAuthenticatedGroupBy = "authenticated_group_by"
	fieldAnonymous            = "anonymous"
	fieldDefaultConsumer      = "default_consumer"
	fieldAllowPartialChain    = "allow_partial_chain"
	fieldRevocationCheckMode  = "revocation_check_mode"
	fieldHTTPTimeout          = "http_timeout"
	fieldCertCacheTTL         = "cert_cache_ttl"
	fieldCacheTTL             = "cache_ttl"
	fieldSendCADN             = "send_ca_dn"
	fieldHTTPProxyHost        = "http_proxy_host"
	fieldHTTPProxyPort        = "http_proxy_port"
	fieldHTTPSProxyHost       = "https_proxy_host"
	fieldHTTPSProxyPort       = "https_proxy_port"
	fieldSSLVerify            = "ssl_verify"
	fieldSANDirNameMatcher    = "san_dirname_matcher"
	fieldCredentials          = "credentials"
)

const (
	modeSkip          = "SKIP"
	modeIgnoreCAError = "IGNORE_CA_ERROR"
	modeStrict        = "STRICT"
)

// Parse reads a configuration as Kong sends it in StartInstance: what is
// null was left out, and every default is filled in where the schema has them. It refuses what the
// schema would have refused, naming every field that is wrong; fields that it
// does not know are of later versions or Kong's own and are let be.
func Parse(data []byte) (Config, error) {
	f := fields{raw: map[string]json.RawMessage{}}
	if err := json.Unmarshal(data, &f.raw); err != nil {
		return Config{}, fmt.Errorf("config: reading the JSON object that Kong sends: %w", err)
	}
	c := Config{
		CACertificates:      f.uuids(fieldCACertificates),
		SkipConsumerLookup:  f.bool(fieldSkipConsumerLookup, false),
		ConsumerBy:          f.strings(fieldConsumerBy, "username", "custom_id"),
		Anonymous:           f.string(fieldAnonymous),
		DefaultConsumer:     f.string(fieldDefaultConsumer),
		AllowPartialChain:   f.bool(fieldAllowPartialChain, false),
		RevocationCheckMode: f.oneOf(fieldRevocationCheckMode, modeIgnoreCAError, modeSkip, modeIgnoreCAError, modeStrict),
		SendCADN:            f.bool(fieldSendCADN, false),
		CacheTTL:            f.number(fieldCacheTTL, 60, func(n float64) bool { return n >= 0 }, "a number of seconds, 0 or more"),
		SANDirNameMatcher:   f.strings(fieldSANDirNameMatcher),
		Credentials:         f.credentials(),
	}
	switch f.oneOf(fieldAuthenticatedGroupBy, "", "CN", "DN") {
	case "CN":
		c.AuthenticatedGroupBy = authn.GroupByCN
	case "DN":
		c.AuthenticatedGroupBy = authn.GroupByDN
	}
	c.HTTPTimeout = f.number(fieldHTTPTimeout, 30000, func(n float64) bool { return n > 0 }, "a number of milliseconds over 0")
	c.CertCacheTTL = f.number(fieldCertCacheTTL, 60000, func(n float64) bool { return n >= 0 }, "a number of milliseconds, 0 or more")
	c.HTTPProxy = f.proxy(fieldHTTPProxyHost, fieldHTTPProxyPort)
	c.HTTPSProxy = f.proxy(fieldHTTPSProxyHost, fieldHTTPSProxyPort)
	c.SSLVerify = f.bool(fieldSSLVerify, true)
	if len(f.wrong) > 0 {
		return Config{}, errors.Join(f.wrong...)
	}
	return c, nil
}
