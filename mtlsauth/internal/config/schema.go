package config

// The schema is what Kong checks a configuration against, in the Admin API, in
// decK and in declarative files, and where its defaults come from. Kong takes
// it from the query command word for word; its own rules for schemas are those
// of Kong's MetaSchema (a description has at least 10 characters, say).

// object is a JSON object whose keys have no order, field one that has a
// single key: Kong's way to keep fields in theirs.
type (
	object map[string]any
	field  map[string]object
)

// Info is what Kong is told about the plugin.
type Info struct {
	Name     string
	Phases   []string
	Version  string
	Priority int
	Schema   object
}

// Version is the version of the program and of the plugin, x.y.z.
const Version = "0.1.0"

// Priority places the plugin in Kong's order: after pre-function (1000000),
// before all other authentication plugins. It is the enterprise plugin's.
const Priority = 1600

// Describe returns what Kong is told about the plugin of this name.
func Describe(name string) Info {
	return Info{
		Name:     name,
		Phases:   []string{"access"},
		Version:  Version,
		Priority: Priority,
		Schema:   schema(name),
	}
}

func schema(name string) object {
	protocols := []string{"grpc", "grpcs", "http", "https"}
	return object{"name": name, "fields": []field{
		{"protocols": {
			"type": "set", "required": true, "default": protocols,
			"elements":    object{"type": "string", "one_of": protocols},
			"description": "The protocols of the requests that the plugin runs on.",
		}},
		// The consumer is what the plugin finds out: it can not depend on one.
		{"consumer": {
			"type": "foreign", "reference": "consumers", "eq": nil,
			"description": "The plugin can not be set up for one consumer.",
		}},
		{"config": {
			"type": "record", "required": true, "fields": configFields(),
			"entity_checks": []object{
				{"mutually_required": []string{fieldHTTPProxyHost, fieldHTTPProxyPort}},
				{"mutually_required": []string{fieldHTTPSProxyHost, fieldHTTPSProxyPort}},
			},
		}},
	}}
}

func configFields() []field {
	text := object{"type": "string"}
	id := object{"type": "string", "uuid": true}
	port := func(description string) object {
		return object{"type": "integer", "between": []int{0, 65535}, "description": description}
	}
	return []field{
		{fieldCACertificates: {
			"type": "array", "required": true, "len_min": 1, "elements": id,
			"description": "Ids of the CA Certificates that client certificates are verified against.",
		}},
		{fieldSkipConsumerLookup: {
			"type": "boolean", "required": true, "default": false,
			"description": "Let a trusted certificate be enough and look up no consumer.",
		}},
		{fieldConsumerBy: {
			"type": "array", "default": []string{"username", "custom_id"},
			"elements":    object{"type": "string", "one_of": []string{"username", "custom_id"}},
			"description": "Consumer attributes that the names in the certificate are matched with; none turns matching off.",
		}},
		{fieldAuthenticatedGroupBy: {
			"type": "string", "default": "CN", "one_of": []string{"CN", "DN"},
			"description": "What of the certificate becomes the authenticated group that the ACL plugin sees, when no consumer is looked up.",
		}},
		{fieldAnonymous: {
			"type":        "string",
			"description": "UUID or username of the consumer to use when authentication fails.",
		}},
		{fieldDefaultConsumer: {
			"type":        "string",
			"description": "UUID or username of the consumer to use when a trusted certificate is nobody's.",
		}},
		{fieldAllowPartialChain: {
			"type": "boolean", "required": true, "default": false,
			"description": "Let a certification path end at a configured certificate that is no root.",
		}},
		{fieldRevocationCheckMode: {
			"type": "string", "default": modeIgnoreCAError, "one_of": []string{modeSkip, modeIgnoreCAError, modeStrict},
			"description": "How the status of a certificate is checked: not at all, unless the responder fails, or always.",
		}},
		{fieldHTTPTimeout: {
			"type": "number", "default": 30000, "gt": 0,
			"description": "Milliseconds that an OCSP or CRL exchange may take, the connection included.",
		}},
		{fieldCertCacheTTL: {
			"type": "number", "default": 60000, "between": []int{0, maxSafeInteger},
			"description": "Milliseconds after which a certificate's status is asked for anew.",
		}},
		{fieldCacheTTL: {
			"type": "number", "required": true, "default": 60, "between": []int{0, maxSafeInteger},
			"description": "Seconds that a consumer lookup is kept; 0 keeps none.",
		}},
		{fieldSendCADN: {
			"type": "boolean", "required": true, "default": false,
			"description": "Send the names of the CA Certificates in the TLS handshake.",
		}},
		{fieldHTTPProxyHost: {"type": "string", "description": "Host of the forward proxy for OCSP and CRL addresses that begin with http."}},
		{fieldHTTPProxyPort: port("Port of the forward proxy for OCSP and CRL addresses that begin with http.")},
		{fieldHTTPSProxyHost: {"type": "string", "description": "Host of the forward proxy for OCSP and CRL addresses that begin with https."}},
		{fieldHTTPSProxyPort: port("Port of the forward proxy for OCSP and CRL addresses that begin with https.")},
		{fieldSSLVerify: {
			"type": "boolean", "default": true,
			"description": "Verify the TLS certificates of OCSP and CRL servers.",
		}},
		{fieldSANDirNameMatcher: {
			"type": "array", "default": []string{}, "elements": text,
			"description": "Attributes of a directoryName that are subject names, by OID, long or short name; none means all.",
		}},
		{fieldCredentials: {
			"type": "array",
			"elements": object{"type": "record", "fields": []field{
				{"subject_name": {"type": "string", "required": true, "description": "A name in the certificate."}},
				{"consumer": {"type": "string", "required": true, "description": "UUID or username of the consumer."}},
				{"ca_certificate": {"type": "string", "uuid": true, "description": "Id of the CA Certificate that the certificate must come from; any when absent."}},
			}},
			"description": "Manual mappings of names in certificates to consumers.",
		}},
	}
}

// maxSafeInteger is the largest integer that a Lua number holds exactly: "no
// upper bound" where Kong's schema wants both ends of a range.
const maxSafeInteger = 1<<53 - 1
