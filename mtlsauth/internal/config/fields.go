package config

import (
	"mtls-auth/mtlsauth/internal/authn"
	"mtls-auth/mtlsauth/internal/certheader"
	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/consumer"
	"mtls-auth/mtlsauth/internal/revocation"
)

//go:generate go test . -run UpToDate -update

// fields are the fields of both plugins, in the order of Kong Enterprise's, ours last.
var fields = []field{
	{
		name: "ca_certificates", kind: array, uuid: true, required: true, minimum: 1,
		text: "Ids of the Kong CA Certificates that are trusted.",
		set:  func(d *draft, v value) { d.caCertificates = v.list },
	},
	{
		name: "certificate_header_name", plugin: HeaderCertAuth, kind: text, header: true, required: true,
		text: "The request header that has the client's certificate, spelled as it is sent, with - or _.",
		set:  func(d *draft, v value) { d.header.Name = v.text },
	},
	{
		name: "certificate_header_format", plugin: HeaderCertAuth, kind: text, oneOf: certheader.Formats(), required: true,
		text: "How the certificate is written in the header.",
		set:  func(d *draft, v value) { d.header.Format = certheader.Format(v.text) },
	},
	{
		name: "secure_source", plugin: HeaderCertAuth, kind: boolean, required: true, fallback: true,
		text: "Whether the header counts only from a peer in Kong's trusted_ips; from any other it is as if not sent.",
		set:  func(d *draft, v value) { d.header.SecureSource = v.bool },
	},
	{
		name: "skip_consumer_lookup", kind: boolean, required: true, fallback: false,
		text: "Whether a trusted certificate is enough, without a consumer.",
		set:  func(d *draft, v value) { d.skipLookup = v.bool },
	},
	{
		name: "consumer_by", kind: array, oneOf: []string{"username", "custom_id"}, fallback: []string{"username", "custom_id"}, nullable: true,
		text: "Attributes of a consumer that the names in the certificate are compared with; an empty list or null turns matching off.",
		set: func(d *draft, v value) {
			for _, attribute := range v.list {
				d.consumers.By.Username = d.consumers.By.Username || attribute == "username"
				d.consumers.By.CustomID = d.consumers.By.CustomID || attribute == "custom_id"
			}
		},
	},
	{
		name: "authenticated_group_by", kind: text, oneOf: []string{"CN", "DN"}, fallback: "CN", nullable: true,
		text: "What of the certificate becomes the authenticated group that the ACL plugin sees; null for none.",
		set: func(d *draft, v value) {
			d.settings.GroupBy = map[string]authn.GroupBy{"CN": authn.GroupByCN, "DN": authn.GroupByDN}[v.text]
		},
	},
	{
		name: "anonymous", kind: text,
		text: "UUID or username of the consumer to use when authentication fails.",
		set:  func(d *draft, v value) { d.settings.Anonymous = consumer.ParseRef(v.text) },
	},
	{
		name: "default_consumer", kind: text,
		text: "UUID or username of the consumer to use when no consumer matches a trusted certificate.",
		set:  func(d *draft, v value) { d.consumers.Default = consumer.ParseRef(v.text) },
	},
	{
		name: "allow_partial_chain", kind: boolean, required: true, fallback: false,
		text: "Whether a certification path may end at a configured certificate that is not self-signed.",
		set:  func(d *draft, v value) { d.settings.AllowPartialChain = v.bool },
	},
	{
		name: "revocation_check_mode", kind: text, oneOf: []string{"SKIP", "IGNORE_CA_ERROR", "STRICT"}, fallback: "IGNORE_CA_ERROR",
		text: "Whether certificates are checked for revocation: SKIP never; of a certificate whose status cannot be found out, IGNORE_CA_ERROR lets requests pass and STRICT refuses them.",
		set: func(d *draft, v value) {
			d.skipStatus = v.text == "SKIP"
			d.status.Mode = revocation.Strict
			if v.text == "IGNORE_CA_ERROR" {
				d.status.Mode = revocation.IgnoreCAError
			}
		},
	},
	{
		name: "http_timeout", kind: number, unit: "milliseconds", bounds: positive, fallback: 30000,
		text: "Milliseconds for each OCSP or CRL exchange, including the connection.",
		set:  func(d *draft, v value) { d.status.HTTPTimeout = v.duration },
	},
	{
		name: "cert_cache_ttl", kind: number, unit: "milliseconds", bounds: notNegative, fallback: 60000,
		text: "Milliseconds after which an OCSP response is fetched again, and a CRL, which is fetched at most every five minutes.",
		set:  func(d *draft, v value) { d.status.CertCacheTTL = v.duration },
	},
	{
		name: "cache_ttl", kind: number, unit: "seconds", bounds: notNegative, required: true, fallback: 60,
		text: "Seconds for which a consumer lookup is cached, one that found no consumer too; 0 caches none.",
		set:  func(d *draft, v value) { d.settings.CacheTTL = v.duration },
	},
	{
		name: "send_ca_dn", plugin: MTLSAuth, kind: boolean, required: true, fallback: false,
		text: "Whether clients that are asked for a certificate are sent the names of these CAs.",
		set:  func(d *draft, v value) { d.sendCADN = v.bool },
	},
	{
		name: "http_proxy_host", kind: text, host: true,
		text: "Host of the forward proxy for OCSP and CRL at http URLs.",
		set:  func(d *draft, v value) { d.http.host = v.text },
	},
	{
		name: "http_proxy_port", kind: integer, bounds: port,
		text: "Port of the forward proxy for OCSP and CRL at http URLs.",
		set:  func(d *draft, v value) { d.http.port = int(v.number) },
	},
	{
		name: "https_proxy_host", kind: text, host: true,
		text: "Host of the forward proxy for OCSP and CRL at https URLs.",
		set:  func(d *draft, v value) { d.https.host = v.text },
	},
	{
		name: "https_proxy_port", kind: integer, bounds: port,
		text: "Port of the forward proxy for OCSP and CRL at https URLs.",
		set:  func(d *draft, v value) { d.https.port = int(v.number) },
	},
	{
		name: "ssl_verify", kind: boolean, fallback: true,
		text: "Whether the TLS certificates of OCSP and CRL servers are verified, with the system's CAs.",
		set:  func(d *draft, v value) { d.status.How.SSLVerify = v.bool },
	},
	{
		name: "san_dirname_matcher", kind: array, fallback: []string{},
		text: "Attributes of a directoryName in the SAN that are subject names, by OID, long or short name; an empty list means all.",
		set:  func(d *draft, v value) { d.consumers.DirNames = consumer.NewDirNameMatcher(v.list) },
	},
	{
		name: "credentials", kind: array,
		records: []field{
			{name: "subject_name", kind: text, required: true, text: "A name in the certificate."},
			{name: "consumer", kind: text, required: true, text: "UUID or username of the consumer."},
			{name: "ca_certificate", kind: text, uuid: true, text: "Id of the CA Certificate that must have issued the certificate; any when absent."},
		},
		text: "Manual mappings of names in certificates to consumers.",
		set: func(d *draft, v value) {
			for _, r := range v.records {
				d.credentials = append(d.credentials, consumer.Credential{
					SubjectName: r["subject_name"].text, Consumer: consumer.ParseRef(r["consumer"].text), CACertificateID: r["ca_certificate"].text,
				})
			}
		},
	},
	{
		name: "certificate_chain_header_name", plugin: HeaderCertAuth, kind: text, header: true,
		text: "The request header that has the certificates above the client's; with rfc9440, base64_encoded, url_encoded and pem.",
		set:  func(d *draft, v value) { d.header.ChainName = v.text },
	},
	{
		name: "hide_certificate_header", plugin: HeaderCertAuth, kind: boolean, required: true, fallback: false,
		text: "Whether the headers with certificates are kept from the upstream.",
		set:  func(d *draft, v value) { d.header.Hide = v.bool },
	},
	{
		name: "verification_header_name", plugin: HeaderCertAuth, kind: text, header: true,
		text: "The request header that has the proxy's own verdict on the certificate, which can only refuse.",
		set:  func(d *draft, v value) { d.header.VerificationName = v.text },
	},
	{
		name: "verification_header_values", plugin: HeaderCertAuth, kind: array, minimum: 1, fallback: []string{"SUCCESS"},
		text: "The values of that header with which a certificate is not refused.",
		set:  func(d *draft, v value) { d.header.VerificationValues = v.list },
	},
	{
		name: "upstream_certificate_headers", kind: array, oneOf: []string{"rfc9440", "details"}, minimum: 1,
		text: "Headers in which the upstream is told the verified certificate: rfc9440 is Client-Cert and Client-Cert-Chain, details is X-Client-Cert and four more.",
		set: func(d *draft, v value) {
			for _, headers := range v.list {
				d.settings.Upstream |= map[string]authn.UpstreamHeaders{"rfc9440": authn.UpstreamRFC9440, "details": authn.UpstreamDetails}[headers]
			}
		},
	},
	{
		name: "spiffe_trust_domains", kind: array, minimum: 1,
		records: []field{
			{name: "trust_domain", kind: text, form: trustDomainForm, required: true, text: "The trust domain, without spiffe://."},
			{name: "ca_certificates", kind: array, uuid: true, required: true, minimum: 1, text: "Ids of the CA Certificates that speak for it, which ca_certificates must have as well."},
		},
		text: "SPIFFE trust domains; only X509-SVIDs pass, whose path ends at a CA Certificate of their own trust domain.",
		set:  func(d *draft, v value) { d.trustDomains = v.records },
	},
	{
		name: "required_policies", kind: array, form: oidForm, minimum: 1,
		text: "Certificate policies of which a path must be valid for at least one.",
		set: func(d *draft, v value) {
			for _, dotted := range v.list {
				policy, _ := certificate.ParseOID(dotted)
				d.settings.Policies = append(d.settings.Policies, policy)
			}
		},
	},
	{
		name: "required_extended_key_usages", kind: array, form: usageForm, minimum: 1,
		text: "Purposes that must all be among the extended key usages of the client's certificate.",
		set: func(d *draft, v value) {
			for _, name := range v.list {
				purpose, _ := usage(name)
				d.settings.Usages = append(d.settings.Usages, purpose)
			}
		},
	},
}

// together are fields that must be given together or not at all.
var together = [][]string{
	{"http_proxy_host", "http_proxy_port"},
	{"https_proxy_host", "https_proxy_port"},
}
