// Code generated from the table of fields in mtlsauth/internal/config. DO NOT EDIT.

package main

// Config is a configuration. go-pluginserver makes Kong's schema of its fields, which has
// no defaults, nothing that is required and no bounds: those are checked when an instance
// starts. The fields are for that schema alone and stay empty; only pointers are no fields
// of it.
type Config struct {
	CACertificates             []string             `json:"ca_certificates"`
	SkipConsumerLookup         bool                 `json:"skip_consumer_lookup"`
	ConsumerBy                 []string             `json:"consumer_by"`
	AuthenticatedGroupBy       string               `json:"authenticated_group_by"`
	Anonymous                  string               `json:"anonymous"`
	DefaultConsumer            string               `json:"default_consumer"`
	AllowPartialChain          bool                 `json:"allow_partial_chain"`
	RevocationCheckMode        string               `json:"revocation_check_mode"`
	HTTPTimeout                float64              `json:"http_timeout"`
	CertCacheTTL               float64              `json:"cert_cache_ttl"`
	CacheTTL                   float64              `json:"cache_ttl"`
	SendCADN                   bool                 `json:"send_ca_dn"`
	HTTPProxyHost              string               `json:"http_proxy_host"`
	HTTPProxyPort              int                  `json:"http_proxy_port"`
	HTTPSProxyHost             string               `json:"https_proxy_host"`
	HTTPSProxyPort             int                  `json:"https_proxy_port"`
	SSLVerify                  bool                 `json:"ssl_verify"`
	SANDirnameMatcher          []string             `json:"san_dirname_matcher"`
	Credentials                []Credentials        `json:"credentials"`
	UpstreamCertificateHeaders []string             `json:"upstream_certificate_headers"`
	SPIFFETrustDomains         []SPIFFETrustDomains `json:"spiffe_trust_domains"`
	RequiredPolicies           []string             `json:"required_policies"`
	RequiredExtendedKeyUsages  []string             `json:"required_extended_key_usages"`

	instance *instance
}

// Credentials is an element of credentials.
type Credentials struct {
	SubjectName   string `json:"subject_name"`
	Consumer      string `json:"consumer"`
	CACertificate string `json:"ca_certificate"`
}

// SPIFFETrustDomains is an element of spiffe_trust_domains.
type SPIFFETrustDomains struct {
	TrustDomain    string   `json:"trust_domain"`
	CACertificates []string `json:"ca_certificates"`
}
